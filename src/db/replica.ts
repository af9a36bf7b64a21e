/**
 * A replica for reading what became of messages, where there is one. API process. The primary answers in its place when
 * it is away, fails, or is too far behind; and whenever a campaign does not stand there as it stands on the primary, so
 * that nobody reads less than what they were told already.
 *
 * How far it is behind is measured by the primary's log, not by clocks: an end of the log that was read on the primary
 * and is replayed on the replica says that everything that was committed when it was read is there.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../clock.ts';
import type { Id } from '../handoff.ts';
import type { Service } from '../service.ts';
import type { Log } from '../telemetry.ts';
import { readCampaign } from './campaigns.ts';
import type { Database } from './client.ts';
import { type Run, scoped } from './scope.ts';

/** What a replica is read by. */
export type ReplicaOptions = {
  readonly primary: Database;
  /** As the same role. Its statements and the wait for a connection are bounded in time. */
  readonly replica: Database;
  /** What is read may be this old. */
  readonly lagMsMax: number;
  readonly clock: Clock;
  readonly log: Log;
};

/** An end of the primary's log, and when it was asked for (monotonic). */
type Mark = { readonly askedMs: number; readonly lsn: bigint };

/** Looks within the longest lag. */
const looksPerLag = 4;
const marksMax = 64;

/** See the head of this file. */
export class Replica implements Service {
  readonly name = 'replica';
  readonly #options: ReplicaOptions;
  #marks: Mark[] = [];
  /** Everything that was committed then (monotonic) is there. */
  #freshAtMs = Number.NEGATIVE_INFINITY;
  #isUsed: boolean | undefined;
  #cancel: () => void = () => undefined;
  #looking: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: ReplicaOptions) {
    this.#options = options;
  }

  /** Looks at once, and again and again; a replica that is away stops nobody from starting. */
  async start(): Promise<void> {
    await this.look();
    this.#lookLater();
  }

  /** Looks no more, and closes its connections. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#looking;
    await this.#options.replica.close();
  }

  /** How old what it has may be, in milliseconds. */
  get lagMs(): number {
    return this.#options.clock.monotonicMs() - this.#freshAtMs;
  }

  /** True while it may be read. */
  get isFresh(): boolean {
    return this.lagMs <= this.#options.lagMsMax;
  }

  /**
   * Where to read what is recorded of a campaign: the replica, if the campaign stands there as on the primary. So
   * whoever was told that a campaign is planned, or finished, finds its recipients, or all that is known of them.
   */
  async runOf(organisation: Id, primary: Run, campaign: Id): Promise<Run> {
    if (!this.isFresh) return primary;
    const run = this.anyRunOf(organisation, primary);
    const [here, there] = await Promise.all([readCampaign(primary, campaign), readCampaign(run, campaign)]);
    return isDeepStrictEqual(here, there) ? run : primary;
  }

  /** For what nobody can have written a moment ago. Each statement that the replica cannot answer the primary does. */
  anyRunOf(organisation: Id, primary: Run): Run {
    const replica = scoped(this.#options.replica, { organisation }).run;
    return async (statement, values) => {
      if (!this.isFresh) return await primary(statement, values);
      try {
        return await replica(statement, values);
      } catch (error) {
        // It may be away, cancel what stands in the way of its replay, or lack a table that is new: all the same to us.
        this.#lost(error);
        return await primary(statement, values);
      }
    };
  }

  /** Measures how far behind it is. */
  async look(): Promise<void> {
    try {
      await this.#measure();
      if (!this.isFresh) return this.#lost(undefined);
      if (this.#isUsed !== true) this.#options.log.info('replica.used', { lagMs: Math.round(this.lagMs) });
      this.#isUsed = true;
    } catch (error) {
      this.#lost(error);
    }
  }

  async #measure(): Promise<void> {
    const { primary, replica, clock } = this.#options;
    const askedMs = clock.monotonicMs();
    const written = await primary.pool.query<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn');
    this.#marks = [...this.#marks.slice(1 - marksMax), { askedMs, lsn: positionOf(written.rows[0]?.lsn) }];
    // Null on a server that is no replica, or was promoted: what it has says nothing of the primary.
    const { rows } = await replica.pool.query<{ lsn: string | null }>(
      'select case when pg_is_in_recovery() then pg_last_wal_replay_lsn()::text end as lsn',
    );
    const replayed = positionOf(rows[0]?.lsn ?? undefined);
    for (const mark of this.#marks) if (mark.lsn <= replayed) this.#freshAtMs = mark.askedMs;
    this.#marks = this.#marks.filter((mark) => mark.lsn > replayed);
  }

  #lost(error: unknown): void {
    this.#freshAtMs = Number.NEGATIVE_INFINITY;
    if (this.#isUsed !== false) this.#options.log.warn('replica.not-used', { marks: this.#marks.length }, error);
    this.#isUsed = false;
  }

  #lookLater(): void {
    if (this.#isStopped) return;
    this.#cancel = this.#options.clock.after(this.#options.lagMsMax / looksPerLag, () => {
      this.#looking = this.look().then(() => this.#lookLater());
    });
  }
}

/** `pg_lsn` as a number: two halves of 32 bits in hexadecimal. */
function positionOf(lsn: string | undefined): bigint {
  const [high = '0', low = '0'] = (lsn ?? '0/0').split('/');
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}
