/**
 * Answers that come after their deadline. Their segments have an outcome by then, or were written again, and their
 * batch may have left this worker's hands; what the carrier says is a fact all the same, and its message id is what
 * the receipt will name. Runs on the worker's main thread. It must never drop an answer: while Redis is away it waits.
 */
import type { Clock } from '../clock.ts';
import type { OutcomeKind } from '../handoff.ts';
import type { Consumer, Hold } from '../stream/consumer.ts';
import { OutcomeWriter } from '../stream/entry.ts';
import type { Log } from '../telemetry.ts';
import type { BatchLedger } from './ledger.ts';

/** A segment whose answer is overdue: its place in the record, without its batch, which may be let go. */
export type OverdueSegment = Hold & {
  readonly organisation: string;
  readonly batch: number;
  readonly attempt: number;
  readonly firstOrdinal: number;
  readonly index: number;
  readonly segment: number;
  readonly segments: number;
};

/** Where a frame of a batch in hand stands in the record. */
export function overdueSegment({ campaign, entry, owner }: Hold, ledger: BatchLedger, frame: number): OverdueSegment {
  const { organisation, number, attempt, firstOrdinal } = ledger.batch;
  const { recipient, segment, segments } = ledger.frames;
  return {
    campaign,
    entry,
    owner,
    organisation,
    batch: number,
    attempt,
    firstOrdinal,
    index: recipient[frame] as number,
    segment: segment[frame] as number,
    segments: segments[frame] as number,
  };
}

/** Pause before Redis is asked again after an error that it answered with. */
const redisRetryMs = 250;
/** No hold has an owner that begins so: what is recorded in its name changes no batch. */
const late = 'late ';
/** Octets of a record with a usual message id. */
const recordBytes = 48;

type Gathered = { readonly of: OverdueSegment; readonly records: OutcomeWriter };

/** Late answers of one carrier on their way to Redis. */
export class LateAnswers {
  readonly #consumer: Consumer;
  readonly #flushMs: number;
  readonly #clock: Clock;
  readonly #log: Log;
  #gathered = new Map<string, Gathered>();
  #flushing: Promise<void> | undefined;
  /** Rises over all batches: of the flushes of a hold each is told apart from one that is sent again. */
  #flushes = 0;

  /** Answers of a batch that come within `flushMs` are recorded together. */
  constructor(consumer: Consumer, flushMs: number, clock: Clock, log: Log) {
    this.#consumer = consumer;
    this.#flushMs = flushMs;
    this.#clock = clock;
    this.#log = log;
  }

  /** Records what the carrier said of a segment; `messageId` is canonical. */
  add(of: OverdueSegment, kind: OutcomeKind, commandStatus: number, messageId: string): void {
    const key = `${of.campaign}/${of.entry}`;
    const gathered = this.#gathered.get(key) ?? { of, records: new OutcomeWriter(recordBytes) };
    this.#gathered.set(key, gathered);
    gathered.records.add(of.index, 1, of.segment, of.segments, kind, commandStatus, messageId);
    this.#flushing ??= this.#flush();
  }

  /** Resolves when every answer so far is in Redis. */
  async finish(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing;
  }

  async #flush(): Promise<void> {
    await this.#pause(this.#flushMs);
    while (this.#gathered.size > 0) {
      const all = this.#gathered;
      this.#gathered = new Map();
      for (const gathered of all.values()) await this.#record(gathered);
    }
    this.#flushing = undefined;
  }

  async #record({ of, records }: Gathered): Promise<void> {
    const { campaign, entry, organisation, batch, attempt, firstOrdinal } = of;
    this.#flushes++;
    const settlement = {
      campaign,
      entry,
      owner: late + of.owner,
      flush: this.#flushes,
      done: false,
      header: { campaign, organisation, batch, attempt, firstOrdinal, atMs: this.#clock.nowMs() },
      packed: records.take(),
      answered: Buffer.alloc(0),
      packedBytes: 0,
      areAnswers: true,
    };
    for (;;) {
      try {
        await this.#consumer.settle(settlement);
        return;
      } catch (error) {
        this.#log.warn('late.settle-failed', { campaign, batch }, error);
        await this.#pause(redisRetryMs);
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(ms, resolve));
  }
}
