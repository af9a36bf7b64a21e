/**
 * Weekly partitions of the tables that grow with messages. Ids are time-ordered, so a range of ids is a
 * range of time. Runs in migrations and in the planner; never drops anything.
 */
import type { ClientBase, Pool } from 'pg';
import type { Id } from '../handoff.ts';

/** Length of a partition; the SQL function tocsin_ensure_partitions has the same number. */
export const partitionWeekMs = 604_800_000;
const weeksBehind = 2;
const weeksAhead = 8;

/** Tables that are partitioned by `campaign_id`. */
export type PartitionedTable = 'recipients' | 'batches' | 'batch_states' | 'submissions' | 'receipts';

/** Epoch milliseconds at which an id was made. */
export function idCreatedAtMs(id: Id): number {
  return Number(BigInt(id) >> 22n);
}

/** The smallest id that can have been made at `ms`, for queries that are bounded in time. */
export function idAtMs(ms: number): Id {
  return String(BigInt(Math.max(0, Math.floor(ms))) << 22n);
}

/** Name of the partition that holds a campaign's rows. COPY goes there, because it refuses tables with policies. */
export function partitionOf(table: PartitionedTable, campaign: Id): string {
  return `${table}_w${Math.floor(idCreatedAtMs(campaign) / partitionWeekMs)}`;
}

/**
 * Makes the partitions from two weeks before `nowMs` (clocks differ) to eight weeks after it; returns how
 * many were missing.
 */
export async function ensurePartitions(client: ClientBase | Pool, nowMs: number): Promise<number> {
  const fromMs = Math.max(0, nowMs - weeksBehind * partitionWeekMs);
  const toMs = nowMs + weeksAhead * partitionWeekMs;
  const { rows } = await client.query<{ made: number }>('select tocsin_ensure_partitions($1, $2) as made', [
    fromMs,
    toMs,
  ]);
  return rows[0]?.made ?? 0;
}
