/**
 * The planner: takes launched campaigns, freezes them, puts their batches into Redis, passes on pause, resume and
 * cancel, and ends campaigns that are done. Runs on the main thread of the planner process; any number of
 * planners work side by side. PostgreSQL is the truth: commands only say "look", and a sweep finds what
 * a lost command or a dead planner left. Never reads or writes a message.
 */
import type { Clock } from '../clock.ts';
import type { Database } from '../db/client.ts';
import { doneCampaigns, finishCampaigns, finishUnplanned, wakeExpired } from '../db/finish.ts';
import { deleteOutbox, staleOutbox } from '../db/outbox.ts';
import { ensurePartitions, weeksCovered } from '../db/partitions.ts';
import { claimCampaigns, type ClaimedCampaign, releaseCampaign, renewCampaigns } from '../db/plan.ts';
import { readProgress } from '../db/progress.ts';
import {
  type Command,
  type CommandQueue,
  type Enqueue,
  type Id,
  lanes,
  type Nature,
  type PublishProgress,
} from '../handoff.ts';
import type { Service } from '../service.ts';
import type { Log } from '../telemetry.ts';
import type { Tracer } from '../tracing.ts';
import { type BatchLimits, batchRecipients, type CarrierCapacity } from './capacity.ts';
import { launch, type LaunchParts, tellStanding } from './launch.ts';
import { Loop } from '../loop.ts';
import { type RoutedCarrier, routeTable } from './route.ts';
import { Turns } from './turns.ts';

/** Limits of a planner. */
export type PlannerLimits = BatchLimits & {
  /** Campaigns of each nature that use PostgreSQL at the same time. */
  readonly campaignsAtOnceMax: number;
  /** A campaign of a planner that does not renew for this long is taken over. */
  readonly leaseMs: number;
  /** Pause between looks for what commands did not tell. */
  readonly sweepMs: number;
  /** How long a campaign stays open for receipts that do not come. */
  readonly receiptWaitMs: number;
};

/** What a planner is made of. */
export type PlannerOptions = {
  /** Name of this planner, unlike every other's. */
  readonly planner: string;
  /** As `tocsin_service`. */
  readonly database: Database;
  readonly commands: CommandQueue;
  readonly enqueue: Enqueue;
  readonly publish: PublishProgress;
  /** Accounts, not their shards. */
  readonly carriers: readonly (RoutedCarrier & CarrierCapacity)[];
  /** Whether an account can be planned for; all can when absent. */
  readonly usable?: (account: string) => boolean;
  /** See `LaunchParts`; no account is divided when absent. */
  readonly shardsOf?: LaunchParts['shardsOf'];
  readonly limits: PlannerLimits;
  /** See `LaunchParts`. */
  readonly frozen?: LaunchParts['frozen'];
  /** Nothing is traced when absent. */
  readonly tracer?: Tracer;
  readonly clock: Clock;
  readonly log: Log;
};

/** Campaigns in hand for each one that may use PostgreSQL: most only wait for room in Redis. */
const waitingPerTurn = 16;
/** A campaign that failed is let alone for this long: its cause may be PostgreSQL or Redis, which come back. */
const pauseAfterFailureMs = 1000;
const outboxAgeMs = 1000;
const sweepRowsMax = 200;
/** Launches, which an API of before wrote, cost nothing each. */
const outboxRowsMax = 5000;
const partitionsEveryMs = 3_600_000;
/** Eight are made. With fewer than this something has been wrong for a month, and there is a month left. */
const partitionWeeksMin = 4;

/** See the head of this file. */
export class Planner implements Service {
  readonly name = 'planner';
  readonly #options: PlannerOptions;
  readonly #parts: LaunchParts;
  readonly #jobs = new Map<
    Id,
    { readonly nature: Nature; readonly abort: AbortController; readonly done: Promise<void> }
  >();
  /** Campaigns that failed, and when they are to be given back (monotonic). */
  readonly #failed = new Map<Id, number>();
  readonly #loops: Readonly<Record<'obey' | 'claim' | 'renew' | 'sweep' | 'partitions', Loop>>;
  #partitionWeeksAhead = 0;
  #isStopping = false;

  constructor(options: PlannerOptions) {
    this.#options = options;
    const { carriers, clock, log, limits, usable, shardsOf = (account: string) => [account] } = options;
    this.#parts = {
      ...options,
      shardsOf,
      routes: () => routeTable(carriers, usable),
      batchRecipients: (name) => {
        const carrier = carriers.find((candidate) => candidate.name === name);
        return batchRecipients(carrier ?? { name, ratePerSecond: 0 }, limits);
      },
      turns: turnsOf(options),
    };
    const loop = (name: string, pauseMs: number, action: () => Promise<void>) =>
      new Loop({ name, pauseMs, action, clock, log });
    this.#loops = {
      obey: loop('obey', 0, () => this.#obeyNext()),
      claim: loop('claim', limits.sweepMs, () => this.#claim()),
      renew: loop('renew', limits.leaseMs / 3, () => this.#renew()),
      sweep: loop('sweep', limits.sweepMs, () => this.#sweep()),
      partitions: loop('partitions', partitionsEveryMs, () => this.#partitions()),
    };
  }

  /** Begins to plan; throws `Fault('postgres')` when the database does not answer. */
  async start(): Promise<void> {
    await this.#options.database.ready();
    for (const loop of Object.values(this.#loops)) loop.start();
  }

  /** Ends between two batches; what is not finished is given back for another planner to go on with. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const job of this.#jobs.values()) job.abort.abort();
    await Promise.all([...this.#jobs.values()].map((job) => job.done));
    await Promise.all(Object.values(this.#loops).map((loop) => loop.stop()));
  }

  /** Campaigns in hand. */
  get campaigns(): number {
    return this.#jobs.size;
  }

  /** Weeks to come whose partitions were there at the last look. */
  get partitionWeeksAhead(): number {
    return this.#partitionWeeksAhead;
  }

  async #obeyNext(): Promise<void> {
    const command = await this.#options.commands.next();
    if (command === undefined) return;
    await this.#obey(command.command, command.campaign);
    await this.#options.commands.done(command);
  }

  async #obey(verb: Command['command'], campaign: Id): Promise<void> {
    if (verb === 'launch') this.#loops.claim.wake();
    else await tellStanding(this.#parts, campaign);
  }

  async #claim(): Promise<void> {
    const { database, planner, limits } = this.#options;
    await this.#giveBackFailed();
    for (const nature of lanes) {
      const inHand = [...this.#jobs.values()].filter((job) => job.nature === nature).length;
      const limit = limits.campaignsAtOnceMax * waitingPerTurn - inHand;
      if (limit <= 0 || this.#isStopping) continue;
      const claim = { planner, leaseMs: limits.leaseMs, nature, limit };
      for (const campaign of await claimCampaigns(database.pool, claim)) this.#begin(campaign);
    }
  }

  #begin(campaign: ClaimedCampaign): void {
    const abort = new AbortController();
    if (this.#isStopping) abort.abort();
    const done = this.#run(campaign, abort).finally(() => this.#jobs.delete(campaign.id));
    this.#failed.delete(campaign.id);
    this.#jobs.set(campaign.id, { nature: campaign.nature, abort, done });
  }

  async #run(campaign: ClaimedCampaign, abort: AbortController): Promise<void> {
    const { database, planner, log, clock } = this.#options;
    const { signal } = abort;
    try {
      const done = signal.aborted ? false : await launch(this.#parts, campaign, signal);
      await releaseCampaign(database.pool, planner, campaign.id, done);
    } catch (error) {
      // It is given back after a while, or its lease ends, and is then taken up again where it stopped.
      log.warn('campaign.stopped', { campaign: campaign.id }, error);
      // Its other shares may wait for room: they are begun with again then, and must not wait beside that.
      abort.abort();
      this.#failed.set(campaign.id, clock.monotonicMs() + pauseAfterFailureMs);
    }
  }

  async #giveBackFailed(): Promise<void> {
    const { database, planner, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const [id, dueMs] of this.#failed) {
      if (dueMs > nowMs) continue;
      await releaseCampaign(database.pool, planner, id, false);
      this.#failed.delete(id);
    }
  }

  async #renew(): Promise<void> {
    if (this.#jobs.size === 0) return;
    const { database, planner, limits } = this.#options;
    const campaigns = [...this.#jobs.keys()];
    const kept = await renewCampaigns(database.pool, { planner, leaseMs: limits.leaseMs, campaigns });
    for (const id of campaigns) if (!kept.has(id)) this.#jobs.get(id)?.abort.abort();
  }

  async #sweep(): Promise<void> {
    const { pool } = this.#options.database;
    await this.#emptyOutbox();
    for (const id of await wakeExpired(pool)) await tellStanding(this.#parts, id);
    await this.#finish();
  }

  /** Most of these came by the stream already, and are obeyed again for the few that did not. */
  async #emptyOutbox(): Promise<void> {
    const { pool } = this.#options.database;
    const waiting = await staleOutbox(pool, outboxAgeMs, outboxRowsMax);
    if (waiting.length === 0) return;
    if (waiting.some((row) => row.command === 'launch')) this.#loops.claim.wake();
    const moved = new Set(waiting.filter((row) => row.command !== 'launch').map((row) => row.campaign));
    for (const campaign of moved) await tellStanding(this.#parts, campaign);
    await deleteOutbox(
      pool,
      waiting.map((row) => row.id),
    );
  }

  async #finish(): Promise<void> {
    const { database, enqueue, limits, publish } = this.#options;
    const ended = await finishUnplanned(database.pool);
    const closed: Id[] = [];
    for (const { id, carriers } of await doneCampaigns(database.pool, limits.receiptWaitMs, sweepRowsMax)) {
      const left = await Promise.all(carriers.map((carrier) => enqueue.close(carrier, id)));
      if (left.every(Boolean)) closed.push(id);
    }
    if (closed.length > 0) ended.push(...(await finishCampaigns(database.pool, closed)));
    if (ended.length > 0) await publish(await readProgress(database.pool, ended));
  }

  async #partitions(): Promise<void> {
    const { database, clock, log } = this.#options;
    try {
      await ensurePartitions(database.pool, clock.nowMs());
    } finally {
      const weeks = await weeksCovered(database.pool, clock.nowMs());
      this.#partitionWeeksAhead = weeks;
      if (weeks < partitionWeeksMin) log.warn('partitions.few', { weeks });
    }
  }
}

/** Turns by kind, so that each finds connections, and information leaves two fifths to whatever else there is. */
function turnsOf({ database, limits }: PlannerOptions): Turns {
  const tenth = (database.pool.options.max ?? Number.POSITIVE_INFINITY) / 10;
  const most = (tenths: number) => Math.max(1, Math.min(limits.campaignsAtOnceMax, Math.floor(tenths * tenth)));
  return new Turns({ alert: limits.campaignsAtOnceMax, small: most(2), large: most(2), page: most(2) });
}
