/**
 * Rebuilds Redis after its data was lost: every open campaign's batches are compared with what is recorded, and
 * what is missing goes in again under the rules of src/record/restore.ts. Runs in the recorder process; one
 * in the cluster does it, under a lease. Stopping in the middle is safe: the next one goes on.
 *
 * Each carrier's data has a name, which PostgreSQL knows too; see names.ts.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { Database } from '../db/client.ts';
import { type Lease, releaseLease, takeLease } from '../db/leases.ts';
import { contentOf, fieldsOf, packedBatches } from '../db/plan.ts';
import {
  carriersOfCampaign,
  batchStandings,
  beginRestore,
  type BatchStanding,
  bumpAttempts,
  endRestore,
  type EnqueuedShare,
  enqueuedShares,
  lastRecordedMs,
  type LostShare,
  type OpenCampaign,
  openCampaigns,
} from '../db/reconcile.ts';
import { type Batch, type CampaignStatus, type Conveyor, type Enqueue } from '../handoff.ts';
import type { Log } from '../telemetry.ts';
import { goodNames, lookAtNames, type NameParts, type Names, restoringName } from './names.ts';
import { type CarrierReach, judge, Taken } from './restore.ts';
import { Stranded } from './stranded.ts';

/** What a reconciler is made of. */
export type ReconcilerOptions = {
  /** Name of this process, unlike every other's. */
  readonly owner: string;
  readonly database: Database;
  readonly conveyor: Conveyor;
  /** Carriers that are configured. */
  readonly carriers: readonly string[];
  readonly enqueue: Enqueue;
  readonly reachOf: (carrier: string) => CarrierReach;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly log: Log;
};

/** What one look found; `elsewhere`: another process restores, or this one was told to stop. */
export type Reconciled = 'good' | 'restored' | 'elsewhere';

const leaseName = 'reconcile';
const pageBatches = 100;
/** Every batch can have been sent. */
const everything = new Taken({ ratePerSecond: 0, recipientsInHandsMax: Number.POSITIVE_INFINITY }, 0);
/** Times that a batch is put into Redis again. */
const restoresMax = 4;
/** Clocks of Redis, PostgreSQL and ours may differ by this. */
const clockMarginMs = 2000;
const verbs: Readonly<Partial<Record<CampaignStatus, 'pause' | 'cancel'>>> = { paused: 'pause', cancelling: 'cancel' };

/** By carrier: the last moment by our monotonic clock of which every outcome that Redis had is recorded. */
export type RecordedThrough = ReadonlyMap<string, number>;

/**
 * Looks once, and restores what Redis lost: all its data, or the last batches that were put into it, as after
 * a power cut within its append-only file's second or a failover to a replica that was behind. `through`: what was so
 * before an earlier look that found everything good; without it only the last record says how far workers had got.
 * @throws Fault `fenced` when another process took the lease meanwhile, `postgres`, `redis`.
 */
export async function reconcile(
  options: ReconcilerOptions,
  signal: AbortSignal,
  stranded: Stranded = new Stranded(),
  through: RecordedThrough = new Map(),
): Promise<Reconciled> {
  const { database, owner, leaseMs } = options;
  const names = await lookAtNames(options);
  const { known } = names;
  const isGood = known.good.length > 0 && names.lost.length === 0;
  const lost = isGood ? await lostShares(options) : undefined;
  const left = lost?.length === 0 ? await stranded.shares(options) : [];
  if (lost?.length === 0 && left.length === 0) return 'good';
  const lease = await takeLease(database.pool, leaseName, owner, leaseMs);
  if (lease === undefined) return 'elsewhere';
  try {
    if (left.length > 0) return await restoreStranded(options, lease, left, signal);
    if (lost !== undefined) return await restoreShares(options, lease, known.good.join(' '), lost, signal);
    if (known.good.length === 0 && known.restoring === undefined) return await nameData(options, lease, names);
    return await restoreLost(options, lease, names, through, signal);
  } finally {
    await releaseLease(database.pool, lease);
  }
}

/** What a look finds in Redis, beside what PostgreSQL remembers. */
export type Comparison = {
  /** `unnamed`: nobody has looked yet. `restoring`: what was lost is going in at the moment. */
  readonly data: 'good' | 'lost' | 'restoring' | 'unnamed';
  /** Shares that Redis does not have. */
  readonly lost: readonly LostShare[];
  /** Shares of campaigns that would never end; see `Stranded`, which needs two looks to find them. */
  readonly stranded: readonly LostShare[];
};

/** Looks as `reconcile` does, and changes nothing. */
export async function compare(options: NameParts, stranded: Stranded): Promise<Comparison> {
  const { known, lost: gone, underWay } = await lookAtNames(options);
  if (known.good.length === 0 && known.restoring === undefined) return { data: 'unnamed', lost: [], stranded: [] };
  if (known.good.length === 0 || gone.length > 0) {
    const shares = (await sharesBeside(options.database, gone)).filter(({ carrier }) => gone.includes(carrier));
    return { data: underWay.length > 0 ? 'restoring' : 'lost', lost: shares, stranded: [] };
  }
  const lost = await lostShares(options);
  return { data: 'good', lost, stranded: lost.length === 0 ? await stranded.shares(options) : [] };
}

/** The first look of all: whatever is in Redis is good. */
async function nameData(
  { conveyor, database }: ReconcilerOptions,
  lease: Lease,
  { found }: Names,
): Promise<Reconciled> {
  const epoch = [...found.values()].find((name) => name !== undefined) ?? randomUUID();
  for (const carrier of found.keys()) await conveyor.setEpoch(carrier, epoch);
  await endRestore(database, lease, [epoch]);
  return 'good';
}

/** Restores the carriers whose data is gone; first those that somebody has begun with. */
async function restoreLost(
  options: ReconcilerOptions,
  lease: Lease,
  names: Names,
  through: RecordedThrough,
  signal: AbortSignal,
): Promise<Reconciled> {
  const { database, conveyor, log } = options;
  const { known, lost, underWay } = names;
  const isUnderWay = underWay.length > 0;
  const carriers = isUnderWay ? underWay : lost;
  const shares = await sharesBeside(database, carriers);
  const [good] = known.good;
  if (!isUnderWay && shares.length === 0 && good !== undefined) {
    // They are new, or nothing of theirs is left to send.
    for (const carrier of carriers) await conveyor.setEpoch(carrier, good);
    return 'good';
  }
  const epoch = isUnderWay ? (known.restoring as string) : randomUUID();
  log.warn('reconcile.redis.lost', { again: isUnderWay, carriers: carriers.join(' ') });
  if (!isUnderWay) {
    await beginRestore(database, lease, epoch);
    for (const carrier of carriers) await conveyor.setEpoch(carrier, restoringName(epoch));
  }
  const done = await restoreShares(options, lease, epoch, shares, signal, through, new Set(carriers));
  if (done !== 'restored') return done;
  for (const carrier of carriers) await conveyor.setEpoch(carrier, epoch);
  await endRestore(database, lease, goodNames(names, epoch));
  return done;
}

/** Shares of every campaign that one of `carriers` has something of: another one may have given it some. */
async function sharesBeside({ pool }: Database, carriers: readonly string[]): Promise<LostShare[]> {
  const shares: LostShare[] = [];
  for (const campaign of await openCampaigns(pool)) {
    const all = await carriersOfCampaign(pool, campaign.id);
    if (!all.some((carrier) => carriers.includes(carrier))) continue;
    for (const share of await enqueuedShares(pool, campaign.id)) shares.push({ ...share, campaign });
  }
  return shares;
}

/** Batches that PostgreSQL remembers as enqueued and Redis does not know. */
async function lostShares({
  database,
  conveyor,
}: Pick<ReconcilerOptions, 'database' | 'conveyor'>): Promise<LostShare[]> {
  const lost: LostShare[] = [];
  for (const campaign of await openCampaigns(database.pool)) {
    for (const share of await enqueuedShares(database.pool, campaign.id)) {
      const last = await conveyor.lastBatch(share.carrier, campaign.id);
      if (last < share.through) lost.push({ ...share, from: Math.max(share.from, last + 1), campaign });
    }
  }
  return lost;
}

/** Every batch of these was taken, and what has no outcome may have been sent. */
async function restoreStranded(
  options: ReconcilerOptions,
  lease: Lease,
  shares: readonly LostShare[],
  signal: AbortSignal,
): Promise<Reconciled> {
  // A name of its own: what an earlier restore put in again is no reason to do so once more.
  const mark = `stranded:${randomUUID()}`;
  for (const share of shares) {
    options.log.warn('reconcile.campaign.stranded', { campaign: share.campaign.id, carrier: share.carrier });
    await restoreShare(options, lease, mark, share.campaign, share, everything, signal);
    if (signal.aborted) return 'elsewhere';
  }
  return 'restored';
}

async function restoreShares(
  options: ReconcilerOptions,
  lease: Lease,
  epoch: string,
  shares: readonly LostShare[],
  signal: AbortSignal,
  // Data that only fell back may have lost outcomes of before that moment, so then it counts for nothing.
  through: RecordedThrough = new Map(),
  lost?: ReadonlySet<string>,
): Promise<Reconciled> {
  const recorded = await lastRecordedMs(options.database.pool);
  const { clock } = options;
  for (const share of shares) {
    const { carrier, campaign } = share;
    const recordedMs = Math.max(recorded.get(carrier) ?? 0, campaign.plannedAtMs) - clockMarginMs;
    const sinceMs = Math.min(
      clock.nowMs() - recordedMs,
      clock.monotonicMs() - (through.get(carrier) ?? Number.NEGATIVE_INFINITY),
    );
    const taken = new Taken(options.reachOf(carrier), sinceMs);
    await restoreShare(options, lease, epoch, campaign, share, taken, signal, lost);
    if (signal.aborted) return 'elsewhere';
  }
  return 'restored';
}

/** `lost`: what is at other carriers is there, and left alone; all of them when absent. */
async function restoreShare(
  options: ReconcilerOptions,
  lease: Lease,
  epoch: string,
  campaign: OpenCampaign,
  share: EnqueuedShare,
  taken: Taken,
  signal: AbortSignal,
  lost?: ReadonlySet<string>,
): Promise<void> {
  const { database, enqueue, conveyor, log } = options;
  const { carrier } = share;
  const verb = verbs[campaign.status];
  if (verb !== undefined)
    for (const name of await carriersOfCampaign(database.pool, campaign.id))
      await enqueue.control(name, campaign.id, verb);
  for (let from = share.from; from <= share.through; from += pageBatches) {
    await takeLease(database.pool, lease.name, lease.owner, options.leaseMs);
    const through = Math.min(from + pageBatches - 1, share.through);
    const standings = await batchStandings(database.pool, campaign.id, from, through);
    const again: Again = new Map();
    let unknown = 0;
    for (const standing of standings) {
      const isJudged = standing.restored === epoch;
      // What a carrier gave up may have been sent by the next one, whose pace says nothing of this share.
      const bound = standing.movedTo.size > 0 ? everything : taken;
      const judged = judge(
        campaign.nature,
        standing.states,
        isJudged ? undefined : bound,
        leftAlone(carrier, standing, lost),
      );
      if (judged.kind === 'complete') continue;
      // What goes in again and again without an outcome is itself at fault.
      const isHopeless = judged.kind === 'again' && !isJudged && standing.restores >= restoresMax;
      const isAgain = judged.kind === 'again' && !isHopeless;
      if (!isAgain) unknown += 1;
      for (const [at, only] of byCarrier(carrier, standing, judged.only)) {
        if (isAgain) again.set(at, (again.get(at) ?? new Map<number, readonly number[]>()).set(standing.number, only));
        else await settleUnknown(options, campaign, at, standing, only);
      }
    }
    await enqueueAgain(options, lease, epoch, campaign, again, signal);
    if (signal.aborted) return;
    const batches = [...again.values()].reduce((sum, of) => sum + of.size, 0);
    log.info('reconcile.share', { campaign: campaign.id, carrier, from, through, again: batches, unknown });
  }
  if (lost?.has(carrier) !== false) await conveyor.raiseLastBatch(carrier, campaign.id, share.through);
}

/** Places of a batch that are on their way to another carrier, or at one that lost nothing. */
function leftAlone(
  planned: string,
  { waiting, movedTo, recipients }: BatchStanding,
  lost: ReadonlySet<string> | undefined,
): ReadonlySet<number> {
  if (lost === undefined) return waiting;
  const places = new Set(waiting);
  for (let index = 0; index < recipients; index += 1) if (!lost.has(movedTo.get(index) ?? planned)) places.add(index);
  return places;
}

/** What goes in again: of which batches which places, by carrier. */
type Again = Map<string, Map<number, readonly number[]>>;

/** Each place at the carrier that had it last: it would be counted at two, were it settled or sent at another. */
function byCarrier(
  planned: string,
  { movedTo }: BatchStanding,
  indexes: readonly number[],
): ReadonlyMap<string, readonly number[]> {
  const places = new Map<string, number[]>();
  for (const index of indexes) {
    const carrier = movedTo.get(index) ?? planned;
    const known = places.get(carrier);
    if (known === undefined) places.set(carrier, [index]);
    else known.push(index);
  }
  return places;
}

async function settleUnknown(
  { conveyor, clock }: ReconcilerOptions,
  { id, organisation }: OpenCampaign,
  carrier: string,
  { number, attempt, firstOrdinal }: BatchStanding,
  indexes: readonly number[],
): Promise<void> {
  const header = { campaign: id, organisation, batch: number, attempt, firstOrdinal, atMs: clock.nowMs() };
  await conveyor.settle(carrier, header, indexes, 'unknown');
}

async function enqueueAgain(
  { database, enqueue }: ReconcilerOptions,
  lease: Lease,
  epoch: string,
  campaign: OpenCampaign,
  again: Again,
  signal: AbortSignal,
): Promise<void> {
  if (again.size === 0) return;
  const numbers = [...new Set([...again.values()].flatMap((of) => [...of.keys()]))];
  const content = contentOf(campaign, fieldsOf(campaign.contents));
  // Opened before the lease is asked for: one that stood still may come after the campaign is over.
  for (const carrier of again.keys()) await enqueue.open(carrier, content);
  const attempts = await bumpAttempts(database, lease, campaign.id, numbers, epoch);
  const range = { from: Math.min(...numbers), through: Math.max(...numbers), settleOnly: false };
  const packed = await packedBatches(database.pool, campaign, range);
  for (const [carrier, of] of again) {
    const batches = packed.flatMap((batch): Batch[] => {
      const only = of.get(batch.number);
      const attempt = attempts.get(batch.number);
      if (only === undefined || attempt === undefined) return [];
      return [{ ...batch, attempt, ...(only.length === batch.recipients ? {} : { only }) }];
    });
    await enqueue.enqueue(carrier, content, batches, signal);
  }
}
