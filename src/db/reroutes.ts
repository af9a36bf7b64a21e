/**
 * Statements about messages that a carrier gave up unsent: kept by the recorder with the outcomes that say so, given
 * to another carrier by the planner. As the service role.
 */
import type { ClientBase, Pool } from 'pg';
import { accountOf } from '../account.ts';
import type { Id, Nature } from '../handoff.ts';
import { campaignColumns, epochsSql, type PlannedCampaign } from './plan.ts';

/**
 * Messages of one batch that a carrier, or shard, gave up; `indexes` are their places in the batch, `sourceAttempt` the
 * attempt with which it had them.
 */
export type GivenUp = {
  readonly carrier: string;
  readonly campaign: Id;
  readonly batch: number;
  readonly sourceAttempt: number;
  readonly indexes: readonly number[];
};

/** What waits and is not decided about: `carrier` gave it up. */
export type Waiting = Pick<GivenUp, 'carrier' | 'campaign' | 'batch' | 'indexes'> & { readonly id: Id };

/** What is decided: it goes into the stream of `target` with this attempt. */
export type Reroute = Omit<Waiting, 'carrier'> & { readonly target: string; readonly attempt: number };

/** Which places of something that waits go to which carrier. */
export type Decision = { readonly id: Id; readonly target: string; readonly indexes: readonly number[] };

/**
 * Keeps what carriers gave up. What was given up before of the same attempt is known already: a Redis that fell back
 * has batches again that were given up, and they are given up again. With one attempt a place is at one carrier.
 */
export async function addReroutes(client: ClientBase, givenUp: readonly GivenUp[]): Promise<void> {
  for (const { carrier, campaign, batch, sourceAttempt, indexes } of givenUp) {
    await client.query({
      name: 'reroute-add',
      text: `insert into reroutes (campaign_id, carrier, batch, source_attempt, indexes)
        select $1, $2, $3, $4, array_agg(place order by place) from (
          select unnest($5::int[]) except select unnest(indexes) from reroutes
            where campaign_id = $1 and batch = $3 and source_attempt = $4) as fresh (place)
        having count(*) > 0`,
      values: [campaign, carrier, batch, sourceAttempt, indexes],
    });
  }
}

/** The campaign whose messages wait longest, of a nature; undefined when none does. */
export async function campaignToReroute(pool: Pool, nature: Nature): Promise<PlannedCampaign | undefined> {
  const { rows } = await pool.query<PlannedCampaign>(
    `select ${campaignColumns} from campaigns c join reroutes r on r.campaign_id = c.id
      where c.nature = $1 and not r.is_in order by r.id limit 1`,
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
 * batch, once; what somebody else decided meanwhile stays as it is. An older version, which may be at work too, looks
 * for the target in the place of the carrier, and puts in what is in already: with its attempt that changes nothing.
 */
export async function decideReroutes(pool: Pool, campaign: Id, decisions: readonly Decision[]): Promise<void> {
  await pool.query(
    `with told as (select d.*, row_number() over (partition by d.id) as nth
        from jsonb_to_recordset($2) d(id bigint, target text, indexes int[])),
      waiting as (select id, batch, source_attempt from reroutes
        where id in (select id from told) and attempt is null order by id for update),
      shares as (select t.*, w.batch, w.source_attempt,
          row_number() over (partition by w.batch order by t.id, t.nth) as place
        from told t join waiting w on w.id = t.id),
      raised as (update batches b set attempt = b.attempt + n.times
        from (select batch, count(*)::int as times from shares group by batch) n
        where b.campaign_id = $1 and b.number = n.batch returning b.number, b.attempt - n.times as before),
      decided as (select s.*, r.before + s.place as attempt from shares s join raised r on r.number = s.batch),
      first as (update reroutes r set carrier = d.target, target = d.target, indexes = d.indexes, attempt = d.attempt
        from decided d where d.nth = 1 and r.id = d.id)
      insert into reroutes (campaign_id, carrier, source_attempt, batch, target, indexes, attempt)
        select $1, target, source_attempt, batch, target, indexes, attempt from decided where nth > 1`,
    [campaign, JSON.stringify(decisions)],
  );
}

/**
 * What is decided of a campaign and perhaps not in its carriers' streams yet, in order of batches and attempts. Of
 * what an older version decided there is no target.
 */
export async function decidedReroutes(pool: Pool, campaign: Id): Promise<Reroute[]> {
  const { rows } = await pool.query<Reroute>(
    `select id, campaign_id as campaign, coalesce(target, carrier) as target, batch, indexes, attempt from reroutes
      where campaign_id = $1 and attempt is not null and not is_in order by batch, attempt`,
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
      insert into campaign_progress (campaign_id, carrier, organisation_id) values ($1, $4, $3) on conflict do nothing`,
    [campaign.id, carrier, campaign.organisation, accountOf(carrier)],
  );
}

/** Forgets what nothing can be made of. */
export async function dropReroutes(pool: Pool, ids: readonly Id[]): Promise<void> {
  if (ids.length === 0) return;
  await pool.query('delete from reroutes where id = any($1::bigint[])', [ids]);
}

/** Forgets what waits of a campaign that is over. */
export async function dropReroutesOf(pool: Pool, campaign: Id): Promise<void> {
  await pool.query('delete from reroutes where campaign_id = $1', [campaign]);
}

/**
 * They are in their carriers' streams, unless Redis lost its data since `epochs` was read: then they may have gone with
 * it, and must be put in again.
 */
export async function endReroutes(pool: Pool, ids: readonly Id[], epochs: string): Promise<void> {
  await pool.query(`update reroutes set is_in = true where id = any($1::bigint[]) and ${epochsSql} = $2`, [
    ids,
    epochs,
  ]);
}

/** Where messages of a batch are that carriers gave up: with `target`, or on their way to it. */
export type Rerouted = Pick<GivenUp, 'batch' | 'indexes'> & { readonly target: string | null; readonly isIn: boolean };

/** What was given up of batches `from` to `through` of a campaign, oldest first. */
export async function reroutedOf(pool: Pool, campaign: Id, from: number, through: number): Promise<Rerouted[]> {
  const { rows } = await pool.query<Rerouted>(
    `select batch, indexes, target, is_in as "isIn" from reroutes
      where campaign_id = $1 and batch between $2 and $3 order by id`,
    [campaign, from, through],
  );
  return rows;
}
