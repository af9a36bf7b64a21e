/**
 * What stands in PostgreSQL at a moment, for people: open campaigns, recipients without an outcome, orphans. Read by
 * the operator's command, as the service role. Reads counts that are kept, and never counts messages.
 */
import type { Pool } from 'pg';
import { accountSql } from '../account.ts';
import type { CampaignStatus, Id, Nature } from '../handoff.ts';

/** See the head of this file. */
export type RecordOverview = {
  /** Campaigns that are not over, by status; those without any are left out. */
  readonly campaigns: readonly { readonly status: CampaignStatus; readonly nature: Nature; readonly count: number }[];
  /** Recipients without an outcome of open campaigns, by the account that they were planned for. */
  readonly pending: readonly { readonly carrier: string; readonly nature: Nature; readonly recipients: number }[];
  /** Receipts whose submission is not known, by account. */
  readonly orphans: readonly { readonly carrier: string; readonly count: number }[];
};

const open = "('launched', 'sending', 'paused', 'cancelling')";

/** The overview now. */
export async function readRecordOverview(pool: Pool): Promise<RecordOverview> {
  const [campaigns, pending, orphans] = await Promise.all([
    pool.query<RecordOverview['campaigns'][number]>(
      `select status, nature, count(*)::int as count from campaigns
        where status in ${open} group by 1, 2 order by 1, 2`,
    ),
    pool.query<RecordOverview['pending'][number]>(
      `select s.carrier, c.nature, sum(greatest(0, s.recipients - coalesce(
          p.awaiting_receipt + p.delivered + p.failed + p.unknown + p.expired + p.cancelled, 0)))::float8 as recipients
        from campaigns c cross join lateral (
            select ${accountSql('carrier')} as carrier, sum(recipients) as recipients
            from campaign_carriers where campaign_id = c.id group by 1) s
          left join campaign_progress p on p.campaign_id = c.id and p.carrier = s.carrier
        where c.status in ${open} group by 1, 2`,
    ),
    pool.query<RecordOverview['orphans'][number]>(
      'select carrier, count(*)::int as count from orphan_receipts group by 1',
    ),
  ]);
  return { campaigns: campaigns.rows, pending: pending.rows, orphans: orphans.rows };
}

/** The organisation of a campaign; undefined when there is no such campaign. */
export async function organisationOf(pool: Pool, campaign: Id): Promise<Id | undefined> {
  const { rows } = await pool.query<{ organisation: Id }>(
    'select organisation_id as organisation from campaigns where id = $1',
    [campaign],
  );
  return rows[0]?.organisation;
}

/** Whether this role sees one organisation at a time, and so nothing of what an operator asks for. */
export async function isTenantRole(pool: Pool): Promise<boolean> {
  const { rows } = await pool.query<{ is: boolean }>("select current_user = 'tocsin_api' as is");
  return rows[0]?.is === true;
}
