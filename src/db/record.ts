/**
 * The recorder's statements: its lease with the offsets, loading and writing batch states, matching message ids,
 * orphans. `carrier` is an account in all of them (src/account.ts), but for offsets, which are of shards. What writes
 * runs in one transaction per flush. Runs in the recorder, as the service role.
 */
import type { ClientBase, Pool } from 'pg';
import { accountSql } from '../account.ts';
import { Fault } from '../fault.ts';
import type { AccountOffsets, Id, InboundMessage, RecordOffsets } from '../handoff.ts';
import { partitionOf } from './partitions.ts';

/** The right to record the streams of one account, which are those of all its shards, and where to go on. */
export type RecorderLease = {
  readonly account: string;
  readonly owner: string;
  readonly epoch: Id;
  readonly offsets: AccountOffsets;
};

/**
 * Takes an account for `leaseMs` by PostgreSQL's clock; undefined while another recorder has it. Its row says who has
 * it, and where the streams of its own name are, which it has while it is not divided; `shards` have rows of their own.
 * So have those of before, when it was divided otherwise: what is in their streams is recorded too.
 */
export async function takeAccount(
  pool: Pool,
  account: string,
  shards: readonly string[],
  owner: string,
  leaseMs: number,
): Promise<RecorderLease | undefined> {
  const taken = await pool.query<{ epoch: Id }>(
    `insert into recorder_offsets as o (carrier, owner, epoch, lease_until)
      values ($1, $2, 1, now() + $3 * interval '1 millisecond')
      on conflict (carrier) do update
        set owner = excluded.owner, epoch = o.epoch + 1, lease_until = excluded.lease_until
      where o.owner = excluded.owner or o.lease_until < now()
      returning epoch`,
    [account, owner, leaseMs],
  );
  const epoch = taken.rows[0]?.epoch;
  if (epoch === undefined) return undefined;
  await pool.query('insert into recorder_offsets (carrier) select unnest($1::text[]) on conflict do nothing', [shards]);
  // Asked for last: whoever had it before has written its last word by then, or will find that it is fenced.
  const { rows } = await pool.query<RecordOffsets & { carrier: string }>(
    `select carrier, outcomes_id as outcomes, receipts_id as receipts from recorder_offsets
      where ${accountSql('carrier')} = $1`,
    [account],
  );
  return { account, owner, epoch, offsets: new Map(rows.map(({ carrier, ...offsets }) => [carrier, offsets])) };
}

/**
 * Moves the offsets and renews the lease; the account's row stays locked until the transaction ends.
 * @throws Fault `fenced` when the account is another recorder's by now.
 */
export async function advance(
  client: ClientBase | Pool,
  { account, owner, epoch }: RecorderLease,
  offsets: AccountOffsets,
  leaseMs: number,
): Promise<void> {
  const own = offsets.get(account);
  const { rowCount } = await client.query({
    name: 'record-advance',
    text: `update recorder_offsets set outcomes_id = coalesce($4, outcomes_id), receipts_id = coalesce($5, receipts_id),
        lease_until = now() + $6 * interval '1 millisecond' where carrier = $1 and owner = $2 and epoch = $3`,
    values: [account, owner, epoch, own?.outcomes, own?.receipts, leaseMs],
  });
  if (rowCount === 0) throw new Fault('fenced', `carrier ${account} is recorded by somebody else by now`);
  const shards = [...offsets].filter(([shard]) => shard !== account);
  if (shards.length === 0) return;
  await client.query({
    name: 'record-advance-shards',
    text: `update recorder_offsets o set outcomes_id = n.outcomes, receipts_id = n.receipts
      from unnest($1::text[], $2::text[], $3::text[]) as n (shard, outcomes, receipts)
      where o.carrier = n.shard and (o.outcomes_id, o.receipts_id) is distinct from (n.outcomes, n.receipts)`,
    values: [shards.map(([shard]) => shard), shards.map(([, of]) => of.outcomes), shards.map(([, of]) => of.receipts)],
  });
}

/** Gives an account back before the lease ends. */
export async function releaseAccount(pool: Pool, { account, owner, epoch }: RecorderLease): Promise<void> {
  await pool.query(
    "update recorder_offsets set lease_until = '-infinity' where carrier = $1 and owner = $2 and epoch = $3",
    [account, owner, epoch],
  );
}

/** A batch by campaign and number. */
export type BatchName = { readonly campaign: Id; readonly batch: number };

/** One row of `batch_states`. */
export type StateRow = BatchName & { readonly segment: number; readonly states: Buffer };

/** Rows of the named batches on a carrier. */
export async function loadStates(
  client: ClientBase | Pool,
  carrier: string,
  batches: readonly BatchName[],
): Promise<StateRow[]> {
  const loaded: StateRow[] = [];
  for (const [partition, names] of byPartition(batches)) {
    const { rows } = await client.query<StateRow>(
      `select s.campaign_id as campaign, s.batch, s.segment, s.states from ${partition} s
        join unnest($2::bigint[], $3::int[]) as n (campaign, batch) on s.campaign_id = n.campaign and s.batch = n.batch
        where s.carrier = $1`,
      [carrier, names.map((name) => name.campaign), names.map((name) => name.batch)],
    );
    loaded.push(...rows);
  }
  return loaded;
}

function byPartition<Name extends BatchName>(batches: readonly Name[]): Map<string, Name[]> {
  const groups = new Map<string, Name[]>();
  for (const name of batches) {
    const partition = partitionOf('batch_states', name.campaign);
    const group = groups.get(partition);
    if (group === undefined) groups.set(partition, [name]);
    else group.push(name);
  }
  return groups;
}

/** A row to write. */
export type NewStateRow = StateRow & { readonly organisation: Id; readonly firstOrdinal: number };

/** Writes rows of `batch_states`. All bytes go as one parameter, since an array of bytea goes as hexadecimal text. */
export async function writeStates(client: ClientBase, carrier: string, rows: readonly NewStateRow[]): Promise<void> {
  if (rows.length === 0) return;
  let from = 1;
  const starts = rows.map((row) => {
    const start = from;
    from += row.states.length;
    return start;
  });
  await client.query({
    name: 'record-states',
    text: `insert into batch_states (carrier, campaign_id, batch, segment, organisation_id, first_ordinal, states)
      select $1, r.campaign, r.batch, r.segment, r.organisation, r.first, substring($2::bytea from r.start for r.length)
      from unnest($3::bigint[], $4::int[], $5::smallint[], $6::bigint[], $7::int[], $8::int[], $9::int[])
        as r (campaign, batch, segment, organisation, first, start, length)
      on conflict (campaign_id, batch, carrier, segment) do update set states = excluded.states`,
    values: [
      carrier,
      Buffer.concat(rows.map((row) => row.states)),
      rows.map((row) => row.campaign),
      rows.map((row) => row.batch),
      rows.map((row) => row.segment),
      rows.map((row) => row.organisation),
      rows.map((row) => row.firstOrdinal),
      starts,
      rows.map((row) => row.states.length),
    ],
  });
}

/** Where the submission of a message id is. */
export type SubmissionPlace = BatchName & {
  readonly messageId: string;
  readonly organisation: Id;
  readonly firstOrdinal: number;
  readonly ordinal: number;
  readonly segment: number;
  readonly segments: number;
};

/** Submissions of message ids; of an id that came twice the newer one. `sinceId` bounds how far back it looks. */
export async function findSubmissions(
  client: ClientBase | Pool,
  carrier: string,
  messageIds: readonly string[],
  sinceId: Id,
): Promise<Map<string, SubmissionPlace>> {
  const { rows } = await client.query<SubmissionPlace>(
    // One look-up for each id: with `= any` the planner reads the whole table.
    `select s.* from unnest($1::text[]) as wanted (id) cross join lateral (
        select message_id as "messageId", campaign_id as campaign, organisation_id as organisation, batch,
          first_ordinal as "firstOrdinal", ordinal, segment, segments from submissions
        where message_id = wanted.id and message_id <> '' and carrier = $2 and campaign_id >= $3
        order by submitted_at desc limit 1) as s`,
    [messageIds, carrier, sinceId],
  );
  return new Map(rows.map((row) => [row.messageId, row]));
}

/** A receipt without a known submission. */
export type OrphanReceipt = {
  readonly messageId: string;
  readonly state: number;
  readonly error: string;
  readonly doneAtSeconds: number;
  readonly receivedAtMs: number;
};

/** Keeps receipts until their submission arrives. */
export async function addOrphans(
  client: ClientBase,
  carrier: string,
  orphans: readonly OrphanReceipt[],
): Promise<void> {
  if (orphans.length === 0) return;
  await client.query(
    `insert into orphan_receipts (carrier, message_id, state, error, done_at, received_at)
      select $1, o.id, o.state, o.error, to_timestamp(nullif(o.done, 0)), to_timestamp(o.received / 1000)
      from unnest($2::text[], $3::smallint[], $4::text[], $5::float8[], $6::float8[])
        as o (id, state, error, done, received)`,
    [
      carrier,
      orphans.map((orphan) => orphan.messageId),
      orphans.map((orphan) => orphan.state),
      orphans.map((orphan) => storable(orphan.error)),
      orphans.map((orphan) => orphan.doneAtSeconds),
      orphans.map((orphan) => orphan.receivedAtMs),
    ],
  );
}

/** The orphans of message ids, oldest first. */
export async function orphansOf(
  client: ClientBase | Pool,
  carrier: string,
  messageIds: readonly string[],
): Promise<OrphanReceipt[]> {
  const { rows } = await client.query<OrphanReceipt>(
    `select message_id as "messageId", state, error,
        coalesce(extract(epoch from done_at), 0)::float8 as "doneAtSeconds",
        (extract(epoch from received_at) * 1000)::float8 as "receivedAtMs"
      from orphan_receipts where message_id = any($1) and carrier = $2 order by id`,
    [messageIds, carrier],
  );
  return rows;
}

/** Removes the orphans of message ids, whose submissions are known now. */
export async function deleteOrphans(client: ClientBase, carrier: string, messageIds: readonly string[]): Promise<void> {
  if (messageIds.length === 0) return;
  await client.query('delete from orphan_receipts where message_id = any($1) and carrier = $2', [messageIds, carrier]);
}

/** Message ids of a carrier's orphans, the newest `limit` of them. */
export async function orphanIds(client: ClientBase | Pool, carrier: string, limit: number): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    'select message_id as id from orphan_receipts where carrier = $1 order by id desc limit $2',
    [carrier, limit],
  );
  return rows.map((row) => row.id);
}

/** Keeps messages from handsets. */
export async function addInbound(
  client: ClientBase,
  carrier: string,
  messages: readonly (InboundMessage & { readonly receivedAtMs: number })[],
): Promise<void> {
  if (messages.length === 0) return;
  await client.query(
    `insert into inbound_messages (carrier, source, destination, data_coding, esm_class, body, received_at)
      select $1, m.source, m.destination, m.coding, m.class, m.body, to_timestamp(m.received / 1000)
      from unnest($2::text[], $3::text[], $4::smallint[], $5::smallint[], $6::bytea[], $7::float8[])
        as m (source, destination, coding, class, body, received)`,
    [
      carrier,
      messages.map((message) => storable(message.source)),
      messages.map((message) => storable(message.destination)),
      messages.map((message) => message.dataCoding),
      messages.map((message) => message.esmClass),
      messages.map((message) => message.body),
      messages.map((message) => message.receivedAtMs),
    ],
  );
}

/** Text as PostgreSQL can hold it: without NUL, which a carrier may send and which would stop the recorder for ever. */
function storable(text: string): string {
  return text.replaceAll('\0', '');
}
