/**
 * Organisations with residents for benches, made by SQL in bulk. Runs as the database's owner. Numbers are of country
 * code 999, which is assigned to nobody (ITU-T E.164 list of country codes).
 */
import type pg from 'pg';
import { newKey } from '../src/api/authentication.ts';

/** An organisation and its key to the API. */
export type BenchOrganisation = { readonly id: string; readonly key: string };

/** All within GSM 03.38, so that every text of a bench has the segments that it was made for. */
const firstNames = ['Anne', 'Bruno', 'Chloé', 'Denis', 'Élise', 'Fatima', 'Guy', 'Hélène', 'Ivan', 'Jeanne-Marie'];
const chunkRows = 100_000;
/** Every so-manyth resident speaks English, the others French. */
const englishEach = 4;

/** An organisation with a key. */
export async function createOrganisation(sql: pg.ClientBase, name: string): Promise<BenchOrganisation> {
  const { rows } = await sql.query<{ id: string }>('insert into organisations (name) values ($1) returning id', [name]);
  const id = rows[0]?.id ?? '';
  const { key, prefix, hash } = newKey();
  await sql.query("insert into api_keys (organisation_id, name, prefix, key_hash) values ($1, 'bench', $2, $3)", [
    id,
    prefix,
    hash,
  ]);
  return { id, key };
}

/**
 * `count` residents with a mobile number each, put in turn on `lists` lists (0: none). Returns the lists' ids.
 * `onProgress` hears how many there are. `isLast`: nobody's residents follow.
 */
export async function createResidents(
  sql: pg.ClientBase,
  organisation: string,
  {
    count,
    lists = 0,
    firstNumber = 0,
    isLast = true,
  }: { count: number; lists?: number; firstNumber?: number; isLast?: boolean },
  onProgress: (done: number) => void = () => undefined,
): Promise<string[]> {
  const listIds: string[] = [];
  for (let list = 1; list <= lists; list++) {
    const insert = 'insert into lists (organisation_id, name) values ($1, $2) returning id';
    const { rows } = await sql.query<{ id: string }>(insert, [organisation, `list ${list}`]);
    listIds.push(rows[0]?.id ?? '');
  }
  const { rows } = await sql.query<{ id: string }>(
    'select (floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 22)::text as id',
  );
  const firstId = rows[0]?.id ?? '';
  // Foreign keys hold by construction; checking them row by row would take most of the time.
  await sql.query('set session_replication_role = replica');
  for (let from = 0; from < count; from += chunkRows) {
    const through = Math.min(count, from + chunkRows) - 1;
    await insertResidents(sql, { organisation, firstId, from, through, firstNumber });
    if (lists > 0) await insertMembers(sql, { organisation, firstId, from, through, listIds });
    onProgress(through + 1);
  }
  await sql.query('set session_replication_role = origin');
  if (!isLast) return listIds;
  // What autovacuum would do in its own time, so that no round is measured while it does.
  for (const table of ['residents', 'contact_points', 'list_members']) await sql.query(`vacuum (analyze) ${table}`);
  await sql.query('checkpoint');
  return listIds;
}

type Chunk = {
  readonly organisation: string;
  readonly firstId: string;
  readonly from: number;
  readonly through: number;
};

async function insertResidents(sql: pg.ClientBase, chunk: Chunk & { firstNumber: number }): Promise<void> {
  const { organisation, firstId, from, through, firstNumber } = chunk;
  await sql.query(
    `insert into residents (id, organisation_id, first_name, last_name, language, street, postcode, city)
      select $2::bigint + i, $1, ($5::text[])[1 + i % $6::int], 'Resident' || i,
        case when i % $7::int = $7::int - 1 then 'en' else 'fr' end, i % 200 || ' rue des Essais', '99999', 'Essais'
      from generate_series($3::int, $4::int) i`,
    [organisation, firstId, from, through, firstNames, firstNames.length, englishEach],
  );
  await sql.query(
    `insert into contact_points (organisation_id, resident_id, channel, address)
      select $1, $2::bigint + i, 'sms', '+' || (99900000000 + $5::bigint + i)
      from generate_series($3::int, $4::int) i`,
    [organisation, firstId, from, through, firstNumber],
  );
}

async function insertMembers(sql: pg.ClientBase, chunk: Chunk & { listIds: readonly string[] }): Promise<void> {
  const { organisation, firstId, from, through, listIds } = chunk;
  await sql.query(
    `insert into list_members (organisation_id, list_id, resident_id)
      select $1, ($5::bigint[])[1 + i % cardinality($5::bigint[])], $2::bigint + i
      from generate_series($3::int, $4::int) i`,
    [organisation, firstId, from, through, listIds],
  );
}

/** Tables that a campaign leaves rows in. */
const campaignTables =
  'campaigns, campaign_carriers, recipients, batches, batch_states, submissions, receipts, orphan_receipts, ' +
  'inbound_messages, campaign_progress, recorder_offsets, outbox, leases, idempotency_keys';

/** Forgets every campaign, so that a further round begins like the first. */
export async function forgetCampaigns(sql: pg.ClientBase): Promise<void> {
  await sql.query(`truncate ${campaignTables} cascade`);
  await sql.query('checkpoint');
}
