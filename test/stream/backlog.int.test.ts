/** What waits for a carrier, on real Redis. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BacklogReader, noBacklog } from '../../src/stream/backlog.ts';
import { Consumer } from '../../src/stream/consumer.ts';
import { SendScene } from '../send/scene.ts';
import { testBatches } from '../support/lines.ts';

let s: SendScene;
beforeEach(async () => {
  s = await SendScene.open();
});
afterEach(() => s.end());

test('backlog - the age of the oldest batch by lane, and bytes, of what waits and of what is in hand', async () => {
  const reader = new BacklogReader(s.redis);
  expect(await reader.read(s.name)).toEqual(noBacklog);
  const [information, alert] = [s.content(), s.content({ nature: 'alert' })];
  const batches = testBatches(information, 100, 50);
  await s.enqueue(information, batches);
  await s.redis.xadd(s.keys.campaign(alert.campaign), '1-1', 'v', '0');
  await s.enqueue(alert, testBatches(alert, 10, 10));
  const before = await reader.read(s.name);
  expect(before.oldestMs.alert).toBeGreaterThan(1_000_000);
  expect(before.oldestMs.information).toBeLessThan(600_000);
  const packed = batches.reduce((sum, batch) => sum + batch.packed.length, 0);
  expect(before.bytes).toBeGreaterThan(packed);
  // Taken is not done.
  await new Consumer(s.redis, s.name, 'worker', 60_000).take(['information'], 2);
  const held = await reader.read(s.name);
  expect(held.bytes).toBe(before.bytes);
  expect(held.oldestMs.information).toBeGreaterThanOrEqual(before.oldestMs.information);
  await s.redis.xadd(s.keys.outcomes, '1-1', 'v', '1');
  await s.redis.xadd(s.keys.aside, '*', 'reason', 'unreadable');
  const { outcomes, receipts, aside } = await reader.read(s.name);
  expect(outcomes.entries).toBe(1);
  expect(outcomes.oldestMs).toBeGreaterThan(1_000_000);
  expect(receipts).toEqual({ entries: 0, oldestMs: 0 });
  expect(aside).toBe(1);
});
