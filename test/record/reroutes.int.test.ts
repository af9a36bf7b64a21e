/** What carriers gave up, in the record and when Redis is rebuilt, on real Redis and PostgreSQL. */
import { expect, test } from 'vitest';
import { type Id, type RecordSource } from '../../src/handoff.ts';
import { reconcile } from '../../src/record/reconcile.ts';
import { accepted, batchSize, restoreScene, signal } from './restore-scene.ts';
import { carrier, type TestOutcome } from './scene.ts';

const { scene, options, campaignOfBatches, recordOutcomes, inRedis, unknownRuns, unknownBatches } = restoreScene();

/** All that was given up so far is in the stream of a carrier for which nothing was planned. */
async function wentTo(target: string, campaign: Id): Promise<void> {
  await scene().owner.query('update reroutes set target = $2, attempt = 2, is_in = true where campaign_id = $1', [
    campaign,
    target,
  ]);
  await scene().owner.query('insert into campaign_carriers values ($1, $2, $3, 0, 1, 0, 0)', [
    campaign,
    target,
    scene().organisation,
  ]);
}

test('reconcile - what waits to be given to another carrier is left to whoever gives it', async () => {
  await reconcile(options(), signal);
  for (const nature of ['alert', 'information'] as const) {
    const campaign = await campaignOfBatches(nature, 2);
    const givenUp = [1, 2].map((index): TestOutcome => ({ index, kind: 'rerouted' }));
    await recordOutcomes(campaign, [[1, givenUp]]);
    await scene().redis.flushdb();
    await reconcile(options(), signal);
    const missing = [[1, [0, 3, 4, 5, 6, 7, 8, 9]]];
    if (nature === 'alert') {
      expect((await inRedis(campaign)).map(({ number, only }) => [number, only])).toEqual([...missing, [2, undefined]]);
    } else {
      expect(await unknownRuns(carrier)).toEqual([
        [1, 0, 1],
        [1, 3, 7],
        [2, 0, 10],
      ]);
    }
    await scene().owner.query('update campaigns set status = $2 where id = $1', [campaign, 'completed']);
    await scene().owner.query('truncate submissions');
  }
});

test('reconcile - an alert goes in again where it was given to, each part of a batch once', async () => {
  await reconcile(options(), signal);
  const campaign = await campaignOfBatches('alert', 1);
  await recordOutcomes(campaign, [[1, [2, 3].map((index): TestOutcome => ({ index, kind: 'rerouted' }))]]);
  await wentTo('south', campaign);
  await scene().redis.flushdb();
  await reconcile(options(), signal);
  expect((await inRedis(campaign)).map(({ only }) => only)).toEqual([[0, 1, 4, 5, 6, 7, 8, 9]]);
  expect((await inRedis(campaign, 'south')).map(({ attempt, only }) => [attempt, only])).toEqual([[2, [2, 3]]]);
});

test('reconcile - an alert that went from carrier to carrier many times is restored all the same', async () => {
  await reconcile(options(), signal);
  const campaign = await campaignOfBatches('alert', 1);
  await scene().owner.query('update batches set attempt = 9 where campaign_id = $1', [campaign]);
  await scene().redis.flushdb();
  await reconcile(options(), signal);
  expect((await inRedis(campaign)).map(({ attempt }) => attempt)).toEqual([10]);
});

test('recorder - what was given up counts once, though Redis fell back and it was given up again', async () => {
  await reconcile(options(), signal);
  const campaign = await campaignOfBatches('information', 1);
  const givenUp = (indexes: readonly number[]) => indexes.map((index): TestOutcome => ({ index, kind: 'rerouted' }));
  await recordOutcomes(campaign, [
    [1, givenUp([1, 2])],
    [1, givenUp([1, 2, 3])],
  ]);
  await scene().owner.query('update reroutes set target = $1, attempt = 2, is_in = true', ['south']);
  const recorder = await scene().record();
  await scene().outcomes(campaign, 1, 0, givenUp([2, 3, 4]));
  // With another attempt it was given to this carrier again.
  await scene().outcomes(campaign, 1, 0, givenUp([1]), 3);
  await scene().until(
    () => scene().count('submissions'),
    (rows) => rows === 9,
  );
  await recorder.stop();
  const { rows } = await scene().owner.query(
    'select source_attempt as attempt, indexes, is_in as is from reroutes order by id',
  );
  expect(rows).toEqual([
    { attempt: 1, indexes: [1, 2], is: true },
    { attempt: 1, indexes: [3], is: true },
    { attempt: 1, indexes: [4], is: false },
    { attempt: 3, indexes: [1], is: false },
  ]);
});

test('recorder - what was given up in data that are gone by now does not count', async () => {
  await reconcile(options(), signal);
  const campaign = await campaignOfBatches('information', 1);
  const givenUp: TestOutcome[] = [{ index: 1, kind: 'rerouted' }];
  const { source } = scene();
  const losesIt = (when: 'before' | 'after'): RecordSource => ({
    read: (...args) => source.read(...args),
    trim: (...args) => source.trim(...args),
    async staying(...args) {
      const loses = async () => {
        await scene().redis.flushdb();
        await reconcile(options(), signal);
      };
      if (when === 'before') await loses();
      const staying = await source.staying(...args);
      if (when === 'after') await loses();
      return staying;
    },
  });
  for (const [at, when] of (['before', 'after'] as const).entries()) {
    const recorder = await scene().record({}, losesIt(when));
    await scene().outcomes(campaign, 1, 0, givenUp);
    await scene().until(
      () => scene().count('submissions'),
      (rows) => rows > at,
    );
    await recorder.stop();
    expect(await scene().count('reroutes')).toBe(0);
  }
});

test('reconcile - information that a carrier gave up may have been sent by the next: it is unknown there', async () => {
  await reconcile(options({ reachOf: () => ({ ratePerSecond: 0, recipientsInHandsMax: 0 }) }), signal);
  const campaign = await campaignOfBatches('information', 3);
  const givenUp = Array.from({ length: batchSize }, (_, index): TestOutcome => ({ index, kind: 'rerouted' }));
  await recordOutcomes(campaign, [
    [1, accepted(0, batchSize)],
    [2, givenUp],
  ]);
  const { rows } = await scene().owner.query(
    'select carrier, batch, source_attempt as attempt, indexes from reroutes where campaign_id = $1',
    [campaign],
  );
  expect(rows).toEqual([{ carrier, batch: 2, attempt: 1, indexes: Array.from({ length: batchSize }, (_, at) => at) }]);
  await wentTo('south', campaign);
  await scene().redis.flushdb();
  await reconcile(options({ reachOf: () => ({ ratePerSecond: 0, recipientsInHandsMax: 0 }) }), signal);
  expect(await unknownBatches()).toEqual([]);
  expect(await unknownBatches('south')).toEqual([2]);
  expect((await inRedis(campaign)).map(({ number }) => number)).toEqual([3]);
});

test('reconcile - of a batch given up in part what lacks an outcome is unknown, each at its carrier', async () => {
  await reconcile(options(), signal);
  const campaign = await campaignOfBatches('information', 1);
  const givenUp = [3, 4, 7].map((index): TestOutcome => ({ index, kind: 'rerouted' }));
  await recordOutcomes(campaign, [[1, [...accepted(0, 3), ...givenUp]]]);
  await wentTo('south', campaign);
  await scene().redis.flushdb();
  await reconcile(options(), signal);
  expect(await unknownRuns('south')).toEqual([
    [1, 3, 2],
    [1, 7, 1],
  ]);
  expect(await unknownRuns(carrier)).toEqual([
    [1, 5, 2],
    [1, 8, 2],
  ]);
});
