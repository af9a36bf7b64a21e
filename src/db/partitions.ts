/**
 * Weekly partitions of the tables that grow with messages. Ids are time-ordered, so a range of ids is a
 * range of time. Runs in migrations, planner and recorder; never drops anything (src/db/retention.ts does).
 *
 * There is no DEFAULT partition: while it holds a row of a week, that week's own partition cannot be attached without
 * a scan of it under a lock, and retention could never drop it. A week that is missing is made when it is needed.
 */
import { type ClientBase, DatabaseError, type Pool } from 'pg';
import type { Id } from '../handoff.ts';

/** Length of a partition; the SQL function tocsin_ensure_partitions has the same number. */
export const partitionWeekMs = 604_800_000;
const weeksBehind = 2;
const weeksAhead = 8;

/** Tables that are partitioned by `campaign_id`. */
export const partitionedTables = ['recipients', 'batches', 'batch_states', 'submissions', 'receipts'] as const;

/** One of them. */
export type PartitionedTable = (typeof partitionedTables)[number];

/** Epoch milliseconds at which an id was made. */
export function idCreatedAtMs(id: Id): number {
  return Number(BigInt(id) >> 22n);
}

/** The smallest id that can have been made at `ms`, for queries that are bounded in time. */
export function idAtMs(ms: number): Id {
  return String(BigInt(Math.max(0, Math.floor(ms))) << 22n);
}

/** The week, counted from 1970, whose partitions hold a campaign's rows. */
export function weekOf(campaign: Id): number {
  return Math.floor(idCreatedAtMs(campaign) / partitionWeekMs);
}

/** Name of the partition that holds a campaign's rows. COPY goes there, because it refuses tables with policies. */
export function partitionOf(table: PartitionedTable, campaign: Id): string {
  return `${table}_w${weekOf(campaign)}`;
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

/**
 * Makes the partitions of one week. For campaigns that come late to a week that retention has dropped, as a draft that
 * is launched after a year.
 */
export async function ensureWeek(client: ClientBase | Pool, week: number): Promise<void> {
  await client.query('select tocsin_ensure_partitions($1, $1)', [week * partitionWeekMs]);
}

/** True for the error of an INSERT that found no partition for a row: a check_violation that names no constraint. */
export function isPartitionMissing(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === '23514' && error.constraint === undefined;
}

/** How many whole weeks from `nowMs` on have all their partitions, without a gap. */
export async function weeksCovered(client: ClientBase | Pool, nowMs: number): Promise<number> {
  const thisWeek = Math.floor(nowMs / partitionWeekMs);
  const { rows } = await client.query<{ week: number }>(
    `select substring(c.relname, '_w([0-9]+)$')::int as week
      from pg_inherits i join pg_class p on p.oid = i.inhparent join pg_class c on c.oid = i.inhrelid
      where p.relname = any($1) and p.relnamespace = 'public'::regnamespace
      group by 1 having count(*) = $2`,
    [partitionedTables, partitionedTables.length],
  );
  const whole = new Set(rows.map(({ week }) => week));
  let covered = 0;
  while (whole.has(thisWeek + 1 + covered)) covered += 1;
  return whole.has(thisWeek) ? covered : 0;
}
