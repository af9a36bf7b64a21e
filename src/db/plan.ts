/**
 * The planner's statements: freezing a campaign's recipients into batches, packing batches, and who plans what.
 * Runs in the planner, as the service role. No JavaScript runs per recipient here. Never touches Redis.
 */
import type { ClientBase, Pool } from 'pg';
import { accountSql, dealStart } from '../account.ts';
import {
  type Batch,
  type CampaignContent,
  type CampaignStatus,
  type Contents,
  type Id,
  type Nature,
  recipientFields,
  recordSeparator,
  unitSeparator,
} from '../handoff.ts';
import {
  carriersOf,
  countAudience,
  type GroupRow,
  nameGroups,
  type Reach,
  type RecipientField,
  reachedSql,
  type Route,
} from './audience.ts';
import type { Database } from './client.ts';
import type { Audience } from './schema.ts';

/** A campaign as its planner sees it. */
export type PlannedCampaign = {
  readonly id: Id;
  readonly organisation: Id;
  readonly nature: Nature;
  readonly status: CampaignStatus;
  readonly sender: string;
  readonly audience: Audience;
  readonly contents: Contents;
  readonly defaultLanguage: string;
  readonly weight: number;
  readonly expiresAtMs: number;
  readonly launchedAtMs: number;
  readonly traceParent: string | null;
  readonly planned: boolean;
};

/** A campaign to be planned. */
export type ClaimedCampaign = PlannedCampaign & {
  /** It is known whom it does not reach, and why. */
  readonly counted: boolean;
  /** It is for no more than so many, counted up to `countedMax`. */
  readonly residentsAtMost: number;
};

/** Counting further would take longer than what it is for. */
const countedMax = 10_000;

/** A `PlannedCampaign` from `campaigns c`. */
export const campaignColumns = `c.id, c.organisation_id as organisation, c.nature, c.status, c.sender, c.audience,
  c.contents,
  c.default_language as "defaultLanguage",
  (select o.weight from organisations o where o.id = c.organisation_id) as weight,
  (extract(epoch from coalesce(c.expires_at, c.launched_at + c.validity_seconds * interval '1 second')) * 1000)::float8
    as "expiresAtMs", (extract(epoch from c.launched_at) * 1000)::float8 as "launchedAtMs",
  c.trace_parent as "traceParent", c.planned_at is not null as planned`;

const claimedColumns = `${campaignColumns}, coalesce(c.unreachable ? 'noMobile', false) as counted,
  (select count(*)::int from (
    select from residents r where not c.audience ? 'lists' and r.organisation_id = c.organisation_id
    union all
    select from list_members m where m.organisation_id = c.organisation_id
      and m.list_id in (select jsonb_array_elements_text(c.audience -> 'lists')::bigint)
    limit ${countedMax}) counted) as "residentsAtMost"`;

/** What a worker must know of the campaign; `fields` are those that its packed recipients carry. */
export function contentOf(campaign: PlannedCampaign, fields: readonly RecipientField[]): CampaignContent {
  const { id, organisation, nature, sender, contents, defaultLanguage, weight } = campaign;
  const times = { expiresAtMs: Math.floor(campaign.expiresAtMs), launchedAtMs: Math.floor(campaign.launchedAtMs) };
  const traced = campaign.traceParent === null ? {} : { traceParent: campaign.traceParent };
  return { campaign: id, organisation, nature, sender, contents, defaultLanguage, weight, fields, ...times, ...traced };
}

/**
 * Takes campaigns that have batches to be put into Redis and no planner, alerts first, oldest first. They
 * are this planner's for `leaseMs` and while it renews.
 */
export async function claimCampaigns(
  pool: Pool,
  claim: { readonly planner: string; readonly leaseMs: number; readonly nature: Nature; readonly limit: number },
): Promise<ClaimedCampaign[]> {
  const { rows } = await pool.query<ClaimedCampaign>(
    `update campaigns c set planner = $1, planner_until = now() + $2 * interval '1 millisecond'
      where c.id in (select id from campaigns
        where enqueued_at is null and nature = $3 and (planner is null or planner_until < now())
          and (status = 'launched' or planned_at is not null and status in ('sending', 'paused', 'cancelling'))
        order by launched_at limit $4 for update skip locked)
      returning ${claimedColumns}`,
    [claim.planner, claim.leaseMs, claim.nature, claim.limit],
  );
  return rows;
}

/** Keeps campaigns; returns those that are still this planner's. */
export async function renewCampaigns(
  pool: Pool,
  claim: { readonly planner: string; readonly leaseMs: number; readonly campaigns: readonly Id[] },
): Promise<ReadonlySet<Id>> {
  const { rows } = await pool.query<{ id: Id }>(
    `update campaigns set planner_until = now() + $2 * interval '1 millisecond'
      where id = any($3::bigint[]) and planner = $1 returning id`,
    [claim.planner, claim.leaseMs, claim.campaigns],
  );
  return new Set(rows.map((row) => row.id));
}

/** Gives a campaign back, so that any planner may take it at once; `done`: all its batches are in Redis. */
export async function releaseCampaign(pool: Pool, planner: string, campaign: Id, done: boolean): Promise<void> {
  await pool.query(
    `update campaigns set planner = null, planner_until = null,
      enqueued_at = case when $3 then now() else enqueued_at end where id = $1 and planner = $2`,
    [campaign, planner, done],
  );
}

/** How to cut a campaign into batches. Routes lead to accounts (src/account.ts). */
export type Cutting = {
  readonly routes: readonly Route[];
  readonly fields: readonly RecipientField[];
  /** Whose streams the batches of an account go into, in turn; at least one. */
  readonly shardsOf: (account: string) => readonly string[];
  /** Most recipients in a batch of that carrier. */
  batchRecipients(carrier: string): number;
};

/** What freezing did. `skipped`: somebody else did it, or the campaign was paused or cancelled meanwhile. */
export type Frozen = { readonly kind: 'frozen'; readonly recipients: number } | { readonly kind: 'skipped' };

/**
 * Freezes the recipients of a launched campaign, numbered by carrier and language, and cuts them into
 * batches, in one transaction. Whom it does not reach is left to `countUnreached`.
 */
export async function freeze(database: Database, campaign: PlannedCampaign, cutting: Cutting): Promise<Frozen> {
  const { defaultLanguage, contents, organisation, audience } = campaign;
  const languages = [defaultLanguage, ...Object.keys(contents).filter((language) => language !== defaultLanguage)];
  const reach = { organisation, audience, languages, fields: cutting.fields, routes: cutting.routes };
  return await database.service(({ client }) => freezeReach(client, campaign, reach, cutting));
}

async function freezeReach(
  client: ClientBase,
  campaign: PlannedCampaign,
  reach: Reach,
  cutting: Cutting,
): Promise<Frozen> {
  const { rowCount } = await client.query(
    "select from campaigns where id = $1 and status = 'launched' and planned_at is null for no key update",
    [campaign.id],
  );
  if (rowCount === 0) return { kind: 'skipped' };
  await client.query("set local work_mem = '256MB'");
  const rows = await cut(client, campaign, reach, cutting);
  const { groups, noCarrier } = nameGroups(reach, rows);
  const recipients = groups.reduce((sum, group) => sum + group.recipients, 0);
  const batches = rows.reduce((sum, row) => sum + row.batches, 0);
  await client.query(
    `update campaigns set planned_at = now(), recipients = $2, unreachable = $3, batches = $4, status = 'sending',
      expires_at = coalesce(expires_at, launched_at + validity_seconds * interval '1 second') where id = $1`,
    [campaign.id, recipients, JSON.stringify({ noCarrier }), batches],
  );
  return { kind: 'frozen', recipients };
}

/**
 * Counts whom a frozen campaign does not reach, and why. It takes half as long as the freeze, and nobody's message
 * waits for it.
 */
export async function countUnreached(pool: Pool, campaign: PlannedCampaign): Promise<void> {
  const { noMobile, optedOut, activePoints } = await countAudience(pool, campaign);
  await pool.query(
    `update campaigns set unreachable = unreachable || $2,
        duplicates = greatest(0, $3 - recipients - (unreachable ->> 'noCarrier')::int)
      where id = $1 and not unreachable ? 'noMobile'`,
    [campaign.id, JSON.stringify({ noMobile, optedOut }), activePoints],
  );
}

/**
 * Writes recipients, batches, each shard's share and each account's counts. Batches of an account and a language are
 * dealt over its shards in turn, and numbered so that those of a shard are a range. Addresses that no route serves are
 * only counted, in a group without carrier and batches.
 */
async function cut(
  client: ClientBase,
  campaign: PlannedCampaign,
  reach: Reach,
  cutting: Cutting,
): Promise<(GroupRow & { readonly batches: number })[]> {
  const reached = reachedSql(reach);
  const values: unknown[] = [...reached.values];
  const parameter = (value: unknown) => `$${values.push(value)}`;
  const carriers = carriersOf(reach);
  const shards = carriers.map((carrier) => cutting.shardsOf(carrier));
  const before = shards.map((_, at) => shards.slice(0, at).reduce((sum, of) => sum + of.length, 0));
  const own = `${parameter(campaign.id)}::bigint`;
  const shardNames = `(${parameter(shards.flat())}::text[])`;
  const of = (numbers: readonly number[]) => `(${parameter(numbers)}::int[])[carrier + 1]`;
  const turn = `(part + language + ${parameter(dealStart(campaign.id))}::int)`;
  const languageNames = `(${parameter(reach.languages)}::text[])`;
  const size = of(carriers.map((carrier) => cutting.batchRecipients(carrier)));
  const { rows } = await client.query<GroupRow & { batches: number }>(
    `with ${reached.text},
      placed as (select *, row_number() over (partition by carrier, language) - 1 as place from reached),
      parts as (select carrier, language, place / ${size} as part, count(*)::int as recipients,
          array_agg(resident_id) as residents,
          string_agg(${packedSql(reach)}, ${chr(recordSeparator)}) filter (where carrier is not null) as packed
        from placed group by carrier, language, part),
      dealt as (select *, ${of(before)} + ${turn} % ${of(shards.map(({ length }) => length))} as shard
        from parts where carrier is not null),
      numbered as (select *, row_number() over ordered as number,
          sum(recipients) over ordered - recipients as first_ordinal,
          ${shardNames}[shard + 1] as shard_name, ${languageNames}[language + 1] as language_name
        from dealt window ordered as (order by shard, language, part)),
      frozen as (insert into recipients (campaign_id, batch, organisation_id, residents, packed)
        select ${own}, number, $1, residents, packed from numbered),
      cut as (insert into batches
        (campaign_id, number, organisation_id, carrier, language, first_ordinal, recipients)
        select ${own}, number, $1, shard_name, language_name, first_ordinal, recipients from numbered),
      shared as (insert into campaign_carriers
        (campaign_id, carrier, organisation_id, recipients, first_batch, last_batch, enqueued_through)
        select ${own}, shard_name, $1, sum(recipients), min(number), max(number), min(number) - 1
          from numbered group by shard_name),
      counted as (insert into campaign_progress (campaign_id, carrier, organisation_id)
        select distinct ${own}, ${accountSql('shard_name')}, $1::bigint from numbered)
      select carrier, language, sum(recipients)::int as recipients,
          (count(*) filter (where carrier is not null))::int as batches
        from parts group by carrier, language order by carrier, language`,
    values,
  );
  return rows;
}

/** One recipient as `Batch.packed` in src/handoff.ts says. */
function packedSql({ fields }: Reach): string {
  return fields.length === 0 ? 'address' : `address || ${chr(unitSeparator)} || fields`;
}

/** One planned or open campaign with its status, as it stands now. */
export type Standing = { readonly status: CampaignStatus; readonly carriers: readonly string[] };

/**
 * Status and carriers of a campaign, which nobody can move until the caller's transaction ends: what is told
 * to Redis meanwhile is the latest word. Undefined when there is no such campaign.
 */
export async function lockStanding(client: ClientBase, campaign: Id): Promise<Standing | undefined> {
  const { rows } = await client.query<Standing>(
    `select status, array(select carrier from campaign_carriers where campaign_id = $1 order by carrier) as carriers
      from campaigns where id = $1 for no key update`,
    [campaign],
  );
  return rows[0];
}

/** Names of the Redis data that is good or being restored (src/db/reconcile.ts): they change when it was lost. */
export const epochsSql = `coalesce((select string_agg(value, ' ' order by name) from settings
  where name in ('redis-epoch', 'redis-epoch-restoring')), '')`;

/** Names of the Redis data that is good or being restored, by one space. */
export async function readEpochNames(pool: Pool): Promise<string> {
  const { rows } = await pool.query<{ epochs: string }>(`select ${epochsSql} as epochs`);
  return rows[0]?.epochs ?? '';
}

/** Whether Redis's data has one of those names, as `Enqueue.open` tells it; any will do before the first look. */
export function isKnownEpoch(epochs: string, epoch: string | undefined): boolean {
  return epochs === '' || (epoch !== undefined && epochs.split(' ').includes(epoch.replace(/^restoring:/, '')));
}

/** How a page of batches is to be enqueued, and the Redis that it is meant for. */
export type PageStanding = {
  /** Batches of a campaign that is being cancelled, or whose time is over, are only to be settled. */
  readonly settleOnly: boolean;
  /** Somebody else put everything into Redis meanwhile: it may have been sent, and be over. */
  readonly isEnqueued: boolean;
  readonly epochs: string;
};

/** How the next page of a campaign is to be enqueued. */
export async function pageStanding(pool: Pool, campaign: Id): Promise<PageStanding> {
  const { rows } = await pool.query<PageStanding>({
    name: 'plan-page',
    text: `select status = 'cancelling' or expires_at < now() as "settleOnly", enqueued_at is not null as "isEnqueued",
        ${epochsSql} as epochs from campaigns where id = $1`,
    values: [campaign],
  });
  return rows[0] ?? { settleOnly: true, isEnqueued: true, epochs: '' };
}

/** One carrier's share of a campaign: batches `next` to `last` are still to be put into Redis. */
export type CarrierShare = { readonly carrier: string; readonly next: number; readonly last: number };

/** The shares of a planned campaign. */
export async function carrierShares(client: ClientBase | Pool, campaign: Id): Promise<CarrierShare[]> {
  const { rows } = await client.query<CarrierShare>(
    `select carrier, enqueued_through + 1 as next, last_batch as last from campaign_carriers
      where campaign_id = $1 order by carrier`,
    [campaign],
  );
  return rows;
}

/**
 * Remembers that every batch of the share up to `through` is in Redis; never goes back. False when Redis lost
 * its data since `epochs` was read: the batches may have gone with it and must be enqueued again.
 */
export async function checkpoint(
  pool: Pool,
  campaign: Id,
  carrier: string,
  through: number,
  epochs: string,
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `update campaign_carriers set enqueued_through = greatest(enqueued_through, $3)
      where campaign_id = $1 and carrier = $2 and ${epochsSql} = $4`,
    [campaign, carrier, through, epochs],
  );
  return rowCount === 1;
}

/** Which batches to read. `settleOnly`: their recipients will not be sent to, so `packed` stays empty. */
export type BatchRange = { readonly from: number; readonly through: number; readonly settleOnly: boolean };

type PackedRow = Omit<Batch, 'campaign' | 'organisation' | 'only' | 'packed'> & { readonly packed: string };

/** Batches `from` to `through` of a campaign, packed as `Batch` in src/handoff.ts says, in order. */
export async function packedBatches(pool: Pool, campaign: PlannedCampaign, range: BatchRange): Promise<Batch[]> {
  const which = range.settleOnly ? 'settle' : 'send';
  return await readPacked(pool, campaign, which, 'between $2 and $3', [range.from, range.through]);
}

/** The batches of these numbers, packed, in order. */
export async function packedBatchesOf(
  pool: Pool,
  campaign: PlannedCampaign,
  numbers: readonly number[],
): Promise<Batch[]> {
  return await readPacked(pool, campaign, 'some', '= any($2)', [numbers]);
}

async function readPacked(
  pool: Pool,
  { id, organisation }: PlannedCampaign,
  which: 'settle' | 'send' | 'some',
  condition: string,
  values: readonly unknown[],
): Promise<Batch[]> {
  const [packed, join] =
    which === 'settle'
      ? ["''", '']
      : ['r.packed', 'join recipients r on r.campaign_id = b.campaign_id and r.batch = b.number'];
  // As text, since pg reads every value as UTF-8 before its parser sees it, also in the binary format.
  const { rows } = await pool.query<PackedRow>({
    name: `batches-${which}`,
    text: `select b.number, b.attempt, b.first_ordinal as "firstOrdinal", b.recipients, b.language, ${packed} as packed
      from batches b ${join} where b.campaign_id = $1 and b.number ${condition} order by b.number`,
    values: [id, ...values],
  });
  return rows.map((row) => ({ ...row, campaign: id, organisation, packed: Buffer.from(row.packed) }));
}

/** A separator in SQL. */
function chr(separator: string): string {
  return `chr(${separator.charCodeAt(0)})`;
}

/** The fields that a campaign's texts use, in the order in which they are packed. */
export function fieldsOf(contents: Contents): RecipientField[] {
  const used = new Set<string>();
  for (const text of Object.values(contents)) {
    for (const [, name] of text.matchAll(/\{\{\s*(\w+)/g)) if (name !== undefined) used.add(name);
  }
  return recipientFields.filter((field) => used.has(field));
}
