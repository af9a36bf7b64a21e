/** Workers of an account that is divided otherwise than before: its binds stay one contract, what waits is given up. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LeasesAlone, OtherNames, otherNamesOf } from '../../cluster/division.ts';
import type { Leases } from '../../cluster/lease.ts';
import { Leftovers } from '../../cluster/leftovers.ts';
import { createLines, type Lines, type WorkerParts } from '../../cluster/lines.ts';
import { shardsOf } from '../../config/shards.ts';
import { settingsSchema } from '../../config/schema.ts';
import { systemClock } from '../../src/clock.ts';
import { encodeInPlace } from '../../src/encode/encode.ts';
import { connectRedis } from '../../src/stream/redis.ts';
import { carriersHeld, SlotLeases } from '../../src/stream/slots.ts';
import { silentLog } from '../../src/telemetry.ts';
import { countsOf, type LoggedSmsc, loggedSmsc, SendScene, until } from '../send/scene.ts';
import { testBatches, testCarrier } from '../support/lines.ts';

const settings = { ...settingsSchema.parse({}), slotLeaseMs: 400 };
const binds = 4;
const ends: (() => Promise<void>)[] = [];
let s: SendScene;
let smsc: LoggedSmsc;

beforeEach(async () => {
  s = await SendScene.open();
  smsc = await loggedSmsc({ latencyMs: 10, bindsMax: binds });
});
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
  await s.end();
  await smsc.stop();
});

async function partsOf(worker: string, carriers: readonly string[]): Promise<WorkerParts> {
  const redis = await connectRedis(s.url, 'command', silentLog, worker);
  const subscribing = await connectRedis(s.url, 'subscribing', silentLog, worker);
  ends.push(async () => {
    subscribing.disconnect();
    await redis.quit();
  });
  const common = { encode: encodeInPlace, clock: systemClock, log: silentLog };
  return { worker, settings, redis, subscribing, otherNamesOf: otherNamesOf(carriers), ...common };
}

/** The carriers of an account that is divided into so many shards. */
function divided(shards: number) {
  return shardsOf(testCarrier(smsc.port, { name: s.name, binds, window: 20, ratePerSecond: 2_000, shards }));
}

/** A worker's lines to all of them, running. */
async function work(worker: string, shards: number): Promise<{ lines: readonly Lines[]; stop(): Promise<void> }> {
  const carriers = divided(shards);
  const parts = await partsOf(
    worker,
    carriers.map(({ name }) => name),
  );
  const lines = carriers.map((carrier) => createLines(carrier, parts));
  await Promise.all(lines.map((line) => line.start()));
  let stopped: Promise<unknown> | undefined;
  const stop = async () => {
    stopped ??= Promise.all(lines.map((line) => line.stop(performance.now() + 5_000)));
    await stopped;
  };
  ends.push(stop);
  return { lines, stop };
}

const boundOf = ({ lines }: { readonly lines: readonly Lines[] }) =>
  lines.reduce((sum, { pool }) => sum + pool.boundCount, 0);

test.each([
  [1, 2],
  [3, 1],
  [4, 2],
])('division - from %d to %d, binds of before and of now are never more than the contract', async (before, now) => {
  const first = await work('before', before);
  await until(() => boundOf(first) === binds);
  const second = await work('now', now);
  // It asks again and again meanwhile, and is not given any.
  await second.lines[0]?.holder.renew();
  await second.lines[0]?.holder.renew();
  expect([boundOf(first), boundOf(second)]).toEqual([binds, 0]);
  await first.stop();
  await until(() => boundOf(second) === binds);
  expect(smsc.stats()).toMatchObject({ bindsPeak: binds, bindsRefused: 0 });
});

/** Leases of one slot by a name of the account, alone; `leasesOf` may do something before or after they are asked. */
async function alone(name: string, leasesOf: (leases: Leases) => Leases = (leases) => leases): Promise<LeasesAlone> {
  const { redis } = await partsOf(`one-${name}`, []);
  const others = [s.name, `${s.name}.0`, `${s.name}.1`].filter((other) => other !== name);
  const leases = new SlotLeases(redis, name, `worker-${name}`, 60_000, 1);
  return new LeasesAlone(leasesOf(leases), () => carriersHeld(redis, others), silentLog);
}

/** Slots that it has within as many renewals as whoever gave way may sit out. */
async function renewed(leases: LeasesAlone): Promise<number> {
  for (let at = 0; at < 5; at += 1) {
    const { held } = await leases.renew(false);
    if (held.length > 0) return held.length;
  }
  return 0;
}

test('division - a worker of before that had no slot takes none once workers of now have some', async () => {
  const { redis } = await partsOf('first', []);
  const first = new SlotLeases(redis, s.name, 'first', 60_000, 1);
  const [slot] = (await first.renew(false)).held;
  const [before, now] = [await alone(s.name), await alone(`${s.name}.0`)];
  expect([await renewed(before), await renewed(now)]).toEqual([0, 0]);
  if (slot !== undefined) await first.release(slot);
  const { held } = await now.renew(false);
  expect([held.length, await renewed(before), await renewed(now)]).toEqual([1, 0, 1]);
  for (const own of held) await now.release(own);
  expect(await renewed(before)).toBe(1);
  expect(await renewed(now)).toBe(0);
});

test('division - of workers of before and of now that take slots at once only one uses them', async () => {
  const before = await alone(s.name);
  let [had, isFirst] = [0, true];
  const now = await alone(`${s.name}.0`, (leases) => ({
    async renew(leaving) {
      // It looked and saw nobody; now the other one takes its slot.
      if (isFirst) had = await renewed(before);
      isFirst = false;
      return await leases.renew(leaving);
    },
    release: (slot) => leases.release(slot),
  }));
  expect([await renewed(now), had]).toEqual([0, 1]);
  expect([await renewed(before), await renewed(now)]).toEqual([1, 0]);
});

test('division - a name whose node says nothing for a lease, or fails, keeps nobody waiting', async () => {
  let answer: (isHeld: boolean) => void = () => undefined;
  let asks = 0;
  const isHeld = async (name: string) => {
    asks += 1;
    if (name === 'fails') throw new Error('too many redirections');
    return name === 'silent' ? await new Promise<boolean>((resolve) => (answer = resolve)) : name === 'held';
  };
  const names = ['silent', 'fails', 'held', 'free'];
  const others = new OtherNames({ names, isHeld, leaseMs: 150, clock: systemClock });
  await expect(others.held()).rejects.toThrow('too many redirections');
  let heard: readonly string[] = [];
  while (heard.length === 0) heard = await others.held().catch(() => []);
  expect(heard).toEqual(['held']);
  const before = asks;
  const next = others.held();
  // What is not answered yet is not asked again.
  expect(asks).toBe(before + 3);
  answer(true);
  expect(await next).toEqual(['silent', 'held']);
});

test('leftovers - what waits under a name of before is given up, and what was written is not', async () => {
  const [content, paused] = [s.content(), s.content()];
  const first = await work('before', 1);
  await until(() => boundOf(first) === binds);
  await s.enqueue(content, testBatches(content, 1_000, 50));
  await s.producer.open(s.name, paused);
  await s.producer.control(s.name, paused.campaign, 'pause');
  await s.enqueue(paused, testBatches(paused, 50, 50));
  await smsc.waitFor(({ accepted }) => accepted >= 200);
  await first.stop();
  const leftovers = new Leftovers(divided(2), await partsOf('now', [`${s.name}.0`, `${s.name}.1`]));
  ends.push(() => leftovers.stop());
  await leftovers.start();
  const outcomes = countsOf(await s.outcomes(content.campaign, 1_000));
  expect(outcomes).toEqual({ accepted: smsc.stats().accepted, rerouted: 1_000 - smsc.stats().accepted });
  expect(outcomes.rerouted).toBeGreaterThan(0);
  // A campaign that is resumed later is given up then.
  expect(await s.recorded(paused.campaign)).toEqual([]);
  await s.producer.control(s.name, paused.campaign, 'resume');
  expect(countsOf(await s.outcomes(paused.campaign, 50))).toEqual({ rerouted: 50 });
});

test('leftovers - names that workers still hold slots of are theirs', async () => {
  const content = s.content();
  const first = await work('before', 2);
  await until(() => boundOf(first) === binds);
  const [shard = ''] = first.lines.map(({ carrier }) => carrier.name);
  const { signal } = new AbortController();
  await s.producer.open(shard, content);
  const leftovers = new Leftovers(divided(1), await partsOf('now', [s.name]));
  ends.push(() => leftovers.stop());
  await s.producer.enqueue(shard, content, testBatches(content, 300, 50), signal);
  await leftovers.start();
  await smsc.waitFor(({ accepted }) => accepted === 300);
});
