/** What waits for planners in PostgreSQL, for metrics. Runs in the planner, as the service role. */
import type { Pool } from 'pg';
import type { Lane } from '../handoff.ts';

/** See the head of this file. Ages in milliseconds, 0 when nothing waits. */
export type PlanBacklog = {
  /** Campaigns that were launched and are not frozen. */
  readonly unplanned: Readonly<Record<Lane, { readonly campaigns: number; readonly oldestMs: number }>>;
  readonly outbox: { readonly rows: number; readonly oldestMs: number };
};

const none = { campaigns: 0, oldestMs: 0 } as const;

/** Nothing waits. */
export const noPlanBacklog: PlanBacklog = {
  unplanned: { alert: none, information: none },
  outbox: { rows: 0, oldestMs: 0 },
};

const ageMs = (moment: string) => `coalesce(extract(epoch from now() - min(${moment})) * 1000, 0)::float8`;

/** What waits now. */
export async function readPlanBacklog(pool: Pool): Promise<PlanBacklog> {
  const unplanned = await pool.query<{ nature: Lane; campaigns: number; oldestMs: number }>(
    `select nature, count(*)::int as campaigns, ${ageMs('launched_at')} as "oldestMs" from campaigns
      where enqueued_at is null and status = 'launched' and planned_at is null group by nature`,
  );
  const outbox = await pool.query<PlanBacklog['outbox']>(
    `select count(*)::int as rows, ${ageMs('created_at')} as "oldestMs" from outbox`,
  );
  const of = (lane: Lane) => unplanned.rows.find(({ nature }) => nature === lane) ?? none;
  return {
    unplanned: { alert: of('alert'), information: of('information') },
    outbox: outbox.rows[0] ?? noPlanBacklog.outbox,
  };
}
