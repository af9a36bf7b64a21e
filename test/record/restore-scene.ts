/** What tests of a rebuilt Redis share: a campaign of five batches, and what is found of it afterwards. */
import { afterEach, beforeEach, expect } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { type Batch, type Conveyor, type Id, type Nature, outcomeCodes } from '../../src/handoff.ts';
import type { ReconcilerOptions } from '../../src/record/reconcile.ts';
import { StreamConveyor } from '../../src/stream/conveyor.ts';
import { readBatch, readOutcomes } from '../../src/stream/entry.ts';
import { carrierKeys } from '../../src/stream/keys.ts';
import { Producer } from '../../src/stream/producer.ts';
import { silentLog } from '../../src/telemetry.ts';
import { carrier, Scene, type TestOutcome } from './scene.ts';

/** Never aborted. */
export const { signal } = new AbortController();
/** Recipients of a batch. */
export const batchSize = 10;

/** Acceptances of messages of a batch. */
export function accepted(from: number, count: number): TestOutcome[] {
  return Array.from({ length: count }, (_, i) => ({ index: from + i, kind: 'accepted', id: `id-${from + i}` }));
}

/** Registers a scene for each test of a file; `scene()` is that of the test that runs. */
export function restoreScene() {
  let s: Scene;
  beforeEach(async () => {
    s = await Scene.open();
  });
  afterEach(async () => {
    await s.close();
    await s.database.drop();
  });

  function conveyor(): Conveyor {
    return {
      epoch: async (name) => (await s.redis.get(carrierKeys(name).epoch)) ?? undefined,
      setEpoch: async (name, epoch) => void (await s.redis.set(carrierKeys(name).epoch, epoch)),
      lastBatch: async (name, campaign) => Number((await s.redis.hget(carrierKeys(name).meta(campaign), 'last')) ?? 0),
      raiseLastBatch: async (name, campaign, batch) =>
        void (await s.redis.hset(carrierKeys(name).meta(campaign), 'last', batch)),
      batchesLeft: async (name, campaign) => await s.redis.xlen(carrierKeys(name).campaign(campaign)),
      lastOutcome: async (name) =>
        (await s.redis.xrevrange(carrierKeys(name).outcomes, '+', '-', 'COUNT', 1))[0]?.[0] ?? '0-0',
      settle: (...args) => new StreamConveyor(s.redis).settle(...args),
    };
  }

  function options(changed: Partial<ReconcilerOptions> = {}): ReconcilerOptions {
    return {
      owner: 'one',
      database: s.service,
      conveyor: conveyor(),
      carriers: [carrier, 'south'],
      enqueue: new Producer(s.redis, 1 << 30, systemClock, silentLog),
      // Nothing can be sent by rate, so that only what workers hold counts.
      reachOf: () => ({ ratePerSecond: 0, recipientsInHandsMax: 2 * batchSize }),
      leaseMs: 60_000,
      clock: systemClock,
      log: silentLog,
      ...changed,
    };
  }

  /** A campaign of five batches, of which the first `enqueued` have been in Redis. */
  async function campaignOfBatches(nature: Nature, enqueued: number, status = 'sending'): Promise<Id> {
    const id = await s.campaign(5 * batchSize);
    await s.owner.query('update campaigns set nature = $2, status = $3 where id = $1', [id, nature, status]);
    const own = [id, s.organisation, batchSize];
    await s.owner.query(
      `insert into batches select $1, n, $2, 'north', 'fr', (n - 1) * $3::int, $3::int from generate_series(1, 5) n`,
      own,
    );
    await s.owner.query(
      `insert into recipients (campaign_id, batch, organisation_id, residents, packed)
        select $1, o / $3::int + 1, $2, array_agg(o), string_agg((33639980000 + o)::text, chr(30))
        from generate_series(0, 5 * $3::int - 1) o group by 2`,
      own,
    );
    await s.owner.query("insert into campaign_carriers values ($1, 'north', $2, 50, 1, 5, $3)", [
      id,
      s.organisation,
      enqueued,
    ]);
    return id;
  }

  async function recordOutcomes(
    campaign: Id,
    batches: readonly (readonly [batch: number, outcomes: TestOutcome[]])[],
  ): Promise<void> {
    const recorder = await s.record();
    let count = 0;
    for (const [batch, outcomes] of batches) {
      await s.outcomes(campaign, batch, (batch - 1) * batchSize, outcomes);
      count += outcomes.length;
    }
    await s.until(
      () => s.count('submissions'),
      (rows) => rows === count,
    );
    await recorder.stop();
  }

  async function inRedis(campaign: Id, at = carrier): Promise<Batch[]> {
    return (await s.redis.xrangeBuffer(carrierKeys(at).campaign(campaign), '-', '+')).map(([, fields]) =>
      readBatch(fields),
    );
  }

  /** Batch, first index and count of each record of outcomes that were added. */
  async function unknownRuns(at: string): Promise<number[][]> {
    const entries = await s.redis.xrangeBuffer(carrierKeys(at).outcomes, '-', '+');
    return entries.flatMap(([, fields]) => {
      const { batch } = JSON.parse(String(fields[3])) as { batch: number };
      const runs: number[][] = [];
      readOutcomes(fields[5]!, (index, count, _s, _n, code) => {
        expect(code).toBe(outcomeCodes.unknown);
        runs.push([batch, index, count]);
      });
      return runs;
    });
  }

  async function unknownBatches(at = carrier): Promise<number[]> {
    const entries = await s.redis.xrangeBuffer(carrierKeys(at).outcomes, '-', '+');
    return entries.map(([, fields]) => {
      readOutcomes(fields[5]!, (_i, count, _s, _n, code) => {
        expect([count, code]).toEqual([batchSize, outcomeCodes.unknown]);
      });
      return (JSON.parse(String(fields[3])) as { batch: number }).batch;
    });
  }

  return {
    scene: () => s,
    options,
    campaignOfBatches,
    recordOutcomes,
    inRedis,
    unknownRuns,
    unknownBatches,
  };
}
