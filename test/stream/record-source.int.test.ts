/** What a recorder reads of a carrier's streams on real Redis, and what is deleted behind it. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { aclRules } from '../../config/redis-acl.ts';
import type { RecordOffsets } from '../../src/handoff.ts';
import { readReceipts } from '../../src/stream/entry.ts';
import { StreamRecordSource } from '../../src/stream/record-source.ts';
import { connectRedis } from '../../src/stream/redis.ts';
import { silentLog } from '../../src/telemetry.ts';
import { settlementOf, streamScene, type StreamScene, takeOne } from './scene.ts';

let s: StreamScene;
let source: StreamRecordSource;
beforeEach(async () => {
  s = await streamScene();
  source = new StreamRecordSource(s.redis);
});
afterEach(() => s.end());

const start: RecordOffsets = { outcomes: '0-0', receipts: '0-0' };
const limits = { outcomeEntriesMax: 2, receiptEntriesMax: 2 };
const lengths = () => Promise.all([s.redis.xlen(s.keys.outcomes), s.redis.xlen(s.keys.receipts)]);
const redisNowMs = async () => Number((await s.redis.time())[0]) * 1000;

async function fill(entries: number): Promise<void> {
  await s.campaign(entries, 1);
  const consumer = s.consumer('w');
  for (let i = 0; i < entries; i++) {
    await consumer.settle(settlementOf(await takeOne(consumer), 1, true));
    await consumer.putReceipts(i, [{ messageId: `m${i}`, state: 'delivered', error: '', doneAtSeconds: i }], []);
  }
}

test('read - nothing is there: it does not wait, and outcomes are complete up to now', async () => {
  const before = await redisNowMs();
  const read = await source.read(s.carrier, start, limits);
  expect(read).toMatchObject({ outcomes: [], receipts: [] });
  expect(read.outcomesThroughMs).toBeGreaterThanOrEqual(before);
});

test('read - goes on behind the offsets, in order, within its limits, until all was read once', async () => {
  await fill(5);
  const seen: { outcomes: number[]; receipts: string[] } = { outcomes: [], receipts: [] };
  let after = start;
  for (const expected of [2, 2, 1, 0]) {
    const read = await source.read(s.carrier, after, limits);
    expect([read.outcomes.length, read.receipts.length]).toEqual([expected, expected]);
    const last = read.outcomes.at(-1)?.id;
    const isMore = expected === limits.outcomeEntriesMax;
    if (isMore) expect(read.outcomesThroughMs).toBe(Number(last?.split('-')[0]));
    else expect(read.outcomesThroughMs).toBeGreaterThanOrEqual(Number(last?.split('-')[0] ?? 0));
    seen.outcomes.push(...read.outcomes.map(({ header }) => header.batch));
    for (const { packed } of read.receipts)
      readReceipts(packed, (_c, _d, bytes, from, to) => seen.receipts.push(bytes.toString('latin1', from, to)));
    after = { outcomes: last ?? after.outcomes, receipts: read.receipts.at(-1)?.id ?? after.receipts };
  }
  expect(seen.outcomes).toEqual([1, 2, 3, 4, 5]);
  expect(seen.receipts).toEqual(['m0', 'm1', 'm2', 'm3', 'm4']);
});

test('read - one stream may be left out', async () => {
  await fill(3);
  const read = await source.read(s.carrier, start, { outcomeEntriesMax: 0, receiptEntriesMax: 9 });
  expect([read.outcomes.length, read.receipts.length]).toEqual([0, 3]);
});

test('trim - what is committed goes, also entries of the same millisecond, and nothing else', async () => {
  await fill(4);
  await source.trim(s.carrier, start);
  expect(await lengths()).toEqual([4, 4]);
  const { outcomes, receipts } = await source.read(s.carrier, start, { outcomeEntriesMax: 9, receiptEntriesMax: 9 });
  const through = { outcomes: outcomes[1]?.id ?? '', receipts: receipts[2]?.id ?? '' };
  await source.trim(s.carrier, through);
  expect(await lengths()).toEqual([2, 1]);
  const left = await source.read(s.carrier, start, { outcomeEntriesMax: 9, receiptEntriesMax: 9 });
  expect(left.outcomes).toEqual(outcomes.slice(2));
  expect(left.receipts).toEqual(receipts.slice(3));
  await source.trim(s.carrier, through);
  expect(await lengths()).toEqual([2, 1]);
});

test('trim - entries of one millisecond are told apart by their sequence', async () => {
  for (const id of ['5-1', '5-2', '5-18446744073709551614', '6-0'])
    await s.redis.xadd(s.keys.receipts, id, 'v', '1', 'h', '{"atMs":1}');
  await source.trim(s.carrier, { outcomes: '0-0', receipts: '5-1' });
  expect((await s.redis.xrange(s.keys.receipts, '-', '+'))[0]?.[0]).toBe('5-2');
  await source.trim(s.carrier, { outcomes: '0-0', receipts: '5-18446744073709551614' });
  expect((await s.redis.xrange(s.keys.receipts, '-', '+'))[0]?.[0]).toBe('6-0');
});

test("read - the recorder's user may raise a stream that fell back", async () => {
  const user = `recorder-${s.carrier}`;
  await s.redis.call('ACL', 'SETUSER', user, 'on', '>recorder', ...aclRules('recorder'));
  const redis = await connectRedis(s.url.replace('redis://', `redis://${user}:recorder@`), 'command', silentLog);
  const ahead = `${(await redisNowMs()) + 60_000}-7`;
  await new StreamRecordSource(redis).read(s.carrier, { outcomes: ahead, receipts: ahead }, limits);
  expect(await s.redis.xadd(s.keys.outcomes, '*', 'v', '1')).toBe(ahead.replace(/7$/, '8'));
  redis.disconnect();
  await s.redis.call('ACL', 'DELUSER', user);
});

test.each(['lower', 'gone'] as const)(
  'read - a stream whose last id is %s, by a server that lost its end: what comes next is behind the offsets',
  async (how) => {
    // The clock of the server before was a minute ahead.
    const ahead = `${(await redisNowMs()) + 60_000}-7`;
    const after: RecordOffsets = { outcomes: ahead, receipts: ahead };
    if (how === 'lower') await fill(3);
    const left = await lengths();
    const first = await source.read(s.carrier, after, limits);
    expect([first.outcomes, first.receipts, await lengths()]).toEqual([[], [], left]);
    await fill(1);
    const { outcomes, receipts } = await source.read(s.carrier, after, limits);
    expect([outcomes.length, receipts.length]).toEqual([1, 1]);
    const through = { outcomes: outcomes[0]?.id ?? '', receipts: receipts[0]?.id ?? '' };
    expect(await source.read(s.carrier, through, limits)).toMatchObject({ outcomes: [], receipts: [] });
    expect(await lengths()).toEqual(left.map((count) => count + 1));
  },
);
