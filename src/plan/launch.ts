/**
 * The way of one launched campaign into Redis: freeze its recipients, then put each carrier's batches into
 * its stream, from where the last planner stopped. Runs in the planner. Everything here may be done again
 * by another planner after a crash without anybody being sent to twice.
 */
import type { Clock } from '../clock.ts';
import type { RecipientField, Route } from '../db/audience.ts';
import type { Database } from '../db/client.ts';
import { isFinished } from '../db/finish.ts';
import { ensureWeek, isPartitionMissing, weekOf } from '../db/partitions.ts';
import {
  type CarrierShare,
  carrierShares,
  checkpoint,
  type ClaimedCampaign,
  contentOf,
  countUnreached,
  fieldsOf,
  type Frozen,
  freeze,
  isKnownEpoch,
  lockStanding,
  packedBatches,
  pageStanding,
} from '../db/plan.ts';
import { readProgress } from '../db/progress.ts';
import { Fault } from '../fault.ts';
import type { CampaignContent, CampaignStatus, Enqueue, Id, Nature, PublishProgress } from '../handoff.ts';
import type { Log } from '../telemetry.ts';
import { noTracer, type Span, type Tracer } from '../tracing.ts';
import type { TurnKind, Turns } from './turns.ts';

/** What a launch needs. */
export type LaunchParts = {
  readonly database: Database;
  readonly enqueue: Enqueue;
  readonly publish: PublishProgress;
  readonly clock: Clock;
  readonly log: Log;
  /** Prefixes and carriers as they stand now. */
  routes(): readonly Route[];
  batchRecipients(account: string): number;
  /** Whose streams an account's batches go into at the moment, in turn. */
  readonly shardsOf: (account: string) => readonly string[];
  /** Hears how long a campaign took to be frozen, for metrics. */
  readonly frozen?: ((nature: Nature, ms: number) => void) | undefined;
  readonly tracer?: Tracer | undefined;
  /** Turns at PostgreSQL, of which there are few; waiting for room in Redis takes none. */
  readonly turns: Turns;
};

/** Batches that are read, handed over and remembered at once. */
const pageBatches = 64;
/** A campaign for no more is small. */
const smallResidents = 1_000;
/** About as long as it takes to freeze a recipient, and several times that when many launch at once. */
const frozenMs = 0.1;
/** For so long whoever launches goes ahead of the count of whom a campaign does not reach. */
const countedAfterMs = 10_000;

/** Freezes and enqueues a campaign; true when all its batches are in Redis. `signal` ends it between batches. */
export async function launch(parts: LaunchParts, campaign: ClaimedCampaign, signal: AbortSignal): Promise<boolean> {
  const fields = fieldsOf(campaign.contents);
  if (!campaign.planned) {
    const startedMs = parts.clock.monotonicMs();
    // One of many residents lets those go ahead that come within the time that it takes, and no later ones.
    const dueMs = startedMs + campaign.residentsAtMost * frozenMs;
    const span = spanOf(parts, 'plan.freeze', campaign);
    const frozen = await parts.turns.take(kindOf(campaign), dueMs, async () =>
      signal.aborted ? undefined : freezeInItsWeek(parts, campaign, fields),
    );
    span.end(frozen?.kind === 'frozen' ? { 'tocsin.recipients': frozen.recipients } : {});
    if (frozen?.kind !== 'frozen') return false;
    const ms = Math.round(parts.clock.monotonicMs() - startedMs);
    parts.frozen?.(campaign.nature, ms);
    parts.log.info('campaign.planned', { campaign: campaign.id, recipients: frozen.recipients, ms });
  }
  const [shares] = await Promise.all([
    carrierShares(parts.database.pool, campaign.id),
    tellStanding(parts, campaign.id, ['paused', 'cancelling']),
  ]);
  const [done, isCounted] = await Promise.all([
    Promise.all(shares.map((share) => enqueueTraced(parts, campaign, fields, share, signal))),
    count(parts, campaign, signal),
    // Nobody who waits for an alert waits for this.
    campaign.planned ? undefined : publishProgress(parts, campaign.id),
  ]);
  return isCounted && done.every(Boolean);
}

/** A draft of a week that retention has dropped meanwhile finds no partition, so its week is made once more. */
async function freezeInItsWeek(
  parts: LaunchParts,
  campaign: ClaimedCampaign,
  fields: readonly RecipientField[],
): Promise<Frozen> {
  const cutting = { ...parts, routes: parts.routes(), fields };
  try {
    return await freeze(parts.database, campaign, cutting);
  } catch (error) {
    if (!isPartitionMissing(error)) throw error;
    await ensureWeek(parts.database.pool, weekOf(campaign.id));
    return await freeze(parts.database, campaign, cutting);
  }
}

/**
 * Counts whom the campaign does not reach; false when there was no time to. Never in a turn of alerts, not even for
 * one: the next alert would wait for it.
 */
async function count(parts: LaunchParts, campaign: ClaimedCampaign, signal: AbortSignal): Promise<boolean> {
  if (campaign.counted) return true;
  return await parts.turns.take(sizeOf(campaign), parts.clock.monotonicMs() + countedAfterMs, async () => {
    if (signal.aborted) return false;
    await countUnreached(parts.database.pool, campaign);
    return true;
  });
}

function spanOf({ tracer = noTracer }: LaunchParts, name: string, { id, nature, traceParent }: ClaimedCampaign): Span {
  return tracer.child(name, traceParent ?? undefined, { 'tocsin.campaign': id, 'tocsin.lane': nature });
}

function kindOf(campaign: ClaimedCampaign): TurnKind {
  return campaign.nature === 'alert' ? 'alert' : sizeOf(campaign);
}

function sizeOf({ residentsAtMost }: ClaimedCampaign): 'small' | 'large' {
  return residentsAtMost <= smallResidents ? 'small' : 'large';
}

async function publishProgress({ database, publish }: LaunchParts, campaign: Id): Promise<void> {
  await publish(await readProgress(database.pool, [campaign]));
}

async function enqueueTraced(
  parts: LaunchParts,
  campaign: ClaimedCampaign,
  fields: readonly RecipientField[],
  share: CarrierShare,
  signal: AbortSignal,
): Promise<boolean> {
  const span = spanOf(parts, 'plan.enqueue', campaign);
  const { traceParent } = span;
  const content = { ...contentOf(campaign, fields), ...(traceParent === undefined ? {} : { traceParent }) };
  try {
    return await enqueueShare(parts, campaign, content, share, signal);
  } finally {
    span.end({ 'tocsin.carrier': share.carrier });
  }
}

async function enqueueShare(
  parts: LaunchParts,
  campaign: ClaimedCampaign,
  content: CampaignContent,
  share: CarrierShare,
  signal: AbortSignal,
): Promise<boolean> {
  const { pool } = parts.database;
  const kind = kindOf(campaign);
  let next = share.next;
  if (next > share.last) return true;
  // Opened before anything is asked of PostgreSQL: a planner that stood still may come after the campaign is over.
  const epoch = await parts.enqueue.open(share.carrier, content);
  while (next <= share.last && !signal.aborted) {
    const through = Math.min(next + pageBatches - 1, share.last);
    const { batches, page } = await parts.turns.take(
      kind === 'large' ? 'page' : kind,
      parts.clock.monotonicMs(),
      async () => {
        const page = await pageStanding(pool, campaign.id);
        return {
          page,
          batches: await packedBatches(pool, campaign, { from: next, through, settleOnly: page.settleOnly }),
        };
      },
    );
    if (page.isEnqueued) {
      await closeAgain(parts, campaign.id, [share.carrier]);
      return false;
    }
    // What went into data that nobody has named yet would go in once more when they are restored.
    if (!isKnownEpoch(page.epochs, epoch)) throw new Fault('redis', 'Redis lost its data and is not restored yet');
    const added = await parts.enqueue.enqueue(share.carrier, content, batches, signal);
    if (added > 0 && (await checkpoint(pool, campaign.id, share.carrier, next + added - 1, page.epochs))) next += added;
  }
  return next > share.last;
}

/** Closes what was opened for a campaign that turned out to be over. */
export async function closeAgain(
  { database, enqueue }: Pick<LaunchParts, 'database' | 'enqueue'>,
  campaign: Id,
  carriers: Iterable<string>,
): Promise<void> {
  if (!(await isFinished(database.pool, campaign))) return;
  for (const carrier of carriers) await enqueue.close(carrier, campaign);
}

const verbs: Readonly<Partial<Record<CampaignStatus, 'pause' | 'resume' | 'cancel'>>> = {
  sending: 'resume',
  paused: 'pause',
  cancelling: 'cancel',
};

/**
 * Tells a campaign's carriers how it stands, if that is one of `told`. The row stays locked meanwhile, so that
 * of two planners the one with the later word speaks last.
 */
export async function tellStanding(
  parts: Pick<LaunchParts, 'database' | 'enqueue'>,
  campaign: Id,
  told: readonly CampaignStatus[] = ['sending', 'paused', 'cancelling'],
): Promise<void> {
  await parts.database.service(async ({ client }) => {
    const standing = await lockStanding(client, campaign);
    const verb = standing === undefined || !told.includes(standing.status) ? undefined : verbs[standing.status];
    if (verb === undefined) return;
    await Promise.all(standing?.carriers.map((carrier) => parts.enqueue.control(carrier, campaign, verb)) ?? []);
  });
}
