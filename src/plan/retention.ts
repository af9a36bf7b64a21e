/**
 * Retention: what was kept long enough goes. Weeks of messages whose campaigns are all over, receipts that never found
 * their submission, messages from handsets, answers to Idempotency-Keys, what Redis still has of finished campaigns.
 * Runs in the planner process; one in the cluster at a time does it, under a lease. Campaigns and their counts stay.
 * Stopping in the middle is safe: the next one goes on. Nothing here holds up those who send or record.
 */
import type { Clock } from '../clock.ts';
import type { Database } from '../db/client.ts';
import { type Lease, releaseLease, takeLease } from '../db/leases.ts';
import {
  type AgedRows,
  deleteAged,
  detachedTables,
  detachPartition,
  dropDetached,
  finishedCampaigns,
  markWeek,
  type OldPartition,
  oldPartitions,
  rememberClosed,
} from '../db/retention.ts';
import { Fault, isFault } from '../fault.ts';
import type { Enqueue } from '../handoff.ts';
import type { Service } from '../service.ts';
import type { Log } from '../telemetry.ts';
import { Loop } from '../loop.ts';

/** How many days things are kept; 0 is for ever. */
export type RetentionDays = {
  /** Recipients, batches, outcomes and receipts of a campaign, from its end. */
  readonly messages: number;
  /** Receipts without a submission. */
  readonly orphans: number;
  /** Messages from handsets, and stream entries that were set aside. */
  readonly inbound: number;
  readonly idempotency: number;
};

/** What retention removes. */
export type Removed = 'partitions' | 'orphans' | 'inbound' | 'idempotency' | 'campaigns-in-redis' | 'set-aside';

/** What a retention is made of. */
export type RetentionOptions = {
  /** Name of this process, unlike every other's. */
  readonly owner: string;
  /** As `tocsin_service`. */
  readonly database: Database;
  readonly close: Enqueue['close'];
  /** Removes entries older than `days` that were set aside; resolves with how many. */
  readonly trimAside: (carrier: string, days: number) => Promise<number>;
  readonly carriers: readonly string[];
  readonly days: RetentionDays;
  readonly clock: Clock;
  readonly log: Log;
  /** Called with what is gone, for metrics. */
  readonly onRemoved?: (what: Removed, count: number) => void;
  /** Called after each look with how many partitions are old enough and still there. */
  readonly onLooked?: (partitionsLeft: number) => void;
};

const leaseName = 'retention';
const leaseMs = 60_000;
const everyMs = 600_000;
/** A partition that is in use is tried so often in one look. */
const triesMax = 20;
const pauseBetweenTriesMs = 250;
/** Rows of one transaction. */
const rowsAtOnce = 5_000;
/** Campaigns of one look. */
const campaignsAtOnce = 1_000;

const agedRows = [
  ['orphan_receipts', 'orphans'],
  ['inbound_messages', 'inbound'],
  ['idempotency_keys', 'idempotency'],
] as const satisfies readonly (readonly [AgedRows, Removed & keyof RetentionDays])[];

/** See the head of this file. */
export class Retention implements Service {
  readonly name = 'retention';
  readonly #options: RetentionOptions;
  readonly #loop: Loop;
  #isStopping = false;
  #endPause: () => void = () => undefined;

  constructor(options: RetentionOptions) {
    this.#options = options;
    const { clock, log } = options;
    this.#loop = new Loop({ name: 'retention', pauseMs: everyMs, action: () => this.#lookAgain(), clock, log });
  }

  /** Begins to look every ten minutes. */
  async start(): Promise<void> {
    this.#loop.start();
  }

  /** Ends after the statement in hand. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#endPause();
    await this.#loop.stop();
  }

  /**
   * Looks once, and removes what is old enough. False when another process does so at the moment.
   * @throws Fault `fenced` when another process took the lease meanwhile, `postgres`, `redis`.
   */
  async look(): Promise<boolean> {
    const { database, owner } = this.#options;
    const lease = await takeLease(database.pool, leaseName, owner, leaseMs);
    if (lease === undefined) return false;
    try {
      await this.#removeWeeks(lease);
      for (const [table, what] of agedRows) await this.#removeAged(lease, table, what);
      await this.#removeFromRedis(lease);
    } finally {
      await releaseLease(database.pool, lease);
    }
    return true;
  }

  async #lookAgain(): Promise<void> {
    try {
      await this.look();
    } catch (error) {
      if (!isFault(error, 'fenced')) throw error;
      this.#options.log.warn('retention.lost', {});
    }
  }

  /** False once the process is to stop. @throws Fault `fenced` when the lease is somebody else's. */
  async #mayGoOn(lease: Lease): Promise<boolean> {
    if (this.#isStopping) return false;
    const renewed = await takeLease(this.#options.database.pool, lease.name, lease.owner, leaseMs);
    if (renewed?.epoch !== lease.epoch) throw new Fault('fenced', 'another process took retention over');
    return true;
  }

  async #removeWeeks(lease: Lease): Promise<void> {
    const { database, days, log, onLooked } = this.#options;
    if (days.messages === 0) return onLooked?.(0);
    await this.#dropDetached(lease);
    const marked = new Map<number, boolean>();
    let left = 0;
    for (const partition of await oldPartitions(database.pool, days.messages)) {
      if (!(await this.#mayGoOn(lease))) return;
      const { week } = partition;
      if (!marked.has(week)) {
        marked.set(week, await markWeek(database, lease, week, days.messages));
        if (marked.get(week) === false) log.info('retention.week.in-use', { week });
      }
      if (marked.get(week) === true) left += (await this.#detach(lease, partition)) ? 0 : 1;
    }
    await this.#dropDetached(lease);
    onLooked?.(left);
  }

  async #detach(lease: Lease, partition: OldPartition): Promise<boolean> {
    const { database, days, log } = this.#options;
    const { table, week } = partition;
    for (let tries = 1; tries <= triesMax && !this.#isStopping; tries += 1) {
      if ((await detachPartition(database.pool, lease, partition, days.messages)) === 'detached') {
        log.info('retention.partition.detached', { table, week, tries });
        return true;
      }
      // Others get at the table meanwhile; not always after the same time, so that it meets no rhythm of theirs.
      await this.#pause(pauseBetweenTriesMs * (1 + (tries % 4)));
    }
    log.warn('retention.partition.busy', { table, week });
    return false;
  }

  async #dropDetached(lease: Lease): Promise<void> {
    const { database, log, onRemoved } = this.#options;
    for (const name of await detachedTables(database.pool)) {
      const what = await dropDetached(database, lease, name);
      log.info(`retention.table.${what}`, { name });
      if (what === 'dropped') onRemoved?.('partitions', 1);
    }
  }

  async #removeAged(lease: Lease, table: AgedRows, what: Removed & keyof RetentionDays): Promise<void> {
    const { database, days, log, onRemoved } = this.#options;
    if (days[what] === 0) return;
    let count = 0;
    while (await this.#mayGoOn(lease)) {
      const deleted = await deleteAged(database, lease, table, days[what], rowsAtOnce);
      count += deleted;
      if (deleted < rowsAtOnce) break;
    }
    if (count > 0) log.info('retention.rows.deleted', { table, count });
    onRemoved?.(what, count);
  }

  /**
   * A finished campaign was closed when it ended. A failover to a replica that was behind can bring back what was
   * removed then, so each is closed once more an hour later; that changes nothing where nothing is left.
   */
  async #removeFromRedis(lease: Lease): Promise<void> {
    const { database, carriers, close, trimAside, days, onRemoved } = this.#options;
    const finished = await finishedCampaigns(database.pool, campaignsAtOnce);
    for (const campaign of finished) {
      if (!(await this.#mayGoOn(lease))) return;
      await Promise.all(campaign.carriers.map((carrier) => close(carrier, campaign.id)));
    }
    const last = finished.at(-1);
    if (last !== undefined) await rememberClosed(database, lease, last.finishedAt);
    onRemoved?.('campaigns-in-redis', finished.length);
    if (days.inbound === 0) return;
    for (const carrier of carriers) {
      const trimmed = await trimAside(carrier, days.inbound);
      onRemoved?.('set-aside', trimmed);
    }
  }

  async #pause(ms: number): Promise<void> {
    if (this.#isStopping) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(ms, resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
  }
}
