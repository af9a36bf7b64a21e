/** Metrics of a planner: what it plans, and what waits in PostgreSQL and in Redis. Labels are lanes and carriers. */
import type { PlanBacklog } from '../src/db/plan-backlog.ts';
import { type Lane, lanes, type Nature } from '../src/handoff.ts';
import type { Backlog } from '../src/stream/backlog.ts';
import type { Metrics, Sample } from '../src/telemetry.ts';

const freezeBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120];

/** Where a planner's metrics are read. */
export type PlannerSources = {
  readonly carriers: readonly string[];
  readonly campaigns: () => number;
  readonly weeksAhead: () => number;
  readonly usable: (carrier: string) => boolean;
  readonly waiting: () => PlanBacklog;
  readonly backlog: (carrier: string) => Backlog;
};

/** Registers a planner's metrics; gives what is to be told of each campaign that it froze. */
export function countPlanner(metrics: Metrics, sources: PlannerSources): (nature: Nature, ms: number) => void {
  const { carriers, campaigns, usable, waiting } = sources;
  metrics.read('gauge', 'tocsin_campaigns_in_hand', 'Campaigns that this planner plans or enqueues.', [], () => [
    [{}, campaigns()],
  ]);
  const ahead = 'Weeks to come whose partitions are there; eight are made.';
  metrics.read('gauge', 'tocsin_partition_weeks_ahead', ahead, [], () => [[{}, sources.weeksAhead()]]);
  const byLane = (value: (lane: Lane) => number) => () => lanes.map((lane): Sample => [{ lane }, value(lane)]);
  metrics.read(
    'gauge',
    'tocsin_campaigns_unplanned',
    'Campaigns that are launched and have no recipients yet; every planner says the same.',
    ['lane'],
    byLane((lane) => waiting().unplanned[lane].campaigns),
  );
  metrics.read(
    'gauge',
    'tocsin_unplanned_seconds',
    'Time since the launch of the oldest of these.',
    ['lane'],
    byLane((lane) => waiting().unplanned[lane].oldestMs / 1000),
  );
  metrics.read('gauge', 'tocsin_outbox_rows', 'Commands in the outbox; every planner says the same.', [], () => [
    [{}, waiting().outbox.rows],
  ]);
  metrics.read('gauge', 'tocsin_outbox_oldest_seconds', 'Age of the oldest of these, usually below 2.', [], () => [
    [{}, waiting().outbox.oldestMs / 1000],
  ]);
  metrics.read(
    'gauge',
    'tocsin_carrier_usable',
    '1 while some worker has a bind of the carrier, or had until a moment ago; 0 when it is passed over.',
    ['carrier'],
    () => carriers.map((carrier): Sample => [{ carrier }, usable(carrier) ? 1 : 0]),
  );
  countBacklog(metrics, sources);
  const planned = metrics.counter('tocsin_campaigns_planned_total', 'Campaigns whose recipients were frozen.', [
    'lane',
  ]);
  const freezes = metrics.histogram(
    'tocsin_freeze_seconds',
    'Time in which recipients of a campaign were frozen, with the wait for a turn.',
    freezeBuckets,
    ['lane'],
  );
  for (const lane of lanes) planned.inc({ lane }, 0);
  for (const lane of lanes) freezes.zero({ lane });
  return (lane, ms) => {
    planned.inc({ lane });
    freezes.observe({ lane }, ms / 1000);
  };
}

/** What waits for each carrier in Redis; every planner says the same of it. */
function countBacklog(metrics: Metrics, { carriers, backlog }: PlannerSources): void {
  metrics.read(
    'gauge',
    'tocsin_oldest_batch_seconds',
    'Time since the oldest batch that is not done was put into Redis, paused campaigns apart.',
    ['carrier', 'lane'],
    () =>
      carriers.flatMap((carrier) =>
        lanes.map((lane): Sample => [{ carrier, lane }, backlog(carrier).oldestMs[lane] / 1000]),
      ),
  );
  const byCarrier = (value: (of: Backlog) => number) => () =>
    carriers.map((carrier): Sample => [{ carrier }, value(backlog(carrier))]);
  metrics.read(
    'gauge',
    'tocsin_waiting_bytes',
    'Packed recipients that wait in Redis or are in hand.',
    ['carrier'],
    byCarrier(({ bytes }) => bytes),
  );
  metrics.read(
    'gauge',
    'tocsin_set_aside_entries',
    'Stream entries that nobody could read, and that wait for a person.',
    ['carrier'],
    byCarrier(({ aside }) => aside),
  );
  const byStream = (value: (of: Backlog['outcomes']) => number) => () =>
    carriers.flatMap((carrier) =>
      (['outcomes', 'receipts'] as const).map(
        (stream): Sample => [{ carrier, stream }, value(backlog(carrier)[stream])],
      ),
    );
  metrics.read(
    'gauge',
    'tocsin_unrecorded_entries',
    'Entries of outcomes or receipts that are not in PostgreSQL yet.',
    ['carrier', 'stream'],
    byStream(({ entries }) => entries),
  );
  metrics.read(
    'gauge',
    'tocsin_unrecorded_seconds',
    'Age of the oldest of these: how far the record is behind.',
    ['carrier', 'stream'],
    byStream(({ oldestMs }) => oldestMs / 1000),
  );
}
