/** What waits in Redis and in PostgreSQL, looked at every few seconds by a planner. */
import type { Clock } from '../src/clock.ts';
import type { Database } from '../src/db/client.ts';
import { noPlanBacklog, type PlanBacklog, readPlanBacklog } from '../src/db/plan-backlog.ts';
import type { Service } from '../src/service.ts';
import { type Backlog, BacklogReader, noBacklog } from '../src/stream/backlog.ts';
import type { RedisConnection } from '../src/stream/redis.ts';
import type { Log } from '../src/telemetry.ts';
import { Watch } from './watch.ts';

/** What waited at the last look. */
export type Backlogs = {
  readonly services: readonly Service[];
  readonly waiting: () => PlanBacklog;
  readonly backlog: (carrier: string) => Backlog;
};

/** Looks once its services are started. */
export function watchBacklogs(
  redis: RedisConnection,
  { pool }: Pick<Database, 'pool'>,
  carriers: readonly string[],
  clock: Clock,
  log: Log,
): Backlogs {
  const reader = new BacklogReader(redis);
  const read = async () =>
    new Map(await Promise.all(carriers.map(async (carrier) => [carrier, await reader.read(carrier)] as const)));
  const backlogs = new Watch('backlog', new Map<string, Backlog>(), read, clock, log);
  const waiting = new Watch('plan-backlog', noPlanBacklog, () => readPlanBacklog(pool), clock, log);
  return {
    services: [backlogs, waiting],
    waiting: () => waiting.latest,
    backlog: (carrier) => backlogs.latest.get(carrier) ?? noBacklog,
  };
}
