/** Enqueueing on real Redis: nothing twice, nothing lost, and information waits where alerts do not. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Batch } from '../../src/handoff.ts';
import { fieldOf, readBatch } from '../../src/stream/entry.ts';
import { Producer } from '../../src/stream/producer.ts';
import { connectRedis } from '../../src/stream/redis.ts';
import { silentLog } from '../../src/telemetry.ts';
import { faultOf } from '../support/fault.ts';
import { HandClock } from '../support/hand-clock.ts';
import { testBatches } from '../support/lines.ts';
import { bothLanes, signal, streamScene, type StreamScene } from './scene.ts';

let s: StreamScene;
beforeEach(async () => {
  s = await streamScene();
});
afterEach(() => s.end());

async function numbersIn(campaign: string): Promise<number[]> {
  const entries = await s.redis.xrangeBuffer(s.keys.campaign(campaign), '-', '+');
  return (entries as [Buffer, Buffer[]][]).map(([, fields]) => readBatch(fields).number);
}

const bytesOf = (batches: readonly Batch[]) => batches.reduce((sum, { packed }) => sum + packed.length, 0);

test('enqueue - batches are in order, whole, and counted; repeating any part adds nothing', async () => {
  const content = s.content();
  const batches = testBatches(content, 1_000, 10);
  expect(await s.enqueue(content, batches)).toBe(100);
  for (const [from, to] of [
    [0, 100],
    [40, 60],
    [99, 100],
  ] as const)
    expect(await s.enqueue(content, batches.slice(from, to))).toBe(to - from);
  expect(await numbersIn(content.campaign)).toEqual(batches.map(({ number }) => number));
  expect(await s.waiting()).toBe(bytesOf(batches));
  const [taken] = await s.consumer('w').take(bothLanes, 1);
  expect(readBatch(taken?.fields ?? [])).toEqual(batches[0]);
  expect(fieldOf(taken?.fields ?? [], 'n')?.toString()).toBe('10');
});

test('enqueue - two planners at once, while Redis forgets scripts, lose nothing and add nothing twice', async () => {
  const other = await connectRedis(s.url, 'command', silentLog);
  const third = await connectRedis(s.url, 'command', silentLog);
  const content = s.content();
  const batches = testBatches(content, 3_000, 10);
  const second = new Producer(other, 1 << 30, systemClock, silentLog);
  let isOver = false;
  const forget = async () => {
    while (!isOver) await third.script('FLUSH');
  };
  await second.open(s.carrier, content);
  const forgetting = forget();
  await Promise.all([s.enqueue(content, batches), second.enqueue(s.carrier, content, batches, signal)]);
  isOver = true;
  await forgetting;
  expect(await numbersIn(content.campaign)).toEqual(batches.map(({ number }) => number));
  expect(await s.waiting()).toBe(bytesOf(batches));
  await Promise.all([other.quit(), third.quit()]);
});

test('enqueue - numbers may have gaps, and another attempt at a batch goes in once', async () => {
  const content = s.content();
  const [first, second, third] = testBatches(content, 30, 10) as [Batch, Batch, Batch];
  await s.enqueue(content, [first, third]);
  await s.enqueue(content, [second]);
  expect(await numbersIn(content.campaign)).toEqual([1, 3]);
  const again = { ...second, attempt: 2, only: [1, 2, 9] };
  await s.enqueue(content, [again]);
  await s.enqueue(content, [again, third]);
  expect(await numbersIn(content.campaign)).toEqual([1, 3, 2]);
  await s.enqueue(content, [{ ...again, attempt: 3 }]);
  expect(await numbersIn(content.campaign)).toEqual([1, 3, 2, 2]);
});

test('enqueue - information waits while the stream is full, alerts go in, an abort tells how far it came', async () => {
  const producer = new Producer(s.redis, 100, systemClock, silentLog);
  const content = s.content();
  const batches = testBatches(content, 400, 10);
  const alert = s.content({ nature: 'alert' });
  for (const one of [content, alert]) await producer.open(s.carrier, one);
  expect(await producer.enqueue(s.carrier, content, batches.slice(0, 10), signal)).toBe(10);
  const abort = new AbortController();
  const waiting = producer.enqueue(s.carrier, content, batches, abort.signal);
  expect(await producer.enqueue(s.carrier, alert, testBatches(alert, 400, 10), signal)).toBe(40);
  expect(await numbersIn(content.campaign)).toHaveLength(10);
  abort.abort();
  expect(await waiting).toBe(0);
  expect(await numbersIn(content.campaign)).toHaveLength(10);
});

test('enqueue - goes on as soon as the stream has drained', async () => {
  const clock = new HandClock();
  const producer = new Producer(s.redis, 100, clock, silentLog);
  const content = s.content();
  const batches = testBatches(content, 40, 10);
  await producer.open(s.carrier, content);
  await producer.enqueue(s.carrier, content, batches.slice(0, 1), signal);
  const waiting = producer.enqueue(s.carrier, content, batches, signal);
  await clock.untilArmed();
  await s.redis.set(s.keys.waiting, 99);
  await clock.advance(100);
  expect(await waiting).toBe(4);
});

test('enqueue - what Redis lost meanwhile does not count as enqueued', async () => {
  const clock = new HandClock();
  const producer = new Producer(s.redis, 100, clock, silentLog);
  const content = s.content();
  const batches = testBatches(content, 40, 10);
  await producer.open(s.carrier, content);
  await producer.enqueue(s.carrier, content, batches.slice(0, 2), signal);
  const fault = faultOf(producer.enqueue(s.carrier, content, batches, signal));
  await clock.untilArmed();
  await s.redis.flushdb();
  await clock.advance(100);
  expect((await fault).code).toBe('redis');
});

test('enqueue - a campaign that was closed takes nothing more, until somebody opens it knowing why', async () => {
  const content = s.content();
  const batches = testBatches(content, 10, 10);
  await s.producer.open(s.carrier, content);
  expect(await s.producer.close(s.carrier, content.campaign)).toBe(true);
  expect((await faultOf(s.producer.enqueue(s.carrier, content, batches, signal))).code).toBe('redis');
  expect(await numbersIn(content.campaign)).toEqual([]);
});
