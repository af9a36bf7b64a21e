/**
 * Gives messages to the next carrier of their route that theirs gave up because it is away. Runs in the planner
 * process; several may work side by side, and each may be killed at any moment: what goes in twice changes nothing.
 */
import type { Clock } from '../clock.ts';
import type { Database } from '../db/client.ts';
import { contentOf, fieldsOf, packedBatches, type PlannedCampaign } from '../db/plan.ts';
import { beginReroutes, campaignToReroute, endReroutes, joinCarrier, type Reroute } from '../db/reroutes.ts';
import { type Batch, type Enqueue, lanes, type Nature, recordSeparator, unitSeparator } from '../handoff.ts';
import type { Service } from '../service.ts';
import type { Log } from '../telemetry.ts';
import { tellStanding } from './launch.ts';
import { Loop } from './loop.ts';
import { routeOf, type RouteEntry } from './route.ts';

/** What rerouting needs. */
export type RerouteParts = {
  readonly database: Database;
  readonly enqueue: Enqueue;
  /** Prefixes and carriers as they stand now. */
  readonly routes: () => readonly RouteEntry[];
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

/** Gives away a page of what waits of a campaign. */
async function reroutePage(parts: RerouteParts, campaign: PlannedCampaign, signal: AbortSignal): Promise<void> {
  const { database, enqueue, log } = parts;
  const { pool } = database;
  const waiting = await beginReroutes(pool, campaign.id, pageBatches);
  const numbers = waiting.map((reroute) => reroute.batch);
  const range = { from: Math.min(...numbers), through: Math.max(...numbers), settleOnly: false };
  const batches = new Map((await packedBatches(pool, campaign, range)).map((batch) => [batch.number, batch]));
  const content = contentOf(campaign, fieldsOf(campaign.contents));
  const targets = divide(waiting, batches, parts.routes());
  for (const carrier of targets.keys()) await joinCarrier(pool, campaign, carrier);
  // A carrier that joins hears first of a pause or a cancellation.
  await tellStanding(parts, campaign.id, ['paused', 'cancelling']);
  for (const [carrier, given] of targets) {
    const added = await enqueue.enqueue(carrier, content, given, { last: false, signal });
    if (added < given.length) return;
  }
  await endReroutes(
    pool,
    waiting.map((reroute) => reroute.id),
  );
  log.warn('campaign.rerouted', { campaign: campaign.id, batches: waiting.length, to: [...targets.keys()].join(' ') });
}

/**
 * What each carrier is given: of each batch the places whose address it serves now, in order of numbers and attempts.
 * An address that nobody serves any more stays with its carrier. Pure.
 */
export function divide(
  waiting: readonly Reroute[],
  batches: ReadonlyMap<number, Batch>,
  routes: readonly RouteEntry[],
): Map<string, Batch[]> {
  const targets = new Map<string, Batch[]>();
  for (const { batch: number, carrier, indexes, attempt } of waiting) {
    const batch = batches.get(number);
    if (batch === undefined) continue;
    const addresses = batch.packed.toString().split(recordSeparator);
    const shares = new Map<string, number[]>();
    for (const index of indexes.toSorted((a, b) => a - b)) {
      const [address = ''] = addresses[index]?.split(unitSeparator) ?? [];
      const target = routeOf(routes, address)?.carrier ?? carrier;
      const share = shares.get(target);
      if (share === undefined) shares.set(target, [index]);
      else share.push(index);
    }
    for (const [target, only] of shares) {
      const given = targets.get(target) ?? [];
      targets.set(target, given);
      given.push({ ...batch, attempt, ...(only.length === batch.recipients ? {} : { only }) });
    }
  }
  return targets;
}
