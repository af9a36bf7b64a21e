/**
 * What one transaction of an account's recorder writes: rows, states, counts, orphans and the offsets, all or
 * nothing. Runs on the recorder's main thread. Decides nothing: src/record/book.ts has filled it.
 */
import type { Database } from '../db/client.ts';
import { segmentStates } from '../db/fold.ts';
import { addProgress, type ProgressDelta } from '../db/progress.ts';
import {
  addInbound,
  addOrphans,
  advance,
  deleteOrphans,
  type OrphanReceipt,
  type RecorderLease,
  writeStates,
} from '../db/record.ts';
import type { RecordRows } from '../db/record-rows.ts';
import { holdEpochs } from '../db/reconcile.ts';
import { addReroutes, type GivenUp } from '../db/reroutes.ts';
import type { AccountOffsets, Id, InboundMessage } from '../handoff.ts';
import type { CampaignDelta, Changes } from './states.ts';

/** What a carrier or shard gave up, and the entry of its outcomes that says so. */
export type GivenUpEntry = GivenUp & { readonly entry: string };

/** What of a page belongs to a trace, and below which span. */
export type TracedPart = { readonly name: 'record.outcomes' | 'record.receipt'; readonly parent: string };

/** See the head of this file. */
export type Page = {
  /** Offsets once it is committed. */
  readonly through: AccountOffsets;
  readonly rows: RecordRows;
  readonly changes: Changes;
  /** Message ids whose orphans found their submission. */
  readonly adopted: readonly string[];
  readonly orphans: readonly OrphanReceipt[];
  /** Messages that wait for another carrier from now on. */
  readonly givenUp: readonly GivenUpEntry[];
  readonly inbound: readonly (InboundMessage & { readonly receivedAtMs: number })[];
  readonly traced: readonly TracedPart[];
};

/** What one page wrote. */
export type Flushed = {
  readonly rows: number;
  readonly orphaned: number;
  /** Campaigns whose counts changed. */
  readonly campaigns: readonly Id[];
};

/**
 * Writes a page in one transaction. What was given up counts only while Redis's data are those of `epochs`: when they
 * were lost since, whoever restores them looks after it, and must not find it here afterwards.
 * @throws Fault `fenced` when the account is another recorder's, `postgres`.
 */
export async function writePage(
  database: Database,
  lease: RecorderLease,
  { through, rows, changes, adopted, orphans, givenUp, inbound }: Page,
  { leaseMs, epochs }: { readonly leaseMs: number; readonly epochs: string },
): Promise<Flushed> {
  const { account } = lease;
  const written = await database.service(async ({ client }) => {
    await advance(client, lease, through, leaseMs);
    const count = await rows.send(client);
    await deleteOrphans(client, account, adopted);
    await addOrphans(client, account, orphans);
    if (givenUp.length > 0 && (await holdEpochs(client)) === epochs) await addReroutes(client, givenUp);
    await addInbound(client, account, inbound);
    await writeStates(client, account, changes.rows);
    await addProgress(client, account, changes.deltas.map(progressDelta));
    return count;
  });
  return { rows: written, orphaned: orphans.length, campaigns: changes.deltas.map((delta) => delta.campaign) };
}

/** Counts by segment state as counts by message state: a message stands where its lowest segment stands. */
function progressDelta({ campaign, organisation, counts }: CampaignDelta): ProgressDelta {
  const of = (...states: readonly (keyof typeof segmentStates)[]) =>
    states.reduce((sum, state) => sum + (counts[segmentStates[state]] ?? 0), 0);
  return {
    campaign,
    organisation,
    submitted: of('accepted', 'undelivered', 'delivered'),
    awaitingReceipt: of('accepted'),
    delivered: of('delivered'),
    failed: of('rejected', 'undelivered'),
    unknown: of('unknown'),
    expired: of('expired'),
    cancelled: of('cancelled'),
  };
}
