/**
 * Statements about messages that a carrier gave up unsent: kept by the recorder with the outcomes that say so, given
 * to another carrier by the planner. As the service role.
 */
import type { ClientBase, Pool } from 'pg';
import type { Id, Nature } from '../handoff.ts';
import { campaignColumns, type PlannedCampaign } from './plan.ts';

/** Messages of one batch that wait for another carrier; `indexes` are their places in the batch. */
export type GivenUp = { readonly campaign: Id; readonly batch: number; readonly indexes: readonly number[] };

/** The same with the attempt with which it goes into the next carrier's stream. */
export type Reroute = GivenUp & { readonly id: Id; readonly carrier: string; readonly attempt: number };

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

/**
 * What waits of a campaign, oldest first. Each gets the next attempt of its batch, once: whoever asks again, after a
 * crash or at the same time, is given the same.
 */
export async function beginReroutes(pool: Pool, campaign: Id, limit: number): Promise<Reroute[]> {
  const { rows: oldest } = await pool.query<{ id: Id }>(
    'select id from reroutes where campaign_id = $1 order by id limit $2',
    [campaign, limit],
  );
  const ids = oldest.map((row) => row.id);
  await pool.query(
    `with waiting as (select id, batch from reroutes where id = any($2::bigint[]) and attempt is null
        order by id for update),
      numbered as (select id, batch, row_number() over (partition by batch order by id) as nth from waiting),
      raised as (update batches b set attempt = b.attempt + n.times
        from (select batch, count(*)::int as times from numbered group by batch) n
        where b.campaign_id = $1 and b.number = n.batch returning b.number, b.attempt - n.times as before)
      update reroutes r set attempt = raised.before + n.nth
        from numbered n join raised on raised.number = n.batch where r.id = n.id`,
    [campaign, ids],
  );
  const { rows } = await pool.query<Reroute>(
    `select id, campaign_id as campaign, carrier, batch, indexes, attempt from reroutes
      where id = any($1::bigint[]) order by batch, attempt`,
    [ids],
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

/** They are in another carrier's stream. */
export async function endReroutes(pool: Pool, ids: readonly Id[]): Promise<void> {
  await pool.query('delete from reroutes where id = any($1::bigint[])', [ids]);
}
