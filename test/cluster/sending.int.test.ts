/** Workers that are drained and taken up again while they live, under load, judged by the carrier's own log. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Sending } from '../../cluster/sending.ts';
import { settingsSchema } from '../../config/schema.ts';
import { systemClock } from '../../src/clock.ts';
import { encodeInPlace } from '../../src/encode/encode.ts';
import { connectRedis } from '../../src/stream/redis.ts';
import { silentLog } from '../../src/telemetry.ts';
import { countsOf, type LoggedSmsc, loggedSmsc, SendScene, until } from '../send/scene.ts';
import { testBatches, testCarrier } from '../support/lines.ts';

const recipients = 2_000;
const settings = { ...settingsSchema.parse({}), slotLeaseMs: 1_000 };
const ends: (() => Promise<void>)[] = [];
let s: SendScene;
let smsc: LoggedSmsc;

beforeEach(async () => {
  s = await SendScene.open();
  smsc = await loggedSmsc({ latencyMs: 10 });
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  await s.end();
  await smsc.stop();
});

async function startWorker(worker: string): Promise<Sending> {
  const redis = await connectRedis(s.url, 'command', silentLog, worker);
  const subscribing = await connectRedis(s.url, 'subscribing', silentLog, worker);
  const lines = { worker, settings, redis, subscribing, encode: encodeInPlace, clock: systemClock, log: silentLog };
  const sending = new Sending({
    carriers: [testCarrier(smsc.port, { name: s.name, binds: 2, window: 20, ratePerSecond: 2_000 })],
    lines,
    standingOf: () => ({ isPaused: false, isAway: false }),
    changed: () => undefined,
    drainMs: 5_000,
    clock: systemClock,
  });
  ends.push(async () => {
    await sending.stop(performance.now() + 5_000);
    subscribing.disconnect();
    await redis.quit();
  });
  await sending.start();
  return sending;
}

const boundOf = ({ presence }: Sending) => presence.reduce((sum, { bound }) => sum + bound, 0);

test('drain - amid a campaign the other worker takes all, none is lost or doubled, and it comes back', async () => {
  const [first, second] = [await startWorker('first'), await startWorker('second')];
  await until(() => boundOf(first) === 1 && boundOf(second) === 1);
  const content = s.content();
  await s.enqueue(content, testBatches(content, recipients, 50));
  await smsc.waitFor((stats) => stats.accepted >= 300);
  first.heed('drain');
  first.heed('drain');
  await until(() => first.phase === 'drained');
  expect(first.presence).toEqual([{ carrier: s.name, slots: 0, bound: 0, open: 0, batches: 0 }]);
  await until(() => boundOf(second) === 2);
  const writtenByFirst = first.lines[0]!.sender.counts.information.written;

  first.heed('work');
  await until(() => boundOf(first) === 1 && boundOf(second) === 1);
  second.heed('drain');
  await until(() => second.phase === 'drained' && boundOf(first) === 2);
  expect(countsOf(await s.outcomes(content.campaign, recipients))).toEqual({ accepted: recipients });
  const numbers = (await smsc.segments()).map(({ destination }) => destination);
  expect([numbers.length, new Set(numbers).size]).toEqual([recipients, recipients]);
  expect(writtenByFirst).toBeGreaterThan(0);
  expect(writtenByFirst).toBeLessThan(recipients);
  expect(smsc.stats().bindsPeak).toBe(2);
});

test('drain - a worker that is drained stops at once, and one that is being drained when it is done', async () => {
  const [first, second] = [await startWorker('first'), await startWorker('second')];
  first.heed('drain');
  await until(() => first.phase === 'drained');
  await first.stop(performance.now());
  expect(first.phase).toBe('stopping');
  await until(() => boundOf(second) === 2);
  second.heed('drain');
  await second.stop(performance.now() + 5_000);
  expect(boundOf(second)).toBe(0);
});
