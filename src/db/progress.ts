/**
 * Running counts of campaigns. The recorder adds to them in the transaction that writes the rows they count;
 * planner and API read them. Never counts rows.
 */
import type { ClientBase, Pool } from 'pg';
import type { Id, Progress, ProgressEvent } from '../handoff.ts';

/** What changed in one campaign on one carrier; every member is a difference. */
export type ProgressDelta = {
  readonly campaign: Id;
  readonly organisation: Id;
  submitted: number;
  awaitingReceipt: number;
  delivered: number;
  failed: number;
  unknown: number;
  expired: number;
  cancelled: number;
};

/** Adds differences to a carrier's counts. */
export async function addProgress(
  client: ClientBase,
  carrier: string,
  deltas: readonly ProgressDelta[],
): Promise<void> {
  if (deltas.length === 0) return;
  const column = (name: keyof ProgressDelta) => deltas.map((delta) => delta[name]);
  await client.query({
    name: 'progress-add',
    text: `insert into campaign_progress as p (carrier, campaign_id, organisation_id,
        submitted, awaiting_receipt, delivered, failed, unknown, expired, cancelled, updated_at)
      select $1, d.*, now() from unnest($2::bigint[], $3::bigint[],
        $4::int[], $5::int[], $6::int[], $7::int[], $8::int[], $9::int[], $10::int[]) as d order by 2
      on conflict (campaign_id, carrier) do update set
        submitted = p.submitted + excluded.submitted,
        awaiting_receipt = p.awaiting_receipt + excluded.awaiting_receipt,
        delivered = p.delivered + excluded.delivered, failed = p.failed + excluded.failed,
        unknown = p.unknown + excluded.unknown, expired = p.expired + excluded.expired,
        cancelled = p.cancelled + excluded.cancelled, updated_at = now()`,
    values: [
      carrier,
      ...(['campaign', 'organisation', 'submitted', 'awaitingReceipt', 'delivered', 'failed', 'unknown'] as const).map(
        column,
      ),
      column('expired'),
      column('cancelled'),
    ],
  });
}

type ProgressRow = Omit<Progress, 'pending'> & {
  readonly campaign: Id;
  readonly organisation: Id;
  readonly finished: boolean;
};

/** Counts of campaigns over all carriers, as events to publish. In a tenant's session: of its own campaigns only. */
export async function readProgress(client: ClientBase | Pool, campaigns: readonly Id[]): Promise<ProgressEvent[]> {
  const { rows } = await client.query<ProgressRow>({
    name: 'progress-read',
    text: `select c.id as campaign, c.organisation_id as organisation, c.recipients as planned,
        c.status in ('completed', 'cancelled') as finished,
        coalesce(sum(p.submitted), 0)::int as submitted, coalesce(sum(p.awaiting_receipt), 0)::int as "awaitingReceipt",
        coalesce(sum(p.delivered), 0)::int as delivered, coalesce(sum(p.failed), 0)::int as failed,
        coalesce(sum(p.unknown), 0)::int as unknown, coalesce(sum(p.expired), 0)::int as expired,
        coalesce(sum(p.cancelled), 0)::int as cancelled
      from campaigns c left join campaign_progress p on p.campaign_id = c.id
      where c.id = any($1::bigint[]) group by c.id`,
    values: [campaigns],
  });
  return rows.map(({ campaign, organisation, finished, ...counts }) => ({
    campaign,
    organisation,
    finished,
    progress: { ...counts, pending: pendingOf(counts) },
  }));
}

/** Messages without an outcome yet. */
function pendingOf(counts: Omit<Progress, 'pending'>): number {
  const { planned, awaitingReceipt, delivered, failed, unknown, expired, cancelled } = counts;
  return planned - awaitingReceipt - delivered - failed - unknown - expired - cancelled;
}
