/**
 * The planner's statements at the end of campaigns: which are done, which have outlived their validity while
 * paused, which were cancelled before they were planned. Runs in the planner, as the service role.
 */
import type { Pool } from 'pg';
import type { Id } from '../handoff.ts';

/** A campaign with nothing left to happen, and the carriers and shards that still know it. */
export type DoneCampaign = { readonly id: Id; readonly carriers: readonly string[] };

/**
 * Open campaigns whose every message has an outcome and a final receipt, or whose last news is older than
 * `receiptWaitMs`, and of which nothing waits for another carrier. At most `limit`.
 */
export async function doneCampaigns(pool: Pool, receiptWaitMs: number, limit: number): Promise<DoneCampaign[]> {
  const { rows } = await pool.query<DoneCampaign>(
    `select c.id, array(select carrier from campaign_carriers s where s.campaign_id = c.id) as carriers
      from campaigns c, lateral (
        select coalesce(sum(awaiting_receipt), 0) as awaiting, max(updated_at) as updated_at,
          coalesce(sum(awaiting_receipt + delivered + failed + unknown + expired + cancelled), 0) as known
        from campaign_progress p where p.campaign_id = c.id) p
      where c.status in ('sending', 'paused', 'cancelling') and c.enqueued_at is not null
        and p.known >= c.recipients and not exists (select from reroutes r where r.campaign_id = c.id and not r.is_in)
        and (p.awaiting = 0 or p.updated_at < now() - $1 * interval '1 millisecond')
      limit $2`,
    [receiptWaitMs, limit],
  );
  return rows;
}

/**
 * Ends open campaigns: cancelled where that was asked for, else completed. Returns those that it ended; one of which
 * something was given up meanwhile goes on.
 */
export async function finishCampaigns(pool: Pool, campaigns: readonly Id[]): Promise<Id[]> {
  const { rows } = await pool.query<{ id: Id }>(
    `with ended as (update campaigns c set finished_at = now(),
          status = case when status = 'cancelling' then 'cancelled' else 'completed' end
        where id = any($1::bigint[]) and status in ('sending', 'paused', 'cancelling')
          and not exists (select from reroutes r where r.campaign_id = c.id and not r.is_in) returning id),
      forgotten as (delete from reroutes r using ended where r.campaign_id = ended.id)
      select id from ended`,
    [campaigns],
  );
  return rows.map((row) => row.id);
}

/** Whether a campaign has ended. */
export async function isFinished(pool: Pool, campaign: Id): Promise<boolean> {
  const { rowCount } = await pool.query('select from campaigns where id = $1 and finished_at is not null', [campaign]);
  return rowCount === 1;
}

/** Ends campaigns that were cancelled before they were planned: they never had recipients. */
export async function finishUnplanned(pool: Pool): Promise<Id[]> {
  const { rows } = await pool.query<{ id: Id }>(
    `update campaigns set status = 'cancelled', finished_at = now()
      where status = 'cancelling' and planned_at is null returning id`,
  );
  return rows.map((row) => row.id);
}

/** Sets paused campaigns whose time is over going again, so that workers settle the rest as expired. */
export async function wakeExpired(pool: Pool): Promise<Id[]> {
  const { rows } = await pool.query<{ id: Id }>(
    `update campaigns set status = 'sending'
      where status = 'paused' and planned_at is not null and expires_at < now() returning id`,
  );
  return rows.map((row) => row.id);
}
