/** Where a campaign stands, as its organisation sees it. API process; scope: an organisation. Never counts rows. */
import { accountSql } from '../account.ts';
import type { CampaignStatus, Id, Progress } from '../handoff.ts';
import type { Run, Statement } from './scope.ts';

/** Counts of a campaign on one carrier. */
export type CarrierProgress = { readonly carrier: string } & Progress;

/** Counts of a campaign with its status. */
export type CampaignProgress = { readonly campaign: Id; readonly status: CampaignStatus } & Progress;

const counts = (of: (column: string) => string) => `${of('submitted')} as submitted,
  ${of('awaiting_receipt')} as "awaitingReceipt", ${of('delivered')} as delivered, ${of('failed')} as failed,
  ${of('unknown')} as unknown, ${of('expired')} as expired, ${of('cancelled')} as cancelled`;

const selectProgress: Statement = {
  name: 'campaign_progress_read',
  plannedOnce: true,
  text: `select c.id as campaign, c.status, c.recipients as planned, p.* from campaigns c, lateral (
      select ${counts((column) => `coalesce(sum(${column}), 0)::int`)}
      from campaign_progress where campaign_id = c.id) p
    where c.id = $1`,
};

/** Counts of a campaign over all carriers, or undefined when there is no such campaign. */
export async function readCampaignProgress(run: Run, id: Id): Promise<CampaignProgress | undefined> {
  const [row] = await run<Omit<CampaignProgress, 'pending'>>(selectProgress, [id]);
  return row === undefined ? undefined : { ...row, pending: pendingOf(row) };
}

const selectByCarrier: Statement = {
  name: 'campaign_progress_by_carrier',
  text: `select s.carrier, s.recipients as planned, ${counts((column) => `coalesce(p.${column}, 0)`)}
    from (select ${accountSql('carrier')} as carrier, sum(recipients)::int as recipients from campaign_carriers
        where campaign_id = $1 group by 1) s
      left join campaign_progress p on p.campaign_id = $1 and p.carrier = s.carrier
    order by s.carrier`,
};

/** Counts of a campaign by the carrier that its recipients were planned for. */
export async function readCarrierProgress(run: Run, id: Id): Promise<CarrierProgress[]> {
  const rows = await run<Omit<CarrierProgress, 'pending'>>(selectByCarrier, [id]);
  return rows.map((row) => ({ ...row, pending: pendingOf(row) }));
}

/** Messages without an outcome yet. Messages that another carrier took over count there, not where planned. */
function pendingOf(counts: Omit<Progress, 'pending'>): number {
  const { planned, awaitingReceipt, delivered, failed, unknown, expired, cancelled } = counts;
  return Math.max(0, planned - awaitingReceipt - delivered - failed - unknown - expired - cancelled);
}

const selectRefusals: Statement = {
  name: 'campaign_refusals',
  text: `select carrier, command_status as "commandStatus", count(*)::int as segments from submissions
    where campaign_id = $1 and outcome = 2 group by carrier, command_status order by segments desc, carrier limit 50`,
};

/** Segments that a carrier rejected, by its command_status as signed 32 bits. Reads the campaign's submissions. */
export function readRefusals(
  run: Run,
  id: Id,
): Promise<{ carrier: string; commandStatus: number; segments: number }[]> {
  return run(selectRefusals, [id]);
}
