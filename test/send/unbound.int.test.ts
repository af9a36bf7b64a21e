/** A worker that has batches in hand and no bind to send them: another worker that has one gets them. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { testBatches } from '../support/lines.ts';
import { countsOf, type LoggedSmsc, loggedSmsc, SendScene, until } from './scene.ts';

let s: SendScene;
let smsc: LoggedSmsc;
beforeEach(async () => {
  s = await SendScene.open();
  smsc = await loggedSmsc({ latencyMs: 5 });
});
afterEach(async () => {
  await s.end();
  await smsc.stop();
});

const recipients = 600;

test('unbound - a worker whose slots have all gone to others leaves them its batches', async () => {
  const contract = { binds: 1, window: 20, ratePerSecond: 400 };
  const content = s.content();
  // Nothing but the loss of the slot can make it let go in time.
  const { lines } = await s.work(smsc.port, contract, { batchLeaseMs: 600_000 });
  await s.enqueue(content, testBatches(content, recipients, 50));
  await smsc.waitFor((stats) => stats.accepted >= 50);
  await s.work(smsc.port, contract);
  expect(lines.sender.batchesHeld).toBeGreaterThan(0);
  await lines.holder.stop(performance.now() + 5_000);
  expect(countsOf(await s.outcomes(content.campaign, recipients))).toEqual({ accepted: recipients });
  expect(await smsc.segments()).toHaveLength(recipients);
  await until(() => lines.sender.batchesHeld === 0);
});

test('unbound - a worker that cannot reach the carrier leaves its batches to one that can', async () => {
  const contract = { binds: 2, window: 20, ratePerSecond: 400 };
  const content = s.content();
  const gone = await loggedSmsc({ latencyMs: 5 });
  const { lines } = await s.work(gone.port, contract, { batchLeaseMs: 900 });
  await s.enqueue(content, testBatches(content, recipients, 50));
  await gone.waitFor((stats) => stats.accepted >= 50);
  await s.work(smsc.port, contract);
  gone.setBehaviour({ bindStatus: 0x0d });
  gone.disconnectAll();
  await until(() => lines.pool.boundCount === 0);
  const outcomes = countsOf(await s.outcomes(content.campaign, recipients));
  const accepted = [...(await gone.segments()), ...(await smsc.segments())].map(({ destination }) => destination);
  expect(new Set(accepted).size).toBe(accepted.length);
  expect(outcomes.accepted! + (outcomes.unknown ?? 0)).toBe(recipients);
  expect(outcomes.unknown ?? 0).toBeLessThanOrEqual(40);
  await gone.stop();
});
