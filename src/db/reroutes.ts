/**
 * Statements about messages that a carrier gave up unsent: kept by the recorder with the outcomes that say so, given
 * to another carrier by the planner. As the service role.
 */
import type { ClientBase, Pool } from 'pg';
import type { Id, Nature } from '../handoff.ts';
import { campaignColumns, type PlannedCampaign } from './plan.ts';

/** Messages of one batch that wait for another carrier; `indexes` are their places in the batch. */
export type GivenUp = { readonly campaign: Id; readonly batch: number; readonly indexes: readonly number[] };

/** What waits and is not decided about: `carrier` gave it up. */
export type Waiting = GivenUp & { readonly id: Id; readonly carrier: string };

/** What is decided: it goes into the stream of `carrier` with this attempt. */
export type Reroute = Waiting & { readonly attempt: number };

/** Which places of something that waits go to which carrier. */
export type Decision = { readonly id: Id; readonly carrier: string; readonly indexes: readonly number[] };

/** Keeps what `carrier` gave up. */
export async function addReroutes(client: ClientBase, carrier: string, givenUp: readonly GivenUp[]): Promise<void> {
  for (const { campaign, batch, indexes } of givenUp) {
    await client.query({
      name: 'reroute-add',
      text: 'insert into reroutes (campaign_id, carrier, batch, indexes) values ($1, $2, $3, $4)',
      values: [campaign, carrier, batch, indexes],
    });
  }
}

/** The campaign whose messages wait longest, of a nature; undefined when none does. */
export async function campaignToReroute(pool: Pool, nature: Nature): Promise<PlannedCampaign | undefined> {
  const { rows } = await pool.query<PlannedCampaign>(
    `select ${campaignColumns} from campaigns c join reroutes r on r.campaign_id = c.id
      where c.nature = $1 order by r.id limit 1`,
    [nature],
  );
  return rows[0];
}

/** What waits of a campaign and is not decided about, oldest first. */
export async function waitingReroutes(pool: Pool, campaign: Id, limit: number): Promise<Waiting[]> {
  const { rows } = await pool.query<Waiting>(
    `select id, campaign_id as campaign, carrier, batch, indexes from reroutes
      where campaign_id = $1 and attempt is null order by id limit $2`,
    [campaign, limit],
  );
  return rows;
}

/**
 * Keeps what was decided, before anything is put into a stream: another planner, or the same after a crash, may judge
 * carriers otherwise, and what is in one stream must not go into a second one. Each share gets the next attempt of its
 * batch, once; what somebody else decided meanwhile stays as it is.
 */
export async function decideReroutes(pool: Pool, campaign: Id, decisions: readonly Decision[]): Promise<void> {
  await pool.query(
    `with told as (select d.*, row_number() over (partition by d.id) as nth
        from jsonb_to_recordset($2) d(id bigint, carrier text, indexes int[])),
      waiting as (select id, batch from reroutes where id in (select id from told) and attempt is null
        order by id for update),
      shares as (select t.*, w.batch, row_number() over (partition by w.batch order by t.id, t.nth) as place
        from told t join waiting w on w.id = t.id),
      raised as (update batches b set attempt = b.attempt + n.times
        from (select batch, count(*)::int as times from shares group by batch) n
        where b.campaign_id = $1 and b.number = n.batch returning b.number, b.attempt - n.times as before),
      decided as (select s.*, r.before + s.place as attempt from shares s join raised r on r.number = s.batch),
      first as (update reroutes r set carrier = d.carrier, indexes = d.indexes, attempt = d.attempt
        from decided d where d.nth = 1 and r.id = d.id)
      insert into reroutes (campaign_id, carrier, batch, indexes, attempt)
        select $1, carrier, batch, indexes, attempt from decided where nth > 1`,
    [campaign, JSON.stringify(decisions)],
  );
}

/** What is decided of a campaign and perhaps not in its carriers' streams yet, in order of batches and attempts. */
export async function decidedReroutes(pool: Pool, campaign: Id): Promise<Reroute[]> {
  const { rows } = await pool.query<Reroute>(
    `select id, campaign_id as campaign, carrier, batch, indexes, attempt from reroutes
      where campaign_id = $1 and attempt is not null order by batch, attempt`,
    [campaign],
  );
  return rows;
}

/** Makes a carrier one of a campaign's, though nothing was planned for it: it is paused, counted and closed with it. */
export async function joinCarrier(
  client: ClientBase | Pool,
  campaign: PlannedCampaign,
  carrier: string,
): Promise<void> {
  await client.query(
    `with c as (insert into campaign_carriers
        (campaign_id, carrier, organisation_id, recipients, first_batch, last_batch, enqueued_through)
        values ($1, $2, $3, 0, 1, 0, 0) on conflict do nothing)
      insert into campaign_progress (campaign_id, carrier, organisation_id) values ($1, $2, $3) on conflict do nothing`,
    [campaign.id, carrier, campaign.organisation],
  );
}

/** They are in their carriers' streams. */
export async function endReroutes(pool: Pool, ids: readonly Id[]): Promise<void> {
  if (ids.length === 0) return;
  await pool.query('delete from reroutes where id = any($1::bigint[])', [ids]);
}
