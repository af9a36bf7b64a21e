/**
 * Sees to it that the outcomes of batches in hand reach Redis: at once when a batch is done, otherwise gathered for a
 * short while. Runs on the worker's main thread. It must never drop an outcome: while Redis is away it waits.
 */
import type { Clock } from '../clock.ts';
import type { Batch, Lane } from '../handoff.ts';
import type { Consumer, Hold } from '../stream/consumer.ts';
import type { Log } from '../telemetry.ts';
import type { Span } from '../tracing.ts';
import type { BatchLedger } from './ledger.ts';
import type { Held } from './stock.ts';

/** What becomes of a batch once its outcomes are in Redis. */
export type RecordingHandlers = {
  /** Nothing more is due for it: let it go. */
  over(held: Held): void;
  /** It belongs to another worker now. */
  lost(held: Held): void;
  /** Outcomes of it are in Redis. */
  recorded(held: Held): void;
};

/** When outcomes of a batch go to Redis: after `flushMs` at the latest, and as soon as there are `flushOutcomes`. */
export type RecordingLimits = { readonly flushMs: number; readonly flushOutcomes: number };

/** Longest time that an alert's outcome waits for others: until it is in Redis, a crash would double the segment. */
const alertFlushMs = 5;

/** Pause before Redis is asked again after an error that it answered with. */
const redisRetryMs = 250;

/** Outcomes of one carrier's batches on their way to Redis. */
export class Recording {
  readonly #consumer: Consumer;
  readonly #limits: RecordingLimits;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #handlers: RecordingHandlers;
  readonly #dirty: Readonly<Record<Lane, Set<Held>>> = { alert: new Set(), information: new Set() };
  readonly #isFlushDue: Record<Lane, boolean> = { alert: false, information: false };

  constructor(consumer: Consumer, limits: RecordingLimits, clock: Clock, log: Log, handlers: RecordingHandlers) {
    this.#consumer = consumer;
    this.#limits = limits;
    this.#clock = clock;
    this.#log = log;
    this.#handlers = handlers;
  }

  /** A batch has new outcomes, or nothing of it is in flight any more. */
  touched(held: Held): void {
    const lane = held.content.nature;
    if (isOver(held)) {
      this.#dirty[lane].delete(held);
      if (held.flushing === undefined) this.#begin(held);
      return;
    }
    if (held.ledger.unrecorded >= this.#limits.flushOutcomes && held.flushing === undefined) return this.#begin(held);
    this.#dirty[lane].add(held);
    if (!this.#isFlushDue[lane]) this.#flushSoon(lane);
  }

  #flushSoon(lane: Lane): void {
    this.#isFlushDue[lane] = true;
    const { flushMs } = this.#limits;
    const waitMs = lane === 'alert' ? Math.min(alertFlushMs, flushMs) : flushMs;
    this.#clock.after(waitMs, () => {
      this.#isFlushDue[lane] = false;
      for (const dirty of this.#dirty[lane]) if (dirty.flushing === undefined) this.#begin(dirty);
      this.#dirty[lane].clear();
    });
  }

  /**
   * Records what a batch has; true when it is still ours. For a batch that is being given back: nothing is recorded
   * of it after this.
   */
  async last(held: Held): Promise<boolean> {
    this.#dirty[held.content.nature].delete(held);
    held.flushes++;
    const recorded = this.record(held, held.ledger, held.flushes, false);
    held.flushing = recorded.then(() => undefined);
    return await recorded;
  }

  /** Puts outcomes into the stream; false when the batch belongs to another worker. Waits while Redis is away. */
  async record(
    hold: Hold & { readonly span?: Span },
    ledger: BatchLedger,
    flush: number,
    done: boolean,
    areAnswers = true,
  ): Promise<boolean> {
    const { organisation, number, attempt, firstOrdinal, packed: recipients }: Batch = ledger.batch;
    const { campaign, entry, owner } = hold;
    const traceParent = hold.span?.traceParent;
    const traced = traceParent === undefined ? {} : { traceParent };
    const isAnybodys = areAnswers && !ledger.givesUp;
    const settlement = {
      campaign,
      entry,
      owner,
      flush,
      done,
      header: { campaign, organisation, batch: number, attempt, firstOrdinal, atMs: this.#clock.nowMs(), ...traced },
      packed: ledger.takeOutcomes(),
      answered: Buffer.from(ledger.answered),
      packedBytes: recipients.length,
      areAnswers: isAnybodys,
    };
    for (;;) {
      try {
        return await this.#consumer.settle(settlement);
      } catch (error) {
        this.#log.warn('recording.settle-failed', { campaign, batch: number }, error);
        await new Promise<void>((resolve) => this.#clock.after(redisRetryMs, resolve));
      }
    }
  }

  #begin(held: Held): void {
    held.flushing = this.#flush(held).then((isDone) => {
      held.flushing = undefined;
      const isRecorded = held.ledger.unrecorded === 0;
      if (isOver(held) && isRecorded && (isDone || held.isLost)) this.#handlers.over(held);
      else if (isOver(held) || !isRecorded) this.touched(held);
    });
  }

  /** True when the batch was recorded as done. */
  async #flush(held: Held): Promise<boolean> {
    const { ledger } = held;
    const isDone = ledger.done;
    if (ledger.unrecorded === 0 && !isDone) return false;
    held.flushes++;
    held.recording = ledger.unrecorded;
    const isOurs = await this.record(held, ledger, held.flushes, isDone);
    held.recording = 0;
    this.#handlers.recorded(held);
    if (!isOurs && !isDone && !held.isLost) this.#handlers.lost(held);
    return isDone;
  }
}

/** No more outcomes will come of it here. */
function isOver(held: Held): boolean {
  return held.ledger.done || (held.isLost && held.inFlight === 0);
}
