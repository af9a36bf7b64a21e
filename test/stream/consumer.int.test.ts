/** Batches in workers' hands on real Redis: who may do what with them, and what stays of those who may not any more. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Consumer, TakenBatch } from '../../src/stream/consumer.ts';
import { ContentCache } from '../../src/stream/content.ts';
import { readBatch } from '../../src/stream/entry.ts';
import { StreamRecordSource } from '../../src/stream/record-source.ts';
import { faultOf } from '../support/fault.ts';
import { testBatches } from '../support/lines.ts';
import { bothLanes, campaignsTaken, claimOne, settlementOf, streamScene, type StreamScene, takeOne } from './scene.ts';

let s: StreamScene;
beforeEach(async () => {
  s = await streamScene();
});
afterEach(() => s.end());

const outcomes = () => s.redis.xlen(s.keys.outcomes);
const member = (taken: TakenBatch) => `${taken.campaign}/${taken.entry}`;
const ledgerOf = (taken: TakenBatch) => s.redis.hgetall(s.keys.ledger(taken.campaign, taken.entry));
const given = { reserved: 3, frames: 10, answered: Buffer.from([0b101]), again: [1] };

/** A batch that a worker holds by a lease of one millisecond. */
async function heldBriefly(worker: string): Promise<[Consumer, TakenBatch]> {
  await s.campaign(1, 10);
  const consumer = s.consumer(worker, 1);
  return [consumer, await takeOne(consumer)];
}

test('settle - the last flush acknowledges and deletes the batch; entries hold what was answered', async () => {
  await s.campaign(2, 10);
  const consumer = s.consumer('w');
  const taken = await takeOne(consumer);
  const before = await s.waiting();
  expect(await consumer.reserve(taken, 5, 10)).toBe('active');
  expect(await consumer.settle(settlementOf(taken, 1, false))).toBe(true);
  expect(await s.redis.zscore(s.keys.held, member(taken))).not.toBeNull();
  expect(await consumer.settle(settlementOf(taken, 2, true))).toBe(true);
  expect(await s.redis.zscore(s.keys.held, member(taken))).toBeNull();
  expect(await s.redis.xlen(s.keys.campaign(taken.campaign))).toBe(1);
  expect((await s.redis.xpending(s.keys.campaign(taken.campaign), 'workers'))[0]).toBe(0);
  expect(before - (await s.waiting())).toBe(readBatch(taken.fields).packed.length);
  const { outcomes: entries } = await new StreamRecordSource(s.redis).read(
    s.carrier,
    { outcomes: '0-0', receipts: '0-0' },
    { outcomeEntriesMax: 9, receiptEntriesMax: 9 },
  );
  const { header, packed } = settlementOf(taken, 1, false);
  expect(entries).toMatchObject([
    { header, packed },
    { header, packed: settlementOf(taken, 2, true).packed },
  ]);
});

test('settle - a repeated flush adds nothing, also after the last one', async () => {
  await s.campaign(1, 10);
  const consumer = s.consumer('w');
  const taken = await takeOne(consumer);
  for (const [flush, done] of [
    [1, false],
    [1, false],
    [2, true],
    [1, false],
    [2, true],
  ] as const)
    expect(await consumer.settle(settlementOf(taken, flush, done))).toBe(true);
  expect(await outcomes()).toBe(2);
  expect(await s.waiting()).toBe(0);
});

test('ownership - one who was taken for dead changes nothing, but what it was answered is kept', async () => {
  const [zombie, old] = await heldBriefly('zombie');
  expect(await zombie.reserve(old, 3, 10)).toBe('active');
  const heir = s.consumer('heir');
  const taken = await claimOne(heir);
  expect(taken).toMatchObject({ campaign: old.campaign, entry: old.entry, ledger: { reserved: 3, frames: 10 } });
  expect(await heir.settle(settlementOf(taken, 1, false))).toBe(true);
  const ledger = await ledgerOf(taken);
  const score = await s.redis.zscore(s.keys.held, member(taken));

  expect(await zombie.renew([old])).toEqual(['lost']);
  expect(await zombie.reserve(old, 9, 10)).toBe('lost');
  await zombie.giveBack(old, given);
  await zombie.setAside(old, 'unreadable');
  expect(await zombie.settle(settlementOf(old, 7, false))).toBe(false);
  expect(await zombie.settle(settlementOf(old, 8, true))).toBe(false);
  // Sent again by a connection that was lost with its answer.
  expect(await zombie.settle(settlementOf(old, 8, true))).toBe(false);
  // What is no answer is not recorded by one who does not hold the batch.
  expect(await zombie.settle({ ...settlementOf(old, 9, true), areAnswers: false })).toBe(false);

  expect(await outcomes()).toBe(3);
  expect(await ledgerOf(taken)).toEqual({ ...ledger, 'f:zombie#1': '8' });
  expect(await s.redis.zscore(s.keys.held, member(taken))).toBe(score);
  expect(await s.redis.xlen(s.keys.campaign(taken.campaign))).toBe(1);
  expect(await s.redis.exists(s.keys.aside)).toBe(0);
  expect(await heir.settle(settlementOf(taken, 2, true))).toBe(true);
  expect(await s.redis.xlen(s.keys.campaign(taken.campaign))).toBe(0);
});

test('ownership - what one answers whose take Redis has lost does not end the ledger of the next holder', async () => {
  const campaign = await s.campaign(1, 10);
  const [[entry, values] = []] = await s.redis.xrangeBuffer(s.keys.campaign(campaign), '-', '+');
  const lost = { campaign, entry: String(entry), owner: 'w#1', state: 'active', fields: values ?? [] } as const;
  expect(await s.consumer('w').settle(settlementOf(lost, 1, false))).toBe(false);
  const taken = await takeOne(s.consumer('v'));
  expect(taken.entry).toBe(lost.entry);
  expect(await s.redis.pttl(s.keys.ledger(campaign, taken.entry))).toBe(-1);
});

test('ownership - a worker that has a batch for the second time is not the one that had it first', async () => {
  const [worker, first] = await heldBriefly('worker');
  const other = s.consumer('other');
  const between = await claimOne(other);
  await other.settle(settlementOf(between, 1, false));
  await other.giveBack(between, given);
  const second = await claimOne(worker);
  expect(second.owner).not.toBe(first.owner);
  expect(second.ledger).toEqual(given);
  expect(await worker.renew([first])).toEqual(['lost']);
  expect(await worker.settle(settlementOf(first, 9, false))).toBe(false);
  // The flush of the hold that is over must not pass for one of the hold that is not.
  expect(await worker.settle(settlementOf(second, 1, false))).toBe(true);
  expect(await outcomes()).toBe(3);
});

test('claim - a batch that its own holder failed to renew stays with its hold', async () => {
  const [worker, taken] = await heldBriefly('worker');
  await worker.reserve(taken, 4, 10);
  await worker.settle(settlementOf(taken, 1, false));
  const again = await claimOne(worker);
  expect(again.owner).toBe(taken.owner);
  expect(await worker.settle(settlementOf(taken, 1, false))).toBe(true);
  expect(await worker.settle(settlementOf(taken, 2, false))).toBe(true);
  expect(await outcomes()).toBe(2);
});

test('claim - names that begin alike are not the same worker', async () => {
  const [, taken] = await heldBriefly('worker-1');
  expect((await claimOne(s.consumer('worker'))).owner).not.toBe(taken.owner);
});

test('claim - nothing is taken over while its holder renews it or reserves', async () => {
  await s.campaign(2, 10);
  const holder = s.consumer('holder');
  const [renewed, reserved] = [await takeOne(holder), await takeOne(holder)];
  const other = s.consumer('other');
  expect(await other.claim(9)).toEqual([]);
  await s.redis.zadd(s.keys.held, 0, member(renewed), 0, member(reserved));
  await holder.renew([renewed]);
  await holder.reserve(reserved, 1, 10);
  expect(await other.claim(9)).toEqual([]);
});

test('claim - an entry that is gone is dropped from what is held', async () => {
  const [, taken] = await heldBriefly('w');
  await s.redis.xdel(s.keys.campaign(taken.campaign), taken.entry);
  const heir = s.consumer('heir');
  while ((await s.redis.zcard(s.keys.held)) > 0) expect(await heir.claim(9)).toEqual([]);
});

test('give back - the next worker has it at once, with all that is known of it', async () => {
  await s.campaign(1, 10);
  const worker = s.consumer('worker');
  const taken = await takeOne(worker);
  await worker.giveBack(taken, given);
  const [claimed] = await s.consumer('other').claim(1);
  expect(claimed).toMatchObject({ entry: taken.entry, state: 'active', ledger: given });
  expect(claimed?.fields).toEqual(taken.fields);
});

test('renew and reserve - tell of a pause and of a cancellation', async () => {
  await s.campaign(1, 10);
  const worker = s.consumer('worker');
  const taken = await takeOne(worker);
  for (const [verb, state] of [
    ['pause', 'paused'],
    ['resume', 'active'],
    ['cancel', 'cancelled'],
  ] as const) {
    await s.producer.control(s.carrier, taken.campaign, verb);
    expect(await worker.renew([taken])).toEqual([state]);
    expect(await worker.reserve(taken, 1, 10)).toBe(state);
  }
});

test('set aside - unreadable entries do not stand in the way, and are kept with their reason', async () => {
  const content = s.content();
  const [first, second] = testBatches(content, 20, 10);
  await s.enqueue(content, [first as never]);
  const stream = s.keys.campaign(content.campaign);
  await s.redis.xadd(stream, '*', 'v', '9', 'n', '10', 'h', '{}', 'p', 'later');
  await s.redis.incrby(s.keys.waiting, 'later'.length);
  await s.redis.xadd(stream, '*', 'x', 'y');
  await s.redis.xadd(stream, '*', 'v', '1', 'n', 'many', 'h', '{', 'p', '');
  await s.enqueue(content, [second as never]);
  const worker = s.consumer('worker');
  const numbers: number[] = [];
  for (const taken of [...(await worker.take(bothLanes, 3)), ...(await worker.take(bothLanes, 9))]) {
    try {
      numbers.push(readBatch(taken.fields).number);
      await worker.settle(settlementOf(taken, 1, true));
    } catch {
      await worker.setAside(taken, 'unreadable');
    }
  }
  expect(numbers).toEqual([1, 2]);
  const aside = await s.redis.xrange(s.keys.aside, '-', '+');
  const start = ['campaign', content.campaign, 'reason', 'unreadable'];
  expect(aside.map(([, fields]) => fields)).toEqual([
    [...start, 'v', '9', 'n', '10', 'h', '{}', 'p', 'later'],
    [...start, 'x', 'y'],
    [...start, 'v', '1', 'n', 'many', 'h', '{', 'p', ''],
  ]);
  expect(await s.waiting()).toBe(0);
  expect(await s.redis.zcard(s.keys.held)).toBe(0);
  expect(await s.producer.close(s.carrier, content.campaign)).toBe(true);
});

test('scripts - each is loaded again by itself when Redis has forgotten them', async () => {
  const forget = () => s.redis.script('FLUSH');
  await forget();
  const campaign = await s.campaign(3, 10);
  const worker = s.consumer('worker', 1);
  await forget();
  const taken = await takeOne(worker);
  await forget();
  expect(await worker.renew([taken])).toEqual(['active']);
  await forget();
  expect(await worker.reserve(taken, 1, 10)).toBe('active');
  await forget();
  expect(await worker.settle(settlementOf(taken, 1, false))).toBe(true);
  await forget();
  await worker.giveBack(taken, given);
  await forget();
  expect(await claimOne(s.consumer('other'))).toMatchObject({ entry: taken.entry });
  await forget();
  await s.producer.control(s.carrier, campaign, 'pause');
  await forget();
  expect(await s.producer.close(s.carrier, campaign)).toBe(false);
  await forget();
  expect(await campaignsTaken(worker, 9)).toEqual([]);
});

test('contents - are fetched once while they are used, and one that is missing or broken is unreadable', async () => {
  const campaign = await s.campaign(1, 1);
  const consumer = s.consumer('w');
  let fetches = 0;
  const cache = new ContentCache((id) => {
    fetches++;
    return consumer.content(id);
  }, 2);
  const [one, two] = await Promise.all([cache.get(campaign), cache.get(campaign)]);
  expect(one).toBe(two);
  expect(one.campaign).toBe(campaign);
  expect((await faultOf(cache.get('404'))).code).toBe('unreadable');
  await s.redis.set(s.keys.content('404'), '{');
  expect((await faultOf(cache.get('404'))).code).toBe('unreadable');
  await s.redis.set(s.keys.content('404'), '{"campaign":"404"}');
  expect(await cache.get('404')).toEqual({ campaign: '404' });
  expect(fetches).toBe(4);
  await s.redis.set(s.keys.content('405'), '{"campaign":"405"}');
  await cache.get(campaign);
  await cache.get('405');
  await cache.get(campaign);
  expect(fetches).toBe(5);
  await cache.get('404');
  expect(fetches).toBe(6);
});
