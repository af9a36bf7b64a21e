/** Workers that share the slots of a carrier on real Redis while they come, go and die: never more than there are. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Leases, SlotHolder } from '../../cluster/lease.ts';
import { systemClock } from '../../src/clock.ts';
import { connectRedis, type RedisConnection } from '../../src/stream/redis.ts';
import { SlotLeases, turnOf } from '../../src/stream/slots.ts';
import { silentLog } from '../../src/telemetry.ts';
import { testRedis } from '../support/redis.ts';

const leaseMs = 300;

/** All binds to one carrier, and a word to whoever waits whenever one opens or closes. */
class Carrier {
  readonly name = `c${randomBytes(6).toString('hex')}`;
  readonly slots: number;
  readonly open = new Map<number, string>();
  peak = 0;
  /** Slots that were opened while another worker had them open. */
  readonly doubled: number[] = [];
  #waiting: { holds: () => boolean; resolve: () => void }[] = [];

  constructor(slots: number) {
    this.slots = slots;
  }

  opened(slot: number, worker: string): void {
    if (this.open.has(slot)) this.doubled.push(slot);
    this.open.set(slot, worker);
    this.peak = Math.max(this.peak, this.open.size);
    this.#changed();
  }

  closed(slot: number, worker: string): void {
    if (this.open.get(slot) === worker) this.open.delete(slot);
    this.#changed();
  }

  of(worker: string): number {
    return [...this.open.values()].filter((owner) => owner === worker).length;
  }

  /** Resolves when the workers named hold all slots in fair shares, and nobody else holds any. */
  shared(...workers: string[]): Promise<void> {
    const holds = () => {
      const shares = workers.map((worker) => this.of(worker));
      return (
        shares.reduce((sum, share) => sum + share, 0) === this.slots &&
        Math.max(...shares) - Math.min(...shares) <= 1 &&
        this.open.size === this.slots
      );
    };
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ holds, resolve }));
  }

  #changed(): void {
    this.#waiting = this.#waiting.filter(({ holds, resolve }) => {
      if (holds()) resolve();
      return !holds();
    });
  }
}

let redis: RedisConnection;
beforeAll(async () => {
  redis = await connectRedis((await testRedis()).url, 'command', silentLog);
});
afterAll(() => redis.quit());

async function join(carrier: Carrier, worker: string) {
  const leases = new SlotLeases(redis, carrier.name, worker, leaseMs, carrier.slots);
  let isDead = false;
  // A dead worker's questions are never asked.
  const whileAlive: Leases = {
    renew: (leaving) => (isDead ? new Promise(() => undefined) : leases.renew(leaving)),
    release: (slot) => (isDead ? new Promise(() => undefined) : leases.release(slot)),
  };
  const binds = {
    trust: () => undefined,
    open: (slot: number) => carrier.opened(slot, worker),
    close: async (slot: number) => carrier.closed(slot, worker),
    abandon: (slot: number) => carrier.closed(slot, worker),
  };
  const holder = new SlotHolder(whileAlive, binds, leaseMs, systemClock, silentLog);
  await holder.start();
  return {
    leave: () => holder.stop(performance.now() + 5_000),
    /** Stops without a word: its binds are closed by its own distrust, or by the end of the process. */
    die: () => {
      isDead = true;
    },
  };
}

test.concurrent.each([1, 2, 3, 5])(
  'slots - %d of them are shared fairly by workers that come, go and die, and never exceeded',
  async (slots) => {
    const carrier = new Carrier(slots);
    const a = await join(carrier, 'a');
    await carrier.shared('a');
    const b = await join(carrier, 'b');
    const c = await join(carrier, 'c');
    await carrier.shared('a', 'b', 'c');
    a.die();
    await carrier.shared('b', 'c');
    const d = await join(carrier, 'd');
    const e = await join(carrier, 'e');
    await carrier.shared('b', 'c', 'd', 'e');
    await Promise.all([b.leave(), d.leave()]);
    await carrier.shared('c', 'e');
    await c.leave();
    await carrier.shared('e');
    await e.leave();
    expect(carrier.open.size).toBe(0);
    expect(carrier.peak).toBe(slots);
    expect(carrier.doubled).toEqual([]);
  },
);

test('slots - tokens only rise, and a renewal keeps its own', async () => {
  const carrier = `c${randomBytes(6).toString('hex')}`;
  const leasesOf = (worker: string, ms = 60_000) => new SlotLeases(redis, carrier, worker, ms, 2);
  const first = leasesOf('first');
  const { held } = await first.renew(false);
  expect(held.map(({ number }) => number)).toEqual([0, 1]);
  expect((await first.renew(false)).held).toEqual(held);
  const second = leasesOf('second');
  expect(await second.renew(false)).toEqual({ held: [], excess: [] });
  expect((await first.renew(false)).excess).toEqual([1]);
  await first.release(held[1] as never);
  const taken = (await second.renew(false)).held;
  expect(taken.map(({ number }) => number)).toEqual([1]);
  expect(Number(taken[0]?.token)).toBeGreaterThan(Math.max(...held.map(({ token }) => Number(token))));
  // Giving back what is another's by now changes nothing.
  await first.release(held[1] as never);
  expect((await second.renew(false)).held).toEqual(taken);
});

test('slots - one who left in order leaves its share at once, not when its registration would have ended', async () => {
  const carrier = new Carrier(1);
  for (const worker of ['a', 'b', 'c']) {
    const leases = new SlotLeases(redis, carrier.name, worker, 3_600_000, 1);
    const binds = {
      trust: () => undefined,
      open: (slot: number) => carrier.opened(slot, worker),
      close: async (slot: number) => carrier.closed(slot, worker),
      abandon: (slot: number) => carrier.closed(slot, worker),
    };
    const holder = new SlotHolder(leases, binds, 3_600_000, systemClock, silentLog);
    await holder.start();
    expect([...carrier.open.values()]).toEqual([worker]);
    await holder.stop(performance.now() + 5_000);
  }
});

test('slots - one who leaves keeps what it holds until it gives it back, and is given nothing more', async () => {
  const carrier = `c${randomBytes(6).toString('hex')}`;
  const leaving = new SlotLeases(redis, carrier, 'leaving', 60_000, 3);
  const staying = new SlotLeases(redis, carrier, 'staying', 60_000, 3);
  await staying.renew(false);
  const { held } = await staying.renew(false);
  for (const slot of held.slice(1)) await staying.release(slot);
  const mine = (await leaving.renew(false)).held;
  expect(mine).toHaveLength(2);
  const bye = await leaving.renew(true);
  expect(bye.held).toEqual(mine);
  expect((await staying.renew(false)).held).toHaveLength(1);
  for (const slot of mine) await leaving.release(slot);
  expect((await leaving.renew(true)).held).toEqual([]);
  expect((await staying.renew(false)).held).toHaveLength(3);
});

test('slots - of several carriers with fewer slots than workers, every worker gets about as many', async () => {
  const carriers = Array.from({ length: 8 }, () => `c${randomBytes(6).toString('hex')}`);
  // Places on the circle, evenly spaced; names that sort otherwise.
  const workers = Array.from(
    { length: 16 },
    (_, at) => `w${at % 5}-${(at * 0x1000_0000).toString(16).padStart(8, '0')}`,
  );
  const leases = workers.map((worker) =>
    carriers.map((carrier) => new SlotLeases(redis, carrier, worker, 60_000, 8, turnOf(carriers, carrier))),
  );
  for (const ofWorker of leases) for (const one of ofWorker) await one.renew(true);
  for (const ofWorker of leases) for (const one of ofWorker) await register(one);
  const counts = await Promise.all(
    leases.map(async (ofWorker) => {
      const all = await Promise.all(ofWorker.map((one) => one.renew(false)));
      return all.reduce((sum, { held, excess }) => sum + held.length - excess.length, 0);
    }),
  );
  expect(counts.reduce((sum, count) => sum + count)).toBe(64);
  expect([Math.min(...counts), Math.max(...counts)]).toEqual([4, 4]);
});

/** Makes a worker known; what it takes meanwhile above its share it gives back. */
async function register(leases: SlotLeases): Promise<void> {
  for (const slot of (await leases.renew(false)).held) await leases.release(slot);
}

test('slots - more workers than slots: some hold none, and none is left over', async () => {
  const carrier = `c${randomBytes(6).toString('hex')}`;
  const workers = ['a', 'b', 'c', 'd'].map((name) => new SlotLeases(redis, carrier, name, 60_000, 2));
  for (const worker of workers) await worker.renew(true);
  let held = 0;
  for (const worker of workers) held += (await worker.renew(false)).held.length;
  expect(held).toBe(2);
});

test('slots - Redis that lost its data gives nobody a slot that somebody may still hold', async () => {
  const carrier = `c${randomBytes(6).toString('hex')}`;
  const leasesOf = (worker: string) => new SlotLeases(redis, carrier, worker, 60_000, 4);
  const [a, b] = [leasesOf('a'), leasesOf('b')];
  const { held } = await a.renew(false);
  await a.release(held[2] as never);
  await a.release(held[3] as never);
  const ofB = (await b.renew(false)).held;
  const kept = (await a.renew(false)).held;
  expect([kept.length, ofB.length]).toEqual([2, 2]);
  await redis.del(...(await redis.keys(`{${carrier}}*`)));
  // Whoever asks first knows that there were others, and one who is new learns it from them.
  expect((await b.renew(false)).held).toEqual(ofB);
  expect((await leasesOf('c').renew(false)).held).toEqual([]);
  expect((await a.renew(false)).held).toEqual(kept);
  expect((await b.renew(false)).held).toEqual(ofB);
});

test('slots - Redis that fell back by a moment does not undo a later lease', async () => {
  const carrier = `c${randomBytes(6).toString('hex')}`;
  const [early, late] = ['early', 'late'].map((name) => new SlotLeases(redis, carrier, name, 60_000, 1)) as [
    SlotLeases,
    SlotLeases,
  ];
  const keys = [`{${carrier}}:slots`, `{${carrier}}:tokens`] as const;
  const [first] = (await early.renew(false)).held;
  const before = { slots: await redis.hgetall(keys[0]), tokens: (await redis.get(keys[1])) ?? '0' };
  await early.release(first as never);
  await early.renew(true);
  const later = (await late.renew(false)).held;
  expect(later).toHaveLength(1);
  expect((await early.renew(false)).held).toEqual([]);
  await redis.hset(keys[0], before.slots);
  await redis.set(keys[1], before.tokens);
  expect((await early.renew(false)).held).toEqual([]);
  expect((await late.renew(false)).held).toEqual(later);
});
