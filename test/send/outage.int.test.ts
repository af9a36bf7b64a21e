/** Redis stands still for longer than every lease, on a server of the test's own: nothing is sent twice by anybody. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectRedis, type RedisConnection } from '../../src/stream/redis.ts';
import { silentLog } from '../../src/telemetry.ts';
import { testBatches } from '../support/lines.ts';
import { ownRedis, type OwnServer } from '../support/own-server.ts';
import { type LoggedSmsc, loggedSmsc, SendScene, until } from './scene.ts';

let server: OwnServer;
let s: SendScene;
let smsc: LoggedSmsc;
let control: RedisConnection;
beforeEach(async () => {
  server = await ownRedis();
  s = await SendScene.open(server.url);
  smsc = await loggedSmsc({ latencyMs: 3 });
  control = await connectRedis(server.url, 'command', silentLog);
});
afterEach(async () => {
  await s.end();
  control.disconnect();
  await smsc.stop();
  await server.dispose();
});

const recipients = 2_400;
const contract = { binds: 2, window: 20, ratePerSecond: 1_600 };
const settings = { slotLeaseMs: 500, batchLeaseMs: 900 };

/** What was recorded of each recipient; a worker that lost a batch may have said `unknown` beside its heir. */
async function outcomesByOrdinal(campaign: string): Promise<Map<number, Set<string>>> {
  const byOrdinal = new Map<number, Set<string>>();
  for (const { ordinal, outcome } of await s.recorded(campaign, true))
    byOrdinal.set(ordinal, (byOrdinal.get(ordinal) ?? new Set()).add(outcome));
  return byOrdinal;
}

test.each([
  ['stands still', async () => void (await control.client('PAUSE', 1_500, 'ALL'))],
  [
    'is killed and starts again',
    async () => {
      await server.kill();
      await server.start();
    },
  ],
])('Redis %s - everybody has an outcome, nobody two messages, and the contract holds', async (_what, trouble) => {
  const content = s.content();
  await s.work(smsc.port, contract, settings);
  await s.work(smsc.port, contract, settings);
  await s.enqueue(content, testBatches(content, recipients, 100));
  // The append-only file is written once a second: what is to survive a kill has to be in it.
  await control.config('SET', 'appendfsync', 'always');
  await smsc.waitFor((stats) => stats.accepted >= 300);
  await trouble();
  let outcomes = await outcomesByOrdinal(content.campaign);
  await until(async () => {
    outcomes = await outcomesByOrdinal(content.campaign);
    return outcomes.size === recipients && (await s.redis.zcard(s.keys.held)) === 0;
  });
  const taken = (await smsc.segments()).map(({ destination }) => destination);
  expect(new Set(taken).size).toBe(taken.length);
  const accepted = [...outcomes.values()].filter((each) => each.has('accepted')).length;
  const unknown = recipients - accepted;
  expect(
    [...outcomes.values()].flatMap((each) => [...each]).filter((o) => o !== 'accepted' && o !== 'unknown'),
  ).toEqual([]);
  expect(taken.length).toBeGreaterThanOrEqual(accepted);
  // What was reserved and what was in flight: two slices of each batch that was begun, at most.
  expect(unknown).toBeLessThan(recipients / 2);
  expect(smsc.stats()).toMatchObject({ bindsPeak: 2 });
  expect(smsc.stats().windowPeak).toBeLessThanOrEqual(contract.window);
});
