/**
 * The statements of retention: which weeks of messages are old enough, and how they go without holding anybody up.
 * Runs in the planner, as the service role, under a lease that each write checks.
 *
 * A week goes in three steps, each of which may be done again: its campaigns are marked, so that the API says what was
 * removed; each table's partition is detached, by one statement that the server finishes without us, so that a process
 * that stops in the middle holds no lock; the detached table, which nobody reads any more, is dropped.
 */
import { DatabaseError, type Pool } from 'pg';
import { Fault, isFault } from '../fault.ts';
import type { Id } from '../handoff.ts';
import type { Database } from './client.ts';
import { checkLease, type Lease } from './leases.ts';
import { idAtMs, partitionedTables, type PartitionedTable, partitionWeekMs } from './partitions.ts';

const dayMs = 86_400_000;
/** Longest that a detachment may take, waiting for locks included; nobody waits longer for it. */
const detachMsMax = 250;

/** The partition of one week of one table. */
export type OldPartition = { readonly table: PartitionedTable; readonly week: number };

/** Partitions of weeks that ended more than `days` ago by PostgreSQL's clock, oldest first. */
export async function oldPartitions(pool: Pool, days: number): Promise<OldPartition[]> {
  const { rows } = await pool.query<OldPartition>(
    `select * from (
        select p.relname as table, substring(c.relname, '_w([0-9]+)$')::int as week
        from pg_inherits i join pg_class p on p.oid = i.inhparent join pg_class c on c.oid = i.inhrelid
        where p.relname = any($1) and p.relnamespace = 'public'::regnamespace) w
      where (week + 1) * $2::float8 < extract(epoch from now()) * 1000 - $3::float8 order by week, "table"`,
    [partitionedTables, partitionWeekMs, days * dayMs],
  );
  return rows;
}

function idsOf(week: number): [from: Id, to: Id] {
  return [idAtMs(week * partitionWeekMs), idAtMs((week + 1) * partitionWeekMs)];
}

/**
 * Marks the campaigns of a week as without messages; false, and nothing is changed, while one of them is open or was
 * finished less than `days` ago.
 */
export async function markWeek(database: Database, lease: Lease, week: number, days: number): Promise<boolean> {
  return database.service(async ({ client }) => {
    await checkLease(client, lease);
    const values = [...idsOf(week), days];
    const { rows } = await client.query<{ used: boolean }>(
      `select exists (select from campaigns where id >= $1 and id < $2
        and (status in ('launched', 'sending', 'paused', 'cancelling')
          or finished_at > now() - $3 * interval '1 day')) as used`,
      values,
    );
    if (rows[0]?.used !== false) return false;
    await client.query(
      `update campaigns set messages_removed_at = now()
        where id >= $1 and id < $2 and planned_at is not null and messages_removed_at is null`,
      values.slice(0, 2),
    );
    return true;
  });
}

/** What became of a partition: `busy` when a lock was not free in time, or a campaign of it was launched meanwhile. */
export type Detached = 'detached' | 'busy';

/**
 * Takes a partition out of its table. One message to the server, which needs no more of us: locks are never held while
 * it waits for this process. Throws `Fault('fenced')` when the lease is somebody else's by now.
 */
export async function detachPartition(
  pool: Pool,
  lease: Lease,
  { table, week }: OldPartition,
  days: number,
): Promise<Detached> {
  const client = await pool.connect();
  try {
    // Several statements in one message take no parameters, and are one transaction.
    const values = [client.escapeLiteral(table), week, days, client.escapeLiteral(lease.owner), BigInt(lease.epoch)];
    const results = (await client.query(
      `set local statement_timeout = ${detachMsMax}; select tocsin_retire_partition(${values.join(', ')}) as done`,
    )) as unknown as readonly { readonly rows: readonly { readonly done: string }[] }[];
    const done = results.at(-1)?.rows[0]?.done;
    if (done === 'fenced') throw new Fault('fenced', `the lease ${lease.name} belongs to somebody else by now`);
    return done === 'retired' ? 'detached' : 'busy';
  } catch (error) {
    if (isBusy(error)) return 'busy';
    throw error;
  } finally {
    client.release();
  }
}

/** 55P03 a lock was not free, 57014 it took too long, 40P01 it was the victim of a deadlock, 55006 it is in use. */
function isBusy(error: unknown): boolean {
  // Of a transaction, a lock that was not free comes as the cause of a fault.
  const cause = isFault(error, 'postgres') ? error.cause : error;
  return cause instanceof DatabaseError && ['55P03', '57014', '40P01', '55006'].includes(cause.code ?? '');
}

/** Names of tables that were detached and not dropped yet. */
export async function detachedTables(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
      and relname ~ '^retired_[a-z_]+_w[0-9]+$' order by 1`,
  );
  return rows.map((row) => row.name);
}

/** Drops a detached table; `busy` while somebody still reads it. */
export async function dropDetached(database: Database, lease: Lease, name: string): Promise<'dropped' | 'busy'> {
  try {
    await database.service(async ({ client }) => {
      await checkLease(client, lease);
      await client.query('select tocsin_drop_retired($1)', [name]);
    });
    return 'dropped';
  } catch (error) {
    if (isBusy(error)) return 'busy';
    throw error;
  }
}

/** Rows of its own table that retention deletes by age. */
export type AgedRows = 'orphan_receipts' | 'inbound_messages' | 'idempotency_keys';

/** By the primary key, which is time-ordered, where there is one that is. */
const aged: Readonly<Record<AgedRows, string>> = {
  orphan_receipts: `delete from orphan_receipts where id = any(array(
    select id from orphan_receipts where id < $1::bigint order by id limit $2))`,
  inbound_messages: `delete from inbound_messages where id = any(array(
    select id from inbound_messages where id < $1::bigint order by id limit $2))`,
  idempotency_keys: `delete from idempotency_keys where ctid = any(array(
    select ctid from idempotency_keys where created_at < to_timestamp(($1::bigint >> 22) / 1000.0) limit $2))`,
};

/** Deletes at most `limit` rows older than `days`; returns how many there were. */
export async function deleteAged(
  database: Database,
  lease: Lease,
  table: AgedRows,
  days: number,
  limit: number,
): Promise<number> {
  return database.service(async ({ client }) => {
    await checkLease(client, lease);
    const { rows } = await client.query<{ ms: number }>(
      `select (extract(epoch from now()) * 1000)::float8 - $1::float8 as ms`,
      [days * dayMs],
    );
    const { rowCount } = await client.query(aged[table], [idAtMs(rows[0]?.ms ?? 0), limit]);
    return rowCount ?? 0;
  });
}

/** A finished campaign, and the carriers and shards that had something of it. */
export type FinishedCampaign = { readonly id: Id; readonly finishedAt: string; readonly carriers: readonly string[] };

const closedThroughName = 'retention-closed-through';
/** No campaign stays open for so long after it was made, unless it was a draft for most of that. */
const openDaysMax = 60;

/**
 * Campaigns that ended more than an hour ago, since those of the last call that was remembered, in order of their end.
 * At most `limit`.
 */
export async function finishedCampaigns(pool: Pool, limit: number): Promise<FinishedCampaign[]> {
  const { rows } = await pool.query<FinishedCampaign>(
    `select c.id, c.finished_at::text as "finishedAt",
        array(select carrier from campaign_carriers s where s.campaign_id = c.id) as carriers
      from campaigns c
      where c.id >= (floor(extract(epoch from now() - $2 * interval '1 day') * 1000)::bigint << 22)
        and c.finished_at < now() - interval '1 hour' and c.planned_at is not null
        and c.finished_at > coalesce((select value::timestamptz from settings where name = $3), '-infinity')
      order by c.finished_at limit $1`,
    [limit, openDaysMax, closedThroughName],
  );
  return rows;
}

/** Remembers up to which end campaigns were closed once more. */
export async function rememberClosed(database: Database, lease: Lease, finishedAt: string): Promise<void> {
  await database.service(async ({ client }) => {
    await checkLease(client, lease);
    await client.query('insert into settings values ($1, $2) on conflict (name) do update set value = excluded.value', [
      closedThroughName,
      finishedAt,
    ]);
  });
}
