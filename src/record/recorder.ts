/**
 * The recorder: carriers' outcomes and receipts from Redis into PostgreSQL, and progress to whoever watches.
 * Runs on the main thread of the recorder process; recorders share the accounts by leases, each with the streams of
 * all its shards, since a receipt may come by another one than the one that submitted. An entry leaves Redis only
 * after the transaction that holds its rows and its offset is committed, so nothing is lost and nothing counted twice.
 * While PostgreSQL is away it reads nothing more and tries again.
 */
import { byAccount } from '../account.ts';
import type { Clock } from '../clock.ts';
import type { Database } from '../db/client.ts';
import { readEpochNames } from '../db/plan.ts';
import { readProgress } from '../db/progress.ts';
import { advance, orphanIds, type RecorderLease, releaseAccount, takeAccount } from '../db/record.ts';
import { isFault } from '../fault.ts';
import type { AccountOffsets, PublishProgress, RecordSource } from '../handoff.ts';
import type { Service } from '../service.ts';
import type { Log } from '../telemetry.ts';
import { noTracer, type Tracer } from '../tracing.ts';
import { AccountBook, type BookLimits } from './book.ts';
import { OrphanIds } from './orphans.ts';
import { type Flushed, type GivenUpEntry, type Page, writePage } from './page.ts';
import { Reader } from './reader.ts';

/** Limits of a recorder. */
export type RecorderLimits = BookLimits & {
  /** Most rows in one transaction, give or take one entry. */
  readonly rowsMax: number;
  /** Pause between looks at quiet streams. */
  readonly idleMs: number;
  /** A receipt waits this long in Redis, so that its submission is there before it. */
  readonly receiptHoldMs: number;
  /** An account of a recorder that does not renew for this long is taken over. */
  readonly leaseMs: number;
};

/** Limits that need no thought. */
export const recorderLimits: RecorderLimits = {
  batchesMax: 20_000,
  // With those of a page a generation still fits into its table without growing again.
  recentIdsMax: 450_000,
  orphanIdsMax: 100_000,
  receiptAgeMsMax: 8 * 86_400_000,
  rowsMax: 50_000,
  idleMs: 100,
  receiptHoldMs: 250,
  leaseMs: 10_000,
};

/** What a recorder is made of. */
export type RecorderOptions = {
  /** Name of this recorder, unlike every other's. */
  readonly recorder: string;
  /** As `tocsin_service`, with a connection for each account. */
  readonly database: Database;
  readonly source: RecordSource;
  readonly publish: PublishProgress;
  /** Shards of each account, where it is divided. */
  readonly carriers: readonly string[];
  readonly limits: RecorderLimits;
  /** Nothing is traced when absent. */
  readonly tracer?: Tracer;
  readonly clock: Clock;
  readonly log: Log;
  /** Called after each flush, for metrics. */
  readonly onFlush?: (account: string, flushed: Flushed, ms: number) => void;
};

const pauseAfterFailureMsMax = 5000;

function heardLater(): void {}

/** See the head of this file. */
export class Recorder implements Service {
  readonly name = 'recorder';
  readonly #options: RecorderOptions;
  readonly #held = new Set<string>();
  readonly #wakers = new Set<() => void>();
  readonly #recordedAtMs = new Map<string, number>();
  readonly #orphans = new Map<string, OrphanIds>();
  #running: Promise<unknown> | undefined;
  #isStopping = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Begins to record; throws `Fault('postgres')` when the database does not answer. */
  async start(): Promise<void> {
    if (this.#isStopping || this.#running !== undefined) return;
    await this.#options.database.ready();
    const accounts = [...byAccount(this.#options.carriers)];
    this.#running ??= Promise.all(accounts.map(([account, shards]) => this.#serve(account, shards)));
  }

  /** Finishes the transactions in hand and gives the accounts to other recorders. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const wake of this.#wakers) wake();
    await this.#running;
  }

  /** Accounts that this recorder records at the moment. */
  get accounts(): readonly string[] {
    return [...this.#held];
  }

  /**
   * By carrier or shard the last moment, monotonic, of which every outcome that Redis had is recorded. It says nothing
   * of whether Redis lost something before it was read.
   */
  get recordedAtMs(): ReadonlyMap<string, number> {
    return new Map(this.#recordedAtMs);
  }

  /** Receipts that wait for their submission, by account that this recorder records; counted up to `orphanIdsMax`. */
  get orphans(): ReadonlyMap<string, number> {
    return new Map([...this.#orphans].map(([carrier, ids]) => [carrier, ids.size]));
  }

  async #serve(account: string, shards: readonly string[]): Promise<void> {
    const { database, limits, log, recorder } = this.#options;
    let failures = 0;
    while (!this.#isStopping) {
      try {
        const lease = await takeAccount(database.pool, account, shards, recorder, limits.leaseMs);
        if (lease !== undefined) {
          log.info('recorder.carrier.taken', { carrier: account, epoch: lease.epoch, streams: lease.offsets.size });
          this.#held.add(account);
          await this.#record(lease, () => (failures = 0));
          await releaseAccount(database.pool, lease);
        }
        // Whoever holds less looks sooner, so that accounts spread over recorders.
        await this.#pause((limits.leaseMs / 4) * (1 + this.#held.size));
      } catch (error) {
        failures += 1;
        if (isFault(error, 'fenced')) log.warn('recorder.carrier.lost', { carrier: account });
        else log.warn('recorder.failed', { carrier: account, failures }, error);
        await this.#pause(Math.min(pauseAfterFailureMsMax, limits.idleMs * 2 ** Math.min(failures, 10)));
      } finally {
        this.#held.delete(account);
      }
    }
  }

  /** Records until it must stop, or throws: what the book holds in memory is then forgotten with it. */
  async #record(lease: RecorderLease, onFlushed: () => void): Promise<void> {
    const { database, limits, source, clock, tracer = noTracer } = this.#options;
    const { account } = lease;
    const orphans = new OrphanIds(await orphanIds(database.pool, account, limits.orphanIdsMax), limits.orphanIdsMax);
    this.#orphans.set(account, orphans);
    const book = new AccountBook(lease, limits, database, orphans);
    const reader = new Reader(source, lease.offsets, limits, clock);
    let committed = lease.offsets;
    let renewedMs = clock.monotonicMs();
    /** One page is written while the next is read and filled. */
    let writing: Promise<void> = Promise.resolve();
    const write = async (page: Page, completeAtMs: number): Promise<void> => {
      renewedMs = clock.monotonicMs();
      const fromMs = clock.nowMs();
      const flushed = await this.#write(lease, page);
      const before = committed;
      committed = page.through;
      this.#recordedUntil(lease, completeAtMs);
      for (const { name, parent } of page.traced)
        tracer.child(name, parent, { 'tocsin.carrier': account, 'tocsin.rows': flushed.rows }, fromMs).end();
      onFlushed();
      this.#options.onFlush?.(account, flushed, clock.monotonicMs() - renewedMs);
      await this.#tell(flushed);
      await this.#trim(before, committed);
    };
    try {
      while (!this.#isStopping) {
        const entries = await reader.next();
        if (entries === undefined) {
          await writing;
          this.#recordedUntil(lease, reader.completeAtMs);
          if (clock.monotonicMs() - renewedMs > limits.leaseMs / 3) {
            renewedMs = clock.monotonicMs();
            await advance(database.pool, lease, committed, limits.leaseMs);
          } else await this.#pause(Math.max(1, Math.min(limits.idleMs, reader.dueInMs)));
          continue;
        }
        const page = await book.fill(entries, writing, clock.nowMs());
        await writing;
        writing = write(page, entries.completeAtMs);
        // Whoever awaits it hears of its failure; until then it must not count as unheard.
        writing.catch(heardLater);
      }
      await writing;
    } finally {
      await Promise.allSettled([writing]);
      this.#orphans.delete(account);
    }
  }

  #recordedUntil({ offsets }: RecorderLease, completeAtMs: number): void {
    for (const carrier of offsets.keys()) this.#recordedAtMs.set(carrier, completeAtMs);
  }

  /**
   * What was given up goes to another carrier, so Redis must not be able to fall back behind it: whoever found the
   * batch there again would send it, or give it up once more.
   */
  async #write(lease: RecorderLease, page: Page): Promise<Flushed> {
    const { database, limits, log } = this.#options;
    const { leaseMs } = limits;
    if (page.givenUp.length === 0) return await writePage(database, lease, page, { leaseMs, epochs: '' });
    const epochs = await readEpochNames(database.pool);
    const staying = await Promise.all([...lease.offsets.keys()].map((carrier) => this.#staying(page, carrier)));
    const givenUp = staying.flat();
    const gone = page.givenUp.length - givenUp.length;
    if (gone > 0) log.warn('recorder.rerouted.gone', { carrier: lease.account, entries: gone });
    return await writePage(database, lease, { ...page, givenUp }, { leaseMs, epochs });
  }

  async #staying(page: Page, carrier: string): Promise<readonly GivenUpEntry[]> {
    const own = page.givenUp.filter((givenUp) => givenUp.carrier === carrier);
    if (own.length === 0) return own;
    const staying = await this.#options.source.staying(
      carrier,
      own.map(({ entry }) => entry),
    );
    return own.filter(({ entry }) => staying.has(entry));
  }

  /** What stays in Redis is behind the offset, and goes with the next trim. Streams that did not move are let alone. */
  async #trim(before: AccountOffsets, through: AccountOffsets): Promise<void> {
    const moved = [...through].filter(([carrier, offsets]) => before.get(carrier) !== offsets);
    try {
      await Promise.all(moved.map(([carrier, offsets]) => this.#options.source.trim(carrier, offsets)));
    } catch (error) {
      this.#options.log.warn('recorder.trim.failed', { carriers: moved.map(([carrier]) => carrier).join(' ') }, error);
    }
  }

  /** Watchers may miss an event, so a failure here is no reason to stop. */
  async #tell(flushed: Flushed): Promise<void> {
    const { database, publish, log } = this.#options;
    if (flushed.campaigns.length === 0) return;
    try {
      await publish(await readProgress(database.pool, flushed.campaigns));
    } catch (error) {
      log.warn('recorder.progress.untold', { campaigns: flushed.campaigns.length }, error);
    }
  }

  async #pause(ms: number): Promise<void> {
    if (this.#isStopping) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        cancel();
        this.#wakers.delete(wake);
        resolve();
      };
      const cancel = this.#options.clock.after(ms, wake);
      this.#wakers.add(wake);
    });
  }
}
