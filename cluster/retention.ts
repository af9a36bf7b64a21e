/** Retention as the planner process has it: how long things are kept, and what it tells as metrics. */
import { everyName } from '../src/account.ts';
import { systemClock } from '../src/clock.ts';
import type { Database } from '../src/db/client.ts';
import type { Enqueue } from '../src/handoff.ts';
import { type Removed, Retention, type RetentionOptions } from '../src/plan/retention.ts';
import { trimAside } from '../src/stream/aside.ts';
import type { RedisConnection } from '../src/stream/redis.ts';
import type { Metrics } from '../src/telemetry.ts';
import type { Context } from './run.ts';

const kinds: readonly Removed[] = [
  'partitions',
  'orphans',
  'inbound',
  'idempotency',
  'campaigns-in-redis',
  'set-aside',
];

/** What it shares with the planner. */
export type RetentionParts = {
  readonly name: string;
  readonly database: Database;
  readonly redis: RedisConnection;
  readonly enqueue: Enqueue;
  readonly accounts: readonly string[];
};

/** The retention of this process. */
export function retentionOf(
  { settings, log, metrics }: Context,
  { name, database, redis, enqueue, accounts }: RetentionParts,
): Retention {
  return new Retention({
    owner: name,
    database,
    close: (carrier, campaign) => enqueue.close(carrier, campaign),
    trimAside: (carrier, days) => trimAside(redis, carrier, days),
    carriers: accounts.flatMap(everyName),
    days: {
      messages: settings.retentionDays,
      orphans: settings.orphanRetentionDays,
      inbound: settings.inboundRetentionDays,
      idempotency: settings.idempotencyRetentionDays,
    },
    clock: systemClock,
    log,
    ...countRetention(metrics),
  });
}

/** Registers what retention tells of itself; the labels are a few words of its own. */
export function countRetention(metrics: Metrics): Required<Pick<RetentionOptions, 'onRemoved' | 'onLooked'>> {
  const removed = metrics.counter('tocsin_retention_removed_total', 'What retention removed, by kind.', ['what']);
  const left = { partitions: 0, lookedAtMs: Number.NaN };
  for (const what of kinds) removed.inc({ what }, 0);
  const overdue = 'Partitions that are old enough and could not go at the last look of this process.';
  metrics.read('gauge', 'tocsin_retention_partitions_left', overdue, [], () => [[{}, left.partitions]]);
  const looked = 'Unix time of the last look of this process; one planner at a time looks, every ten minutes.';
  metrics.read('gauge', 'tocsin_retention_looked_seconds', looked, [], () =>
    Number.isNaN(left.lookedAtMs) ? [] : [[{}, left.lookedAtMs / 1000]],
  );
  return {
    onRemoved: (what, count) => removed.inc({ what }, count),
    onLooked(partitionsLeft) {
      left.partitions = partitionsLeft;
      left.lookedAtMs = systemClock.nowMs();
    },
  };
}
