/** Rebuilding a Redis that lost its data, on real Redis and PostgreSQL. */
import { expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { type Enqueue, type Id, messageStateCodes, type Nature } from '../../src/handoff.ts';
import { reconcile } from '../../src/record/reconcile.ts';
import { Reconciler } from '../../src/record/reconciler.ts';
import { judge, Taken } from '../../src/record/restore.ts';
import { Stranded } from '../../src/record/stranded.ts';
import { carrierKeys } from '../../src/stream/keys.ts';
import { Producer } from '../../src/stream/producer.ts';
import { silentLog } from '../../src/telemetry.ts';
import { accepted, batchSize, restoreScene, signal } from './restore-scene.ts';
import { carrier } from './scene.ts';

const keys = carrierKeys(carrier);
const { scene, options, campaignOfBatches, recordOutcomes, inRedis, unknownBatches } = restoreScene();

test('reconcile - the first look names what is there, and a Redis that kept its data is left alone', async () => {
  const campaign = await campaignOfBatches('alert', 0);
  expect(await reconcile(options(), signal)).toBe('good');
  const epoch = await scene().redis.get(keys.epoch);
  expect(epoch).not.toBeNull();
  expect(await reconcile(options(), signal)).toBe('good');
  expect(await scene().redis.get(keys.epoch)).toBe(epoch);
  expect(await inRedis(campaign)).toEqual([]);
});

test('reconcile - a cluster that lost one carrier’s data restores that carrier alone, a second time too', async () => {
  const [north, south] = [keys, carrierKeys('south')];
  const parts = options({ carriers: ['north', 'south', 'new'] });
  const kept = await campaignOfBatches('alert', 5);
  const lost = await campaignOfBatches('alert', 5);
  await scene().owner.query("update batches set carrier = 'south' where campaign_id = $1", [lost]);
  await scene().owner.query("update campaign_carriers set carrier = 'south' where campaign_id = $1", [lost]);
  await scene().redis.hset(north.meta(kept), 'last', 5);
  await reconcile(parts, signal);
  const name = await scene().redis.get(north.epoch);
  for (const attempt of [2, 3]) {
    await scene().redis.del(south.epoch, south.meta(lost), south.campaign(lost));
    expect(await reconcile(parts, signal)).toBe('restored');
    expect(await reconcile(parts, signal)).toBe('good');
    expect((await inRedis(lost, 'south')).map((batch) => batch.attempt)).toEqual([1, 2, 3, 4, 5].map(() => attempt));
    expect(await inRedis(kept)).toEqual([]);
    expect(await scene().redis.get(north.epoch)).toBe(name);
  }
  // One of which nothing is to be sent is named again, and that is all.
  await scene().redis.del(carrierKeys('new').epoch);
  expect(await reconcile(parts, signal)).toBe('good');
  expect(await scene().redis.exists(carrierKeys('new').epoch)).toBe(1);
});

test('reconcile - a Redis that only lost its last moments gets back what it lost, once', async () => {
  await reconcile(options(), signal);
  const campaign = await campaignOfBatches('alert', 5);
  const other = await campaignOfBatches('alert', 5);
  await scene().redis.hset(keys.meta(campaign), 'last', 3);
  await scene().redis.hset(keys.meta(other), 'last', 5);
  expect(await reconcile(options(), signal)).toBe('restored');
  expect(await reconcile(options(), signal)).toBe('good');
  expect((await inRedis(campaign)).map(({ number, attempt }) => [number, attempt])).toEqual([
    [4, 2],
    [5, 2],
  ]);
  expect(await inRedis(other)).toEqual([]);
});

test('reconcile - information that may have been sent is unknown, what waited behind it goes in again', async () => {
  await reconcile(options(), signal);
  const campaign = await campaignOfBatches('information', 4);
  await recordOutcomes(campaign, [[1, accepted(0, 10)]]);
  await scene().redis.flushdb();
  expect(await reconcile(options(), signal)).toBe('restored');
  expect(await unknownBatches()).toEqual([2, 3]);
  const [batch, ...others] = await inRedis(campaign);
  expect(others).toEqual([]);
  expect(batch).toMatchObject({ number: 4, attempt: 2, firstOrdinal: 30, recipients: 10 });
  expect(batch?.packed.toString().split('\x1e')[0]).toBe('33639980030');
});

test('reconcile - of an alert everything without an answer goes in again, and nothing that has one', async () => {
  await reconcile(options(), signal);
  const campaign = await campaignOfBatches('alert', 3);
  await recordOutcomes(campaign, [
    [1, accepted(0, 10)],
    [2, [...accepted(0, 4), { index: 4, kind: 'unknown' }]],
  ]);
  await scene().redis.flushdb();
  await reconcile(options(), signal);
  const batches = await inRedis(campaign);
  expect(batches.map(({ number, only }) => [number, only])).toEqual([
    [2, [4, 5, 6, 7, 8, 9]],
    [3, undefined],
  ]);
  expect(await scene().redis.xlen(keys.outcomes)).toBe(0);
});

test('reconcile - one that died in the middle is finished by another, and nothing goes in twice', async () => {
  await reconcile(options(), signal);
  const campaign = await campaignOfBatches('alert', 5);
  await scene().redis.flushdb();
  const real = new Producer(scene().redis, 1 << 30, systemClock, silentLog);
  const dies: Enqueue = {
    open: (...args) => real.open(...args),
    control: (...args) => real.control(...args),
    close: (...args) => real.close(...args),
    async enqueue(name, content, batches, rest) {
      await real.enqueue(name, content, batches.slice(0, 2), rest);
      throw new Error('the reconciler died here');
    },
  };
  await expect(reconcile(options({ enqueue: dies, leaseMs: 1 }), signal)).rejects.toThrow('died here');
  expect(await inRedis(campaign)).toHaveLength(2);
  await scene().until(
    () => reconcile(options({ owner: 'two' }), signal),
    (done) => {
      scene().look();
      return done === 'restored';
    },
  );
  const batches = await inRedis(campaign);
  expect(batches.map(({ number, attempt }) => [number, attempt])).toEqual([1, 2, 3, 4, 5].map((number) => [number, 2]));
  expect(await reconcile(options({ owner: 'two' }), signal)).toBe('good');
});

test('reconcile - a Redis that is lost a second time is restored a second time', async () => {
  await reconcile(options(), signal);
  const campaign = await campaignOfBatches('alert', 5);
  for (const attempt of [2, 3]) {
    await scene().redis.flushdb();
    await reconcile(options(), signal);
    expect((await inRedis(campaign)).map((batch) => batch.attempt)).toEqual([1, 2, 3, 4, 5].map(() => attempt));
  }
});

test('reconcile - paused and cancelled campaigns are so again', async () => {
  await reconcile(options(), signal);
  const paused = await campaignOfBatches('information', 5, 'paused');
  const cancelled = await campaignOfBatches('information', 5, 'cancelling');
  await scene().redis.flushdb();
  await reconcile(options(), signal);
  expect(await scene().redis.hget(keys.meta(paused), 'state')).toBe('paused');
  expect(await scene().redis.zscore(keys.schedule('information'), paused)).toBeNull();
  expect(await scene().redis.hget(keys.meta(cancelled), 'state')).toBe('cancelled');
});

/** One recipient a second beside what is in hands: a moment more than two batches, so three. */
const slowly = () => ({ ratePerSecond: 1, recipientsInHandsMax: 2 * batchSize });

/** A paused campaign that was planned an hour ago, and of which nothing was sent since. */
async function pausedForAnHour(): Promise<Id> {
  const campaign = await campaignOfBatches('information', 5, 'paused');
  await scene().owner.query("update campaigns set planned_at = now() - interval '1 hour' where id = $1", [campaign]);
  return campaign;
}

test('reconcile - of a paused campaign only what can have been taken since the last good look is unknown', async () => {
  await reconcile(options(), signal);
  const campaign = await pausedForAnHour();
  await scene().redis.flushdb();
  await reconcile(options({ reachOf: slowly }), signal, undefined, new Map([[carrier, systemClock.monotonicMs()]]));
  expect(await unknownBatches()).toEqual([1, 2, 3]);
  expect((await inRedis(campaign)).map(({ number }) => number)).toEqual([4, 5]);
});

test('reconcile - where Redis only fell back, outcomes of before may be gone, so only the record counts', async () => {
  await reconcile(options(), signal);
  const campaign = await pausedForAnHour();
  await scene().redis.hset(keys.meta(campaign), 'last', 0);
  await reconcile(options({ reachOf: slowly }), signal, undefined, new Map([[carrier, systemClock.monotonicMs()]]));
  expect(await unknownBatches()).toEqual([1, 2, 3, 4, 5]);
});

test('reconciler - believes what the recorder knew before a look that was good, and nothing later', async () => {
  const nowMs = systemClock.monotonicMs();
  const later = [nowMs, nowMs + 3_600_000];
  const through = () => new Map([[carrier, later.shift() ?? Number.POSITIVE_INFINITY]]);
  const reconciler = new Reconciler(options({ reachOf: slowly }), 1, through);
  const campaign = await pausedForAnHour();
  await scene().redis.hset(keys.meta(campaign), 'last', 5);
  await reconciler.start();
  await scene().redis.flushdb();
  await scene().until(
    async () => (await inRedis(campaign)).length,
    (length) => {
      scene().look();
      return length === 2;
    },
  );
  await reconciler.stop();
  expect(await unknownBatches()).toEqual([1, 2, 3]);
});

test('reconciler - finds out soon that the data are gone, though its next look is far away', async () => {
  const campaign = await pausedForAnHour();
  await scene().redis.hset(keys.meta(campaign), 'last', 5);
  const through = () => new Map([[carrier, systemClock.monotonicMs()]]);
  const reconciler = new Reconciler(options({ reachOf: slowly }), 3_600_000, through);
  await reconciler.start();
  await scene().redis.flushdb();
  await scene().until(
    async () => (await inRedis(campaign)).length,
    (length) => {
      scene().look();
      return length === 2;
    },
  );
  await reconciler.stop();
  expect(await unknownBatches()).toEqual([1, 2, 3]);
});

test('reconcile - a carrier’s rate since the last record bounds what can have been taken', () => {
  const reach = { ratePerSecond: 5, recipientsInHandsMax: 10 };
  const open = new Uint8Array(10);
  const taken = new Taken(reach, 3000);
  const verdicts = [1, 2, 3, 4].map(() => judge('information', open, taken).kind);
  expect(verdicts).toEqual(['unknown', 'unknown', 'unknown', 'again']);
  const complete = new Uint8Array(10).fill(messageStateCodes.unknown);
  expect(judge('information', complete, taken).kind).toBe('complete');
  expect(judge('alert', complete, taken).kind).toBe('again');
});

/** A campaign of five batches of which Redis has nothing any more, and of whose third nothing is recorded. */
async function strandedCampaign(nature: Nature): Promise<Id> {
  const id = await campaignOfBatches(nature, 5);
  await scene().owner.query('update campaigns set enqueued_at = now() where id = $1', [id]);
  await reconcile(options(), signal);
  await scene().redis.hset(keys.meta(id), 'last', 5);
  await recordOutcomes(
    id,
    [1, 2, 4, 5].map((batch) => [batch, accepted(0, batchSize)] as const),
  );
  return id;
}

test('stranded - information that nobody has any more is unknown, once its campaign stands still', async () => {
  await strandedCampaign('information');
  const looks = new Stranded();
  expect(await reconcile(options(), signal, looks)).toBe('good');
  expect(await reconcile(options(), signal, looks)).toBe('restored');
  expect((await unknownBatches()).slice(-1)).toEqual([3]);
});

test('stranded - an alert that nobody has any more goes out again, but not for ever', async () => {
  const id = await strandedCampaign('alert');
  const looks = new Stranded();
  await reconcile(options(), signal, looks);
  expect(await reconcile(options(), signal, looks)).toBe('restored');
  expect((await inRedis(id)).map(({ number, attempt, recipients }) => [number, attempt, recipients])).toEqual([
    [3, 2, batchSize],
  ]);
  // As long as it is there, nobody misses it.
  expect(await reconcile(options(), signal, looks)).toBe('good');
  expect(await reconcile(options(), signal, looks)).toBe('good');
  await scene().owner.query('update batches set restores = 4 where campaign_id = $1', [id]);
  await scene().redis.del(keys.campaign(id));
  await reconcile(options(), signal, looks);
  expect(await reconcile(options(), signal, looks)).toBe('restored');
  expect(await inRedis(id)).toEqual([]);
});

test('stranded - what waits at a carrier that only got what another gave up is not stranded', async () => {
  const id = await strandedCampaign('alert');
  await scene().owner.query("insert into campaign_carriers values ($1, 'south', $2, 0, 1, 0, 0)", [
    id,
    scene().organisation,
  ]);
  await scene().redis.xadd(carrierKeys('south').campaign(id), '*', 'v', 'any');
  const looks = new Stranded();
  for (const _ of [1, 2, 3]) expect(await reconcile(options(), signal, looks)).toBe('good');
  expect(await inRedis(id)).toEqual([]);
});

test('stranded - a campaign whose last outcomes are not recorded yet only waits for the recorder', async () => {
  const id = await strandedCampaign('information');
  await scene().outcomes(id, 3, 2 * batchSize, accepted(0, batchSize));
  const looks = new Stranded();
  expect(await reconcile(options(), signal, looks)).toBe('good');
  expect(await reconcile(options(), signal, looks)).toBe('good');
});
