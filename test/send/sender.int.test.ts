/** A worker's lines on real Redis and a simulated carrier: what arrives, once, and what is recorded. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { outcomeCodes } from '../../src/handoff.ts';
import { readLog } from '../../src/smsc/log-reader.ts';
import { startSmsc } from '../../src/smsc/server.ts';
import { readOutcomes, readReceipts } from '../../src/stream/entry.ts';
import { Producer } from '../../src/stream/producer.ts';
import { StreamRecordSource } from '../../src/stream/record-source.ts';
import { connectRedis } from '../../src/stream/redis.ts';
import { silentLog } from '../../src/telemetry.ts';
import { addressOf, password, startLines, testBatches, testCarrier, testContent } from '../support/lines.ts';
import { testRedis } from '../support/redis.ts';

const signal = new AbortController().signal;

async function scene(behaviour = {}) {
  const { url } = await testRedis();
  const redis = await connectRedis(url, 'command', silentLog);
  const log = join(mkdtempSync(join(tmpdir(), 'smsc-')), 'log');
  const smsc = await startSmsc({ accounts: [{ systemId: 'tocsin', password }], log, behaviour });
  const producer = new Producer(redis, 1 << 30, systemClock);
  return { url, redis, log, smsc, producer, source: new StreamRecordSource(redis) };
}

type Scene = Awaited<ReturnType<typeof scene>>;

/** Reads outcomes until `recipients` of them are there; outcome code by ordinal. */
async function outcomesOf({ source }: Scene, recipients: number): Promise<Map<number, number>> {
  const outcomes = new Map<number, number>();
  let after = { outcomes: '0-0', receipts: '0-0' };
  while (outcomes.size < recipients) {
    const read = await source.read('north', after, { outcomeEntriesMax: 100, receiptEntriesMax: 0 });
    for (const { header, packed } of read.outcomes)
      readOutcomes(packed, (index, count, _segment, _segments, code) => {
        for (let i = 0; i < count; i++) {
          const ordinal = header.firstOrdinal + index + i;
          expect(outcomes.has(ordinal), `outcome of ${ordinal} once`).toBe(false);
          outcomes.set(ordinal, code);
        }
      });
    after = { ...after, outcomes: read.outcomes.at(-1)?.id ?? after.outcomes };
  }
  return outcomes;
}

async function destinationsOf(log: string): Promise<string[]> {
  const destinations: string[] = [];
  for await (const segment of readLog(log)) if (segment.status === 0) destinations.push(segment.destination);
  return destinations;
}

test('sender - every recipient is submitted once with their own text, and recorded as accepted', async () => {
  const s = await scene();
  const content = testContent();
  const worker = await startLines(s.url, testCarrier(s.smsc.port));
  await s.producer.enqueue('north', content, testBatches(content, 2_000, 300), { last: true, signal });
  const outcomes = await outcomesOf(s, 2_000);
  expect(new Set(outcomes.values())).toEqual(new Set([outcomeCodes.accepted]));
  const texts = new Map<string, string>();
  for await (const segment of readLog(s.log)) {
    expect(texts.has(segment.destination)).toBe(false);
    texts.set(segment.destination, segment.text);
  }
  expect(texts.size).toBe(2_000);
  for (const ordinal of [0, 299, 300, 1_999]) expect(texts.get(addressOf(ordinal))).toBe(`Bonjour Ada${ordinal}`);
  expect(await s.redis.get('{north}:waiting')).toBe('0');
  expect(await s.redis.zcard('{north}:held')).toBe(0);
  await worker.stop();
  await s.smsc.stop();
});

test('intake - a receipt is answered only when it is in the stream', async () => {
  const s = await scene({ receiptDelayMs: 5 });
  const content = testContent();
  const worker = await startLines(s.url, testCarrier(s.smsc.port));
  await s.producer.enqueue('north', content, testBatches(content, 200, 100), { last: true, signal });
  await s.smsc.waitFor((stats) => stats.receiptsAnswered >= 200);
  let receipts = 0;
  const read = await s.source.read(
    'north',
    { outcomes: '0-0', receipts: '0-0' },
    { outcomeEntriesMax: 9, receiptEntriesMax: 999 },
  );
  for (const { packed } of read.receipts) readReceipts(packed, () => receipts++);
  expect(receipts).toBe(200);
  await worker.stop();
  await s.smsc.stop();
});

test('drain - what was not written goes to the next worker, and nothing goes twice', async () => {
  const s = await scene({ latencyMs: 5 });
  const content = testContent();
  const carrier = testCarrier(s.smsc.port, { ratePerSecond: 2_000 });
  const first = await startLines(s.url, carrier);
  await s.producer.enqueue('north', content, testBatches(content, 1_500, 250), { last: true, signal });
  await s.smsc.waitFor((stats) => stats.accepted >= 300);
  await first.stop();
  expect((await destinationsOf(s.log)).length).toBeLessThan(1_500);
  const second = await startLines(s.url, carrier, {}, 'worker-2');
  const outcomes = await outcomesOf(s, 1_500);
  expect(new Set(outcomes.values())).toEqual(new Set([outcomeCodes.accepted]));
  const destinations = await destinationsOf(s.log);
  expect(destinations).toHaveLength(1_500);
  expect(new Set(destinations).size).toBe(1_500);
  await second.stop();
  await s.smsc.stop();
});

test('cancel - the rest of a campaign is settled as cancelled, the part that went stays accepted', async () => {
  const s = await scene();
  const content = testContent();
  const worker = await startLines(s.url, testCarrier(s.smsc.port, { ratePerSecond: 1_000 }));
  await s.producer.enqueue('north', content, testBatches(content, 3_000, 100), { last: true, signal });
  await s.smsc.waitFor((stats) => stats.accepted >= 100);
  await s.producer.control('north', content.campaign, 'cancel');
  const outcomes = await outcomesOf(s, 3_000);
  const accepted = [...outcomes.values()].filter((code) => code === outcomeCodes.accepted).length;
  expect([...outcomes.values()].filter((code) => code === outcomeCodes.cancelled)).toHaveLength(3_000 - accepted);
  expect(await destinationsOf(s.log)).toHaveLength(accepted);
  expect(accepted).toBeLessThan(3_000);
  await worker.stop();
  await s.smsc.stop();
});

test('pause - nothing more is submitted until resume, then all is, once', async () => {
  const s = await scene();
  const content = testContent();
  const worker = await startLines(s.url, testCarrier(s.smsc.port, { ratePerSecond: 1_000 }));
  await s.producer.enqueue('north', content, testBatches(content, 1_000, 100), { last: true, signal });
  await s.smsc.waitFor((stats) => stats.accepted >= 100);
  await s.producer.control('north', content.campaign, 'pause');
  const other = testContent({ campaign: '1002' });
  await s.producer.enqueue('north', other, testBatches(other, 50, 50), { last: true, signal });
  const isOther = (log: string[]) => log.filter((destination) => Number(destination.slice(-4)) < 50).length;
  await s.smsc.waitFor((stats) => stats.accepted >= 150);
  const paused = await destinationsOf(s.log);
  await s.redis.publish('{north}:wake', 'take');
  expect(isOther(paused)).toBeGreaterThanOrEqual(50);
  expect(paused.length).toBeLessThan(1_000);
  await s.producer.control('north', content.campaign, 'resume');
  await s.smsc.waitFor((stats) => stats.accepted >= 1_050);
  const all = await destinationsOf(s.log);
  expect(all).toHaveLength(1_050);
  expect(new Set(all).size).toBe(1_000);
  await worker.stop();
  await s.smsc.stop();
});
