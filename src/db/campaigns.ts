/** Campaigns as their organisation sees and moves them. API process; scope: an organisation. */
import type { CampaignStatus, Contents, Id, Nature } from '../handoff.ts';
import type { Audience, Unreachable } from './schema.ts';
import { me, only, type Run, type Statement } from './scope.ts';

/** What an organisation says of a new campaign. */
export type CampaignDraft = {
  readonly name: string;
  readonly nature: Nature;
  readonly sender: string;
  readonly audience: Audience;
  readonly contents: Contents;
  readonly defaultLanguage: string;
  readonly validitySeconds: number;
};

/** A campaign. `recipients` means something once `plannedAt` is set, `duplicates` once `unreachable` is. */
export type CampaignRow = CampaignDraft & {
  readonly id: Id;
  readonly status: CampaignStatus;
  readonly recipients: number;
  readonly duplicates: number;
  readonly unreachable: Unreachable | null;
  readonly createdAt: Date;
  readonly launchedAt: Date | null;
  readonly plannedAt: Date | null;
  readonly expiresAt: Date | null;
  readonly finishedAt: Date | null;
  /** When retention removed what became of each recipient. */
  readonly messagesRemovedAt: Date | null;
};

const columns = `c.id, c.name, c.nature, c.status, c.sender, c.audience, c.contents,
  c.default_language as "defaultLanguage", c.validity_seconds as "validitySeconds", c.recipients, c.duplicates,
  case when c.unreachable ? 'noMobile' then c.unreachable end as unreachable,
  c.created_at as "createdAt", c.launched_at as "launchedAt", c.planned_at as "plannedAt",
  c.expires_at as "expiresAt", c.finished_at as "finishedAt", c.messages_removed_at as "messagesRemovedAt"`;

const insertCampaign: Statement = {
  name: 'campaign_insert',
  plannedOnce: true,
  text: `insert into campaigns
      (organisation_id, name, nature, sender, audience, contents, default_language, validity_seconds)
    select ${me}, $1, $2, $3, $4, $5, $6, $7
      where (select count(*) from lists where id = any ($8::bigint[])) = cardinality($8::bigint[])
    returning id, created_at as "createdAt"`,
};

/** What a campaign has while it is a draft. */
const draftState = {
  status: 'draft',
  recipients: 0,
  duplicates: 0,
  unreachable: null,
  launchedAt: null,
  plannedAt: null,
  expiresAt: null,
  finishedAt: null,
  messagesRemovedAt: null,
} as const satisfies Partial<CampaignRow>;

const selectUnknownLists: Statement = {
  name: 'campaign_unknown_lists',
  text: `select i.id::text from unnest($1::bigint[]) as i (id)
    where not exists (select from lists l where l.id = i.id)`,
};

/** A draft, or the lists of its audience that the organisation does not have. */
export type CreatedCampaign =
  | { readonly kind: 'created'; readonly campaign: CampaignRow }
  | { readonly kind: 'unknown-lists'; readonly lists: readonly Id[] };

/** Creates a draft, unless its audience has lists that do not exist. It names each once. */
export async function createCampaign(run: Run, draft: CampaignDraft): Promise<CreatedCampaign> {
  const { name, nature, sender, audience, contents, defaultLanguage, validitySeconds } = draft;
  const lists = 'lists' in audience ? audience.lists : [];
  const texts = [JSON.stringify(audience), JSON.stringify(contents)];
  const values = [name, nature, sender, ...texts, defaultLanguage, validitySeconds, lists];
  const [row] = await run<Pick<CampaignRow, 'id' | 'createdAt'>>(insertCampaign, values);
  if (row !== undefined) return { kind: 'created', campaign: { ...draft, ...draftState, ...row } };
  const unknown = await run<{ id: Id }>(selectUnknownLists, [lists]);
  // Who made the last of them meanwhile has made it possible.
  if (unknown.length === 0) return await createCampaign(run, draft);
  return { kind: 'unknown-lists', lists: unknown.map(({ id }) => id) };
}

const selectCampaign: Statement = {
  name: 'campaign_read',
  plannedOnce: true,
  text: `select ${columns} from campaigns c where c.id = $1`,
};

/** One campaign, or undefined. */
export async function readCampaign(run: Run, id: Id): Promise<CampaignRow | undefined> {
  const [row] = await run<CampaignRow>(selectCampaign, [id]);
  return row;
}

/** The part of a campaign that says what goes to whom. */
export type CampaignTexts = Pick<CampaignDraft, 'audience' | 'contents' | 'defaultLanguage'>;

const selectTexts: Statement = {
  name: 'campaign_texts',
  plannedOnce: true,
  text: `select audience, contents, default_language as "defaultLanguage" from campaigns where id = $1`,
};

/** What a campaign says to whom, or undefined. */
export async function readCampaignTexts(run: Run, id: Id): Promise<CampaignTexts | undefined> {
  const [row] = await run<CampaignTexts>(selectTexts, [id]);
  return row;
}

const lockStatement: Statement = {
  name: 'campaign_lock',
  text: `${selectCampaign.text} for no key update`,
};

/** One campaign, which nobody else may move until the transaction ends, or undefined. */
export async function lockCampaign(run: Run, id: Id): Promise<CampaignRow | undefined> {
  const [row] = await run<CampaignRow>(lockStatement, [id]);
  return row;
}

const selectCampaigns: Statement = {
  name: 'campaigns_page',
  text: `select ${columns} from campaigns c
    where c.id < $1 and ($3::text is null or c.status = $3) order by c.id desc limit $2`,
};

/** At most `limit` campaigns older than the id `before`, newest first, of one status if given. */
export function pageCampaigns(
  run: Run,
  before: Id,
  limit: number,
  status: CampaignStatus | undefined,
): Promise<CampaignRow[]> {
  return run(selectCampaigns, [before, limit, status]);
}

const moveStatement: Statement = {
  name: 'campaign_move',
  text: `with c as (update campaigns set status = $2,
        launched_at = case when $3 then now() else launched_at end,
        trace_parent = case when $3 then $5 else trace_parent end,
        expires_at = case when $3 then now() + validity_seconds * interval '1 second' else expires_at end,
        finished_at = case when $2 = 'cancelled' then now() else finished_at end
      where id = $1 returning *),
    told as (insert into outbox (organisation_id, campaign_id, command)
      select ${me}, c.id, $4 from c where $4 <> 'launch')
    select ${columns} from c`,
};

/** What a move changes besides the status. */
export type CampaignMove = {
  readonly to: CampaignStatus;
  /** Written to the outbox for the planner, but for a launch: it looks for campaigns that are launched by itself. */
  readonly tell: string | undefined;
  /** Starts the campaign's validity. */
  readonly launches: boolean;
  /** Place of the request in a trace. */
  readonly traceParent: string | undefined;
};

/** Gives a campaign that this transaction holds another status. */
export async function moveCampaignRow(run: Run, id: Id, move: CampaignMove): Promise<CampaignRow> {
  return only(await run<CampaignRow>(moveStatement, [id, move.to, move.launches, move.tell, move.traceParent]));
}

/** SQL: a message can go to this contact point by a carrier that serves one of these beginnings of addresses. */
const isServed = (beginnings: string) =>
  `p.channel = 'sms' and p.opted_out_at is null and p.address ^@ any (${beginnings}::text[])`;
const beginningsOf = (prefixes: readonly string[]) => prefixes.map((prefix) => `+${prefix}`);

const launchStatement: Statement = {
  name: 'campaign_launch',
  plannedOnce: true,
  text: `update campaigns c set status = $3, launched_at = now(), trace_parent = $5,
      expires_at = now() + validity_seconds * interval '1 second'
    where id = $1 and status = $2 and case when audience ? 'lists'
      then exists (select from list_members m join contact_points p on p.resident_id = m.resident_id
        where m.list_id = any (translate(audience ->> 'lists', '[]"', '{}')::bigint[]) and ${isServed('$4')})
      else exists (select from contact_points p where ${isServed('$4')}) end
    returning ${columns}`,
};

/**
 * Launches a campaign that is in the status `from` and reaches somebody by one of `prefixes`, in one statement; gives
 * undefined and changes nothing where one of both does not hold.
 */
export async function launchCampaignRow(
  run: Run,
  id: Id,
  move: { readonly from: CampaignStatus } & Pick<CampaignMove, 'to' | 'traceParent'>,
  prefixes: readonly string[],
): Promise<CampaignRow | undefined> {
  const [moved] = await run<CampaignRow>(launchStatement, [
    id,
    move.from,
    move.to,
    beginningsOf(prefixes),
    move.traceParent,
  ]);
  return moved;
}

const anyRecipient: Statement = {
  name: 'campaign_any_recipient',
  text: `select exists (select from contact_points p
      where ${isServed('$2')} and ($1::bigint[] is null or exists (select from list_members m
          where m.list_id = any ($1) and m.resident_id = p.resident_id))) as any`,
};

/** True when a message can go to somebody of the audience by a carrier that serves one of `prefixes`. */
export async function hasRecipient(run: Run, audience: Audience, prefixes: readonly string[]): Promise<boolean> {
  const lists = 'lists' in audience ? audience.lists : null;
  const [row] = await run<{ any: boolean }>(anyRecipient, [lists, beginningsOf(prefixes)]);
  return row?.any ?? false;
}
