/**
 * Gives messages to the next carrier of their route that theirs gave up because it is away. Runs in the planner
 * process; several may work side by side, and each may be killed at any moment: what goes in twice changes nothing.
 */
import assert from 'node:assert';
import { accountOf, dealt } from '../account.ts';
import type { Clock } from '../clock.ts';
import type { Database } from '../db/client.ts';
import {
  contentOf,
  fieldsOf,
  isKnownEpoch,
  packedBatchesOf,
  type PlannedCampaign,
  readEpochNames,
} from '../db/plan.ts';
import {
  campaignToReroute,
  decidedReroutes,
  type Decision,
  decideReroutes,
  dropReroutes,
  dropReroutesOf,
  endReroutes,
  type GivenUp,
  joinCarrier,
  type Reroute,
  waitingReroutes,
  type Waiting,
} from '../db/reroutes.ts';
import { Fault } from '../fault.ts';
import { type Batch, type Enqueue, lanes, type Nature, recordSeparator, unitSeparator } from '../handoff.ts';
import type { Service } from '../service.ts';
import type { Log } from '../telemetry.ts';
import { closeAgain, tellStanding } from './launch.ts';
import { Loop } from '../loop.ts';
import { routeOf, type RouteEntry } from './route.ts';

/** What rerouting needs. */
export type RerouteParts = {
  readonly database: Database;
  readonly enqueue: Enqueue;
  /** Prefixes and carriers as they stand now. */
  readonly routes: () => readonly RouteEntry[];
  /** Whose streams an account's batches go into at the moment, in turn; no account is divided when absent. */
  readonly shardsOf?: (account: string) => readonly string[];
  readonly clock: Clock;
  readonly log: Log;
};

const lookMs = 500;
/** Batches that are given away at once. */
const pageBatches = 50;

/** See the head of this file. Alerts and information have a loop each: information may wait for room. */
export class Rerouter implements Service {
  readonly name = 'reroute';
  readonly #parts: RerouteParts;
  readonly #loops: readonly Loop[];
  readonly #abort = new AbortController();

  constructor(parts: RerouteParts) {
    this.#parts = parts;
    const { clock, log } = parts;
    this.#loops = lanes.map(
      (nature) =>
        new Loop({ name: `reroute ${nature}`, pauseMs: lookMs, action: () => this.#look(nature), clock, log }),
    );
  }

  /** Begins to look. */
  async start(): Promise<void> {
    for (const loop of this.#loops) loop.start();
  }

  /** Ends between two pages. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await Promise.all(this.#loops.map((loop) => loop.stop()));
  }

  async #look(nature: Nature): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const campaign = await campaignToReroute(this.#parts.database.pool, nature);
      if (campaign === undefined) return;
      await reroutePage(this.#parts, campaign, signal);
    }
  }
}

/** Decides about a page of what waits of a campaign, and gives away all that is decided. */
async function reroutePage(parts: RerouteParts, campaign: PlannedCampaign, signal: AbortSignal): Promise<void> {
  const { database, enqueue, log } = parts;
  const { pool } = database;
  if (isOver(campaign)) return await dropReroutesOf(pool, campaign.id);
  await decidePage(parts, campaign);
  const content = contentOf(campaign, fieldsOf(campaign.contents));
  const targets = new Set((await decidedReroutes(pool, campaign.id)).map(({ target }) => target));
  for (const carrier of targets) await joinCarrier(pool, campaign, carrier);
  // A carrier that joins hears first of a pause or a cancellation.
  await tellStanding(parts, campaign.id, ['paused', 'cancelling']);
  const epochs = await readEpochNames(pool);
  for (const carrier of targets) {
    if (!isKnownEpoch(epochs, await enqueue.open(carrier, content)))
      throw new Fault('redis', 'Redis lost its data and is not restored yet');
  }
  // Asked again now that they are open: a planner that stood still may come after all is sent and over.
  const decided = (await decidedReroutes(pool, campaign.id)).filter(({ target }) => targets.has(target));
  if (decided.length === 0) return await closeAgain(parts, campaign.id, targets);
  const batches = await batchesOf(pool, campaign, decided);
  for (const carrier of targets) {
    const given = decided.filter(({ target }) => target === carrier).map((reroute) => batchOf(reroute, batches));
    const added = await enqueue.enqueue(carrier, content, given, signal);
    if (added < given.length) return;
  }
  await endReroutes(
    pool,
    decided.map((reroute) => reroute.id),
    epochs,
  );
  log.warn('campaign.rerouted', { campaign: campaign.id, batches: decided.length, to: [...targets].join(' ') });
}

function isOver({ status }: PlannedCampaign): boolean {
  return status === 'completed' || status === 'cancelled';
}

async function decidePage(parts: RerouteParts, campaign: PlannedCampaign): Promise<void> {
  const { pool } = parts.database;
  const waiting = await waitingReroutes(pool, campaign.id, pageBatches);
  const decisions = divide(waiting, await batchesOf(pool, campaign, waiting), parts.routes(), parts.shardsOf);
  await decideReroutes(pool, campaign.id, decisions);
  // Of a batch that is not there any more nothing can be given to anybody.
  const decided = new Set(decisions.map(({ id }) => id));
  await dropReroutes(
    pool,
    waiting.map(({ id }) => id).filter((id) => !decided.has(id)),
  );
}

/** The batches of what was given up, as they were planned. */
async function batchesOf(
  pool: Database['pool'],
  campaign: PlannedCampaign,
  givenUp: readonly Pick<GivenUp, 'batch'>[],
): Promise<ReadonlyMap<number, Batch>> {
  if (givenUp.length === 0) return new Map();
  const numbers = givenUp.map(({ batch }) => batch);
  return new Map((await packedBatchesOf(pool, campaign, numbers)).map((batch) => [batch.number, batch]));
}

function batchOf({ batch: number, indexes, attempt }: Reroute, batches: ReadonlyMap<number, Batch>): Batch {
  const batch = batches.get(number);
  assert(batch !== undefined, 'what was given up belongs to a batch');
  return { ...batch, attempt, ...(indexes.length === batch.recipients ? {} : { only: indexes }) };
}

/**
 * Which places go to which carrier: to a shard of the account that serves their address now. An address that nobody
 * serves any more stays with its account. Pure.
 */
export function divide(
  waiting: readonly Waiting[],
  batches: ReadonlyMap<number, Batch>,
  routes: readonly RouteEntry[],
  shardsOf: (account: string) => readonly string[] = (account) => [account],
): Decision[] {
  return waiting.flatMap(({ id, campaign, batch, carrier, indexes }) => {
    const addresses = batches.get(batch)?.packed.toString().split(recordSeparator);
    if (addresses === undefined) return [];
    const shares = new Map<string, number[]>();
    for (const index of indexes.toSorted((a, b) => a - b)) {
      const [address = ''] = addresses[index]?.split(unitSeparator) ?? [];
      const account = routeOf(routes, address)?.carrier ?? accountOf(carrier);
      const target = dealt(shardsOf(account), campaign, batch) ?? carrier;
      const share = shares.get(target);
      if (share === undefined) shares.set(target, [index]);
      else share.push(index);
    }
    return [...shares].map(([target, share]) => ({ id, target, indexes: share }));
  });
}
