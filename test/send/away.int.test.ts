/** A carrier that is away while another one can have what was never written: it is given up, and nothing else is. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Consumer } from '../../src/stream/consumer.ts';
import { testBatches } from '../support/lines.ts';
import { countsOf, type LoggedSmsc, loggedSmsc, SendScene, until } from './scene.ts';

let s: SendScene;
let smsc: LoggedSmsc;
beforeEach(async () => {
  s = await SendScene.open();
  smsc = await loggedSmsc({ latencyMs: 20 });
});
afterEach(async () => {
  await s.end();
  await smsc.stop();
});

const recipients = 600;
const contract = { binds: 2, window: 20, ratePerSecond: 1_000 };

test('away - what was never written is given up, in hand and in Redis; what was written stays unknown', async () => {
  const content = s.content();
  const { lines } = await s.work(smsc.port, contract);
  await s.enqueue(content, testBatches(content, recipients, 50));
  await smsc.waitFor((stats) => stats.accepted >= 100);
  smsc.setBehaviour({ bindStatus: 0x0d });
  smsc.disconnectAll();
  await until(() => lines.pool.boundCount === 0);
  lines.sender.setAway(true);
  const outcomes = countsOf(await s.outcomes(content.campaign, recipients));
  const written = (await smsc.segments()).length;
  expect(outcomes.accepted! + (outcomes.unknown ?? 0)).toBeGreaterThanOrEqual(written);
  expect(outcomes.unknown ?? 0).toBeLessThanOrEqual(2 * 20 + 100);
  expect(outcomes.rerouted).toBe(recipients - outcomes.accepted! - (outcomes.unknown ?? 0));
  expect(outcomes.rerouted).toBeGreaterThan(300);
  await until(async () => (await s.redis.xlen(s.keys.campaign(content.campaign))) === 0);
  expect(lines.sender.batchesHeld).toBe(0);
});

test('away - a cancelled campaign is cancelled and an expired one has expired, also there', async () => {
  const [cancelled, expired] = [s.content(), s.content({ expiresAtMs: Date.now() - 1 })];
  for (const content of [cancelled, expired]) await s.enqueue(content, testBatches(content, 100, 50));
  await s.producer.control(s.name, cancelled.campaign, 'cancel');
  smsc.setBehaviour({ bindStatus: 0x0d });
  const { lines } = await s.work(smsc.port, contract);
  lines.sender.setAway(true);
  expect(countsOf(await s.outcomes(cancelled.campaign, 100))).toEqual({ cancelled: 100 });
  expect(countsOf(await s.outcomes(expired.campaign, 100))).toEqual({ expired: 100 });
});

test('away - what somebody else holds by now is not given up here: it would go out at two carriers', async () => {
  const content = s.content();
  const { lines } = await s.work(smsc.port, { ...contract, ratePerSecond: 10 });
  await s.enqueue(content, testBatches(content, 50, 50));
  await smsc.waitFor((stats) => stats.accepted >= 1);
  const [member] = await s.redis.zrange(s.keys.held, '0', '0');
  await s.redis.zadd(s.keys.held, 0, member as string);
  expect(await new Consumer(s.redis, s.name, 'other', 60_000).claim(1)).toHaveLength(1);
  lines.sender.setAway(true);
  await until(() => lines.sender.batchesHeld === 0);
  expect(countsOf(await s.recorded()).rerouted).toBeUndefined();
});

test('away - a carrier that is back is sent to again', async () => {
  const content = s.content();
  smsc.setBehaviour({ bindStatus: 0x0d });
  const { lines } = await s.work(smsc.port, contract);
  lines.sender.setAway(true);
  smsc.setBehaviour({ bindStatus: 0 });
  lines.sender.setAway(false);
  await until(() => lines.pool.boundCount > 0);
  await s.enqueue(content, testBatches(content, 100, 50));
  expect(countsOf(await s.outcomes(content.campaign, 100))).toEqual({ accepted: 100 });
});
