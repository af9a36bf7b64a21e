/**
 * The reconciler's statements: the names of Redis's data, and which batches of open campaigns lack outcomes.
 * Runs in the recorder process, as the service role, under a lease that each write checks.
 */
import type { ClientBase, Pool } from 'pg';
import type { Id } from '../handoff.ts';
import type { Database } from './client.ts';
import { foldBatch } from './fold.ts';
import { checkLease, type Lease } from './leases.ts';
import { campaignColumns, epochsSql, type PlannedCampaign } from './plan.ts';
import { type Rerouted, reroutedOf } from './reroutes.ts';

/** Names of Redis's data: those that are good (one, or some carrier's data were lost), the one being restored. */
export type RedisEpochs = { readonly good: readonly string[]; readonly restoring: string | undefined };

const goodName = 'redis-epoch';
const restoringName = 'redis-epoch-restoring';

/** The names as PostgreSQL knows them. */
export async function readEpochs(pool: Pool): Promise<RedisEpochs> {
  const { rows } = await pool.query<{ name: string; value: string }>(
    'select name, value from settings where name = any($1)',
    [[goodName, restoringName]],
  );
  const valueOf = (name: string) => rows.find((row) => row.name === name)?.value;
  return { good: valueOf(goodName)?.split(' ') ?? [], restoring: valueOf(restoringName) };
}

/** The names as `readEpochNames` gives them; no restore begins before the caller's transaction ends. */
export async function holdEpochs(client: ClientBase): Promise<string> {
  await client.query('select from settings where name = $1 for share', [goodName]);
  const { rows } = await client.query<{ epochs: string }>(`select ${epochsSql} as epochs`);
  return rows[0]?.epochs ?? '';
}

/** Notes that `epoch` is being restored; throws `Fault('fenced')` when the lease is lost. */
export async function beginRestore(database: Database, lease: Lease, epoch: string): Promise<void> {
  await database.service(async ({ client }) => {
    await checkLease(client, lease);
    await client.query('select from settings where name = $1 for update', [goodName]);
    await client.query('insert into settings values ($1, $2) on conflict (name) do update set value = excluded.value', [
      restoringName,
      epoch,
    ]);
  });
}

/** Notes that these names are good and nothing is being restored. */
export async function endRestore(database: Database, lease: Lease, epochs: readonly string[]): Promise<void> {
  await database.service(async ({ client }) => {
    await checkLease(client, lease);
    await client.query('insert into settings values ($1, $2) on conflict (name) do update set value = excluded.value', [
      goodName,
      epochs.join(' '),
    ]);
    await client.query('delete from settings where name = $1', [restoringName]);
  });
}

/** An open campaign, and since when it can have been sent. */
export type OpenCampaign = PlannedCampaign & { readonly plannedAtMs: number };

/** Planned campaigns that are not finished, alerts first. */
export async function openCampaigns(pool: Pool): Promise<OpenCampaign[]> {
  const { rows } = await pool.query<OpenCampaign>(
    `select ${campaignColumns}, (extract(epoch from c.planned_at) * 1000)::float8 as "plannedAtMs" from campaigns c
      where c.status in ('sending', 'paused', 'cancelling') and c.planned_at is not null order by c.nature, c.id`,
  );
  return rows;
}

/** A carrier's share of a campaign that has been in Redis: batches `from` to `through`. */
export type EnqueuedShare = { readonly carrier: string; readonly from: number; readonly through: number };

/** A carrier's share of a campaign of which Redis lost something. */
export type LostShare = EnqueuedShare & { readonly campaign: OpenCampaign };

/** What of a campaign has been in Redis. */
export async function enqueuedShares(pool: Pool, campaign: Id): Promise<EnqueuedShare[]> {
  const { rows } = await pool.query<EnqueuedShare>(
    `select carrier, first_batch as from, enqueued_through as through from campaign_carriers
      where campaign_id = $1 and enqueued_through >= first_batch order by carrier`,
    [campaign],
  );
  return rows;
}

/** Carriers that have, or had, something of an open campaign. */
export async function carriersInUse(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ carrier: string }>(
    `select distinct cc.carrier from campaigns c join campaign_carriers cc on cc.campaign_id = c.id
      where c.status in ('sending', 'paused', 'cancelling') order by cc.carrier`,
  );
  return rows.map((row) => row.carrier);
}

/** Carriers that have, or had, something of a campaign. */
export async function carriersOfCampaign(pool: Pool, campaign: Id): Promise<string[]> {
  const { rows } = await pool.query<{ carrier: string }>(
    'select carrier from campaign_carriers where campaign_id = $1 order by carrier',
    [campaign],
  );
  return rows.map((row) => row.carrier);
}

/**
 * Open campaigns whose every batch has been in Redis and whose counts do not come to their recipients, without those
 * of which messages wait for another carrier; how many messages of each have an outcome.
 */
export async function unfinishedCampaigns(pool: Pool): Promise<ReadonlyMap<Id, number>> {
  const { rows } = await pool.query<{ id: Id; known: number }>(
    `select c.id, p.known from campaigns c, lateral (
        select coalesce(sum(awaiting_receipt + delivered + failed + unknown + expired + cancelled), 0)::float8 as known
        from campaign_progress p where p.campaign_id = c.id) p
      where c.status in ('sending', 'paused', 'cancelling') and c.enqueued_at is not null and p.known < c.recipients
        and not exists (select from reroutes r where r.campaign_id = c.id and not r.is_in)`,
  );
  return new Map(rows.map(({ id, known }) => [id, known]));
}

/** Id of the last outcome entry of each carrier that is recorded. */
export async function recordedThrough(pool: Pool): Promise<ReadonlyMap<string, string>> {
  const { rows } = await pool.query<{ carrier: string; through: string }>(
    'select carrier, outcomes_id as through from recorder_offsets',
  );
  return new Map(rows.map(({ carrier, through }) => [carrier, through]));
}

/** A batch and a code of `messageStateCodes` for each of its messages. */
export type BatchStanding = {
  readonly number: number;
  readonly attempt: number;
  readonly firstOrdinal: number;
  readonly recipients: number;
  readonly states: Uint8Array;
  /** Name of the Redis data into which it was put again last, and how often that was done. */
  readonly restored: string | null;
  readonly restores: number;
  /** Places that carriers gave up: those that are on their way, and the carriers to which the others went. */
  readonly waiting: ReadonlySet<number>;
  readonly movedTo: ReadonlyMap<number, string>;
};

/** Batches `from` to `through` of a campaign with what is recorded of them. */
export async function batchStandings(
  pool: Pool,
  campaign: Id,
  from: number,
  through: number,
): Promise<BatchStanding[]> {
  const values = [campaign, from, through];
  const batches = await pool.query<Omit<BatchStanding, 'states' | 'waiting' | 'movedTo'>>(
    `select number, attempt, first_ordinal as "firstOrdinal", recipients, restored, restores from batches
      where campaign_id = $1 and number between $2 and $3 order by number`,
    values,
  );
  const states = await pool.query<{ batch: number; carrier: string; segment: number; states: Buffer }>(
    'select batch, carrier, segment, states from batch_states where campaign_id = $1 and batch between $2 and $3',
    values,
  );
  // Asked for after the states: what is given up meanwhile is on its way, and nothing that is missing.
  const rerouted = await reroutedOf(pool, campaign, from, through);
  const rows = new Map<number, Map<string, Buffer[]>>();
  for (const row of states.rows) {
    const carriers = rows.get(row.batch) ?? new Map<string, Buffer[]>();
    rows.set(row.batch, carriers);
    const segments = carriers.get(row.carrier) ?? [];
    carriers.set(row.carrier, segments);
    segments[row.segment] = row.states;
  }
  return batches.rows.map((batch) => {
    const states = foldBatch([...(rows.get(batch.number)?.values() ?? [])], batch.recipients);
    const givenUp = rerouted.filter((of) => of.batch === batch.number);
    return { ...batch, states, ...placesOf(givenUp) };
  });
}

function placesOf(rerouted: readonly Rerouted[]): Pick<BatchStanding, 'waiting' | 'movedTo'> {
  const waiting = new Set<number>();
  const movedTo = new Map<number, string>();
  for (const { indexes, target, isIn } of rerouted) {
    for (const index of indexes) {
      if (isIn && target !== null) movedTo.set(index, target);
      else waiting.add(index);
    }
  }
  return { waiting, movedTo };
}

/**
 * Gives batches the attempt with which they go into the restored Redis; returns it by number. Doing it again
 * for the same `epoch` gives the same attempt, so that a repeated restore enqueues nothing twice.
 */
export async function bumpAttempts(
  database: Database,
  lease: Lease,
  campaign: Id,
  numbers: readonly number[],
  epoch: string,
): Promise<ReadonlyMap<number, number>> {
  return database.service(async ({ client }) => {
    await checkLease(client, lease);
    await client.query(
      `update batches set attempt = attempt + 1, restored = $3, restores = restores + 1
        where campaign_id = $1 and number = any($2::int[]) and restored is distinct from $3`,
      [campaign, numbers, epoch],
    );
    const { rows } = await client.query<{ number: number; attempt: number }>(
      'select number, attempt from batches where campaign_id = $1 and number = any($2::int[])',
      [campaign, numbers],
    );
    return new Map(rows.map((row) => [row.number, row.attempt]));
  });
}

/** Milliseconds of the last outcome of each carrier that is recorded, by Redis's clock; 0 when there is none. */
export async function lastRecordedMs(pool: Pool): Promise<ReadonlyMap<string, number>> {
  const { rows } = await pool.query<{ carrier: string; ms: number }>(
    "select carrier, split_part(outcomes_id, '-', 1)::float8 as ms from recorder_offsets",
  );
  return new Map(rows.map((row) => [row.carrier, row.ms]));
}
