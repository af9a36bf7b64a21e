/** The fair schedule of a carrier on real Redis: who is next, who waits, and who is forgotten. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { StreamConveyor } from '../../src/stream/conveyor.ts';
import { listenForWakes, type Wake } from '../../src/stream/wake.ts';
import { connectRedis } from '../../src/stream/redis.ts';
import { silentLog } from '../../src/telemetry.ts';
import { testBatches } from '../support/lines.ts';
import { bothLanes, campaignsTaken, settlementOf, streamScene, type StreamScene, takeOne } from './scene.ts';

let s: StreamScene;
beforeEach(async () => {
  s = await streamScene();
});
afterEach(() => s.end());

const countOf = (campaigns: readonly string[], campaign: string) => campaigns.filter((c) => c === campaign).length;

test.each([
  [1, 1, 20],
  [1, 3, 10],
  [2, 3, 16],
])(
  'schedule - campaigns of weights %d and %d share a lane by them, within a batch',
  async (first, second, expected) => {
    const a = await s.campaign(60, 50, { weight: first });
    const b = await s.campaign(60, 50, { weight: second });
    const taken = await campaignsTaken(s.consumer('w'), 40);
    expect(countOf(taken, a)).toBeGreaterThanOrEqual(expected - 1);
    expect(countOf(taken, a)).toBeLessThanOrEqual(expected + 1);
    expect(countOf(taken, a) + countOf(taken, b)).toBe(40);
  },
);

test('schedule - shares are of recipients, not of batches', async () => {
  const small = await s.campaign(60, 10);
  const large = await s.campaign(60, 40);
  const taken = await campaignsTaken(s.consumer('w'), 50);
  expect(countOf(taken, small)).toBeGreaterThanOrEqual(39);
  expect(countOf(taken, large)).toBeGreaterThanOrEqual(9);
});

test('schedule - a newcomer starts at the minimum of its lane and does not catch up on what it missed', async () => {
  const old = await s.campaign(60, 50);
  const consumer = s.consumer('w');
  await campaignsTaken(consumer, 20);
  const fresh = await s.campaign(60, 50);
  const taken = await campaignsTaken(consumer, 20);
  expect(countOf(taken, fresh)).toBeGreaterThanOrEqual(9);
  expect(countOf(taken, old)).toBeGreaterThanOrEqual(9);
});

test('schedule - one that was idle and comes again catches up on nothing either', async () => {
  const content = s.content();
  await s.enqueue(content, testBatches(content, 50, 50));
  const consumer = s.consumer('w');
  expect(await campaignsTaken(consumer, 5)).toEqual([content.campaign]);
  const other = await s.campaign(60, 50);
  await campaignsTaken(consumer, 20);
  await s.enqueue(content, testBatches(content, 2_000, 50));
  const taken = await campaignsTaken(consumer, 20);
  expect(countOf(taken, other)).toBeGreaterThanOrEqual(9);
  expect(countOf(taken, content.campaign)).toBeGreaterThanOrEqual(9);
});

test('schedule - a small campaign beside a big one waits for one batch at most', async () => {
  const big = await s.campaign(40, 500);
  const consumer = s.consumer('w');
  await campaignsTaken(consumer, 3);
  const small = await s.campaign(1, 3);
  expect(await campaignsTaken(consumer, 2)).toContain(small);
  expect(await campaignsTaken(consumer, 3)).toEqual([big, big, big]);
});

test('schedule - of many that come at once a small one waits for no batch of the large ones', async () => {
  const large: string[] = [];
  for (let number = 0; number < 5; number++) large.push(await s.campaign(20, 500));
  const small = await s.campaign(1, 100);
  for (let number = 0; number < 5; number++) large.push(await s.campaign(20, 500));
  const taken = await campaignsTaken(s.consumer('w'), 12);
  expect(taken[0]).toBe(small);
  expect(new Set(taken)).toEqual(new Set([small, ...large]));
});

test('schedule - alerts are taken before any information, and information again once there are none', async () => {
  const information = await s.campaign(4, 10);
  const alert = await s.campaign(6, 10, { nature: 'alert' });
  const consumer = s.consumer('w');
  expect((await consumer.take(bothLanes, 4)).map((b) => b.campaign)).toEqual([alert, alert, alert, alert]);
  expect((await consumer.take(['information'], 1)).map((b) => b.campaign)).toEqual([information]);
  expect((await consumer.take(bothLanes, 4)).map((b) => b.campaign)).toEqual([alert, alert]);
  expect(await campaignsTaken(consumer, 9)).toEqual([information, information, information]);
  expect(await consumer.take(bothLanes, 4)).toEqual([]);
});

test('pause - nothing of it is taken, also of what is enqueued meanwhile; resume gives all of it', async () => {
  const content = s.content();
  const batches = testBatches(content, 40, 10);
  await s.enqueue(content, batches.slice(0, 2));
  await s.producer.control(s.carrier, content.campaign, 'pause');
  await s.enqueue(content, batches);
  const consumer = s.consumer('w');
  expect(await consumer.take(bothLanes, 9)).toEqual([]);
  await s.producer.control(s.carrier, content.campaign, 'resume');
  await s.producer.control(s.carrier, content.campaign, 'resume');
  expect(await campaignsTaken(consumer, 9)).toHaveLength(4);
});

test('cancel - the rest is taken as cancelled, and no later word changes that', async () => {
  const campaign = await s.campaign(3, 10);
  const consumer = s.consumer('w');
  const held = await takeOne(consumer);
  for (const verb of ['pause', 'cancel', 'pause', 'resume'] as const)
    await s.producer.control(s.carrier, campaign, verb);
  const rest = await consumer.take(bothLanes, 9);
  expect(rest.map(({ state }) => state)).toEqual(['cancelled', 'cancelled']);
  expect(await consumer.renew([held])).toEqual(['cancelled']);
});

test('control - may come before the first batch', async () => {
  const paused = s.content();
  const cancelled = s.content();
  await s.producer.control(s.carrier, paused.campaign, 'pause');
  await s.producer.control(s.carrier, cancelled.campaign, 'cancel');
  await s.enqueue(paused, testBatches(paused, 10, 10));
  await s.enqueue(cancelled, testBatches(cancelled, 10, 10));
  const taken = await s.consumer('w').take(bothLanes, 9);
  expect(taken.map(({ campaign, state }) => [campaign, state])).toEqual([[cancelled.campaign, 'cancelled']]);
  expect(await s.redis.pttl(s.keys.meta(paused.campaign))).toBe(-1);
});

test('close - a campaign is forgotten once nothing of it waits or is in hand, and leaves nothing behind', async () => {
  const campaign = await s.campaign(2, 10);
  const consumer = s.consumer('w');
  expect(await s.producer.close(s.carrier, campaign)).toBe(false);
  const taken = [await takeOne(consumer), await takeOne(consumer)];
  expect(await s.producer.close(s.carrier, campaign)).toBe(false);
  for (const batch of taken) await consumer.settle(settlementOf(batch, 1, true));
  expect(await s.producer.close(s.carrier, campaign)).toBe(true);
  expect(await s.producer.close(s.carrier, campaign)).toBe(true);
  for (const verb of ['resume', 'cancel'] as const) await s.producer.control(s.carrier, campaign, verb);
  const left = await s.redis.keys(`*${campaign}*`);
  for (const key of left) expect(await s.redis.pttl(key), key).toBeGreaterThan(0);
  expect(await s.redis.zcard(s.keys.schedule('information'))).toBe(0);
});

test('last batch - is raised, never lowered; of a campaign that is not open it is forgotten in the end', async () => {
  const conveyor = new StreamConveyor(s.redis);
  const content = s.content();
  for (const number of [9, 4]) await conveyor.raiseLastBatch(s.carrier, content.campaign, number);
  expect(await conveyor.lastBatch(s.carrier, content.campaign)).toBe(9);
  expect(await s.redis.pttl(s.keys.meta(content.campaign))).toBeGreaterThan(0);
  await s.enqueue(content, testBatches(content, 100, 10));
  expect(await conveyor.lastBatch(s.carrier, content.campaign)).toBe(10);
  expect(await s.redis.pttl(s.keys.meta(content.campaign))).toBe(-1);
  expect(await campaignsTaken(s.consumer('w'), 9)).toEqual([content.campaign]);
});

test('wake - workers hear of the first batch, of what was given back, and of every change of state', async () => {
  const subscribing = await connectRedis(s.url, 'subscribing', silentLog);
  const wakes: Wake[] = [];
  let heard = () => undefined as void;
  await listenForWakes(subscribing, s.carrier, (wake) => {
    wakes.push(wake);
    heard();
  });
  const campaign = await s.campaign(3, 10);
  const consumer = s.consumer('w');
  const taken = await takeOne(consumer);
  await consumer.giveBack(taken, { reserved: 0, frames: 0, answered: Buffer.alloc(0), again: [] });
  for (const verb of ['pause', 'resume', 'cancel'] as const) await s.producer.control(s.carrier, campaign, verb);
  await new Promise<void>((resolve) => {
    heard = () => {
      if (wakes.length >= 5) resolve();
    };
    heard();
  });
  subscribing.disconnect();
  const states = ['paused', 'active', 'cancelled'].map((state) => ({ kind: 'state', campaign, state }));
  expect(wakes).toEqual([{ kind: 'take' }, { kind: 'claim' }, ...states]);
});
