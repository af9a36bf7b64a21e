/**
 * Brings batches of one carrier into a worker's hands, on its main thread: takes those that are due, takes over those
 * whose holder is gone, has them encoded and puts them into stock. It must never take more than the binds can use
 * soon, and nothing while none is bound or the carrier is paused, unless it is away: then all is given up for another.
 */
import type { Clock } from '../clock.ts';
import { Fault, isFault } from '../fault.ts';
import { type Batch, type CampaignContent, type Encode, type EncodeProfile, type Lane, lanes } from '../handoff.ts';
import type { Consumer, Hold, TakenBatch } from '../stream/consumer.ts';
import type { ContentCache } from '../stream/content.ts';
import { readBatch } from '../stream/entry.ts';
import type { Log } from '../telemetry.ts';
import { noSpan, noTracer, type Span, type Tracer } from '../tracing.ts';
import { BatchLedger } from './ledger.ts';
import type { Signals } from './signals.ts';
import type { Held, Stock } from './stock.ts';

/** What a feeder must know of the binds. */
export type Demand = { readonly boundCount: number; readonly windowTotal: number; readonly ratePerSecond: number };

/** What a feeder is made of. */
export type FeederParts = {
  readonly consumer: Consumer;
  readonly contents: ContentCache;
  readonly encode: Encode;
  readonly binds: Demand;
  /** Nothing is traced when absent. */
  readonly tracer?: Tracer | undefined;
  readonly clock: Clock;
  readonly log: Log;
};

/** Limits of a feeder. */
export type FeederOptions = {
  readonly profile: EncodeProfile;
  /** Batches in hand at most that are not written yet, per lane. */
  readonly batchesAheadMax: number;
  readonly secondsAheadMax: number;
};

/** Who hears of batches. */
export type FeederHandlers = {
  /** A batch is in stock. */
  admitted(held: Held): void;
  /** So many recipients got an outcome without being written here. */
  closed(lane: Lane, outcome: ClosedOutcome, recipients: number): void;
  /** A batch cannot be encoded; its books are closed and must be recorded. */
  refused(ledger: BatchLedger, hold: Hold): Promise<void>;
  /** A batch has left the encoder. */
  idle(): void;
};

/** What a whole batch may end in without a frame of it being looked at. */
export type ClosedOutcome = 'rejected' | 'cancelled' | 'expired' | 'unknown' | 'rerouted';

/** Batches that one look takes at most. */
export const takeCount = 4;
/** So much of an alert is in hand at a carrier's rate: what one worker holds of its end, others cannot send. */
const alertSecondsAhead = 0.15;
/** Of a campaign that is traced, its first batches are, and of the others one in so many. */
const tracedBatches = 16;
const tracedEvery = 128;
/** How often a quiet feeder looks by itself, in case a signal was lost. */
const lookMs = 1_000;

/** Segments that should be in hand so that no bind waits for Redis: some windows full, no more than some seconds. */
export function segmentsAhead(
  { windowTotal, ratePerSecond }: Pick<Demand, 'windowTotal' | 'ratePerSecond'>,
  secondsAheadMax: number,
): number {
  return Math.max(2 * windowTotal, Math.min(ratePerSecond * secondsAheadMax, 8 * windowTotal));
}

/** The feeder of one carrier. */
export class Feeder {
  readonly #parts: FeederParts;
  readonly #options: FeederOptions;
  readonly #stock: Stock;
  readonly #signals: Signals;
  readonly #handlers: FeederHandlers;
  readonly #preparing = new Set<string>();
  #recipientsEncoding = 0;
  /** Recipients of the batch that came last. */
  #batchRecipients = 500;
  #taking: Promise<void> | undefined;
  #claiming: Promise<void> | undefined;
  #isAsked = false;
  /** A lane was passed by because enough was in hand, or on its way through the encoder. */
  #isPassedBy = false;
  #isStopping = false;
  #isAway = false;
  #isPaused = false;
  #cancelLook: () => void = () => undefined;

  constructor(parts: FeederParts, options: FeederOptions, stock: Stock, signals: Signals, handlers: FeederHandlers) {
    this.#parts = parts;
    this.#options = options;
    this.#stock = stock;
    this.#signals = signals;
    this.#handlers = handlers;
  }

  /** Batches taken and not in stock yet. */
  get batchesEncoding(): number {
    return this.#preparing.size;
  }

  /** Begins to look. */
  start(): void {
    this.wake();
    this.#cancelLook = this.#parts.clock.after(lookMs, () => this.start());
  }

  /** Takes nothing more. */
  stop(): void {
    this.#isStopping = true;
    this.#cancelLook();
  }

  /** After `stop`: resolves when no batch is on its way from Redis. Those that came are in the encoder or in stock. */
  async quiet(): Promise<void> {
    await this.#taking;
    await this.#claiming;
  }

  /** There may be something to take. */
  wake(): void {
    this.#isAsked = true;
    if (this.#isStopping) return;
    this.#taking ??= this.#take().finally(() => (this.#taking = undefined));
  }

  /** Whether what waits is to be given up for another carrier. */
  setAway(isAway: boolean): void {
    this.#isAway = isAway;
    if (isAway) this.wake();
  }

  /** Whether the operator paused the carrier: nothing more is taken. */
  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused;
  }

  /** A lane's stock has run low; that of alerts is kept full, so that workers come to an alert's end together. */
  wantsMore(lane: Lane): boolean {
    const ahead = this.#segmentsAhead(lane);
    const low = lane === 'alert' ? ahead - this.#batchRecipients : ahead / 2;
    return this.#stock.unwritten(lane) < low;
  }

  /** Takes over what dead workers left and others gave back. */
  async claim(): Promise<void> {
    if (this.#isStopping) return;
    this.#claiming ??= this.#claim().finally(() => (this.#claiming = undefined));
    await this.#claiming;
  }

  async #claim(): Promise<void> {
    const { consumer, log } = this.#parts;
    const batchesMax = 4 * this.#options.batchesAheadMax;
    try {
      while (this.#mayTake && this.#stock.size + this.#preparing.size < batchesMax) {
        const moment = this.#signals.moment;
        const claimed = await consumer.claim(takeCount);
        if (claimed.length === 0) break;
        await Promise.all(claimed.map((batch) => this.#admit(batch, moment)));
      }
    } catch (error) {
      log.warn('feeder.claim-failed', {}, error);
    }
  }

  #segmentsAhead(lane: Lane): number {
    const { binds } = this.#parts;
    const most = segmentsAhead(binds, this.#options.secondsAheadMax);
    return lane === 'information' ? most : Math.min(most, Math.max(1, binds.ratePerSecond * alertSecondsAhead));
  }

  get #mayTake(): boolean {
    return !this.#isStopping && (this.#isAway || (!this.#isPaused && this.#parts.binds.boundCount > 0));
  }

  #isFull(lane: Lane): boolean {
    if (this.#isAway) return this.#stock.size + this.#preparing.size >= this.#options.batchesAheadMax;
    const segments = this.#stock.unwritten(lane) + this.#recipientsEncoding;
    const batches = this.#stock.writableCount(lane) + this.#preparing.size;
    return segments >= this.#segmentsAhead(lane) || batches >= this.#options.batchesAheadMax;
  }

  /** As many batches of the usual size as are wanted: what one worker holds beyond that, another may lack. */
  #takeCount(free: readonly Lane[]): number {
    if (this.#isAway) return takeCount;
    const [lane = 'information'] = free;
    const held = this.#stock.unwritten(lane) + this.#recipientsEncoding;
    const batches = Math.ceil((this.#segmentsAhead(lane) - held) / this.#batchRecipients);
    return Math.max(1, Math.min(takeCount, batches));
  }

  async #take(): Promise<void> {
    try {
      while (this.#isAsked && this.#mayTake) {
        this.#isAsked = false;
        const free = lanes.filter((lane) => !this.#isFull(lane));
        this.#isPassedBy = free.length < lanes.length;
        if (free.length === 0) break;
        const moment = this.#signals.moment;
        const taken = await this.#parts.consumer.take(free, this.#takeCount(free));
        if (taken.length > 0) this.#isAsked = true;
        for (const batch of taken) void this.#admit(batch, moment);
      }
    } catch (error) {
      this.#parts.log.warn('feeder.take-failed', {}, error);
    }
  }

  /** Sees a taken batch into stock. Never rejects: what goes wrong with a batch is that batch's own matter. */
  async #admit(taken: TakenBatch, moment: number): Promise<void> {
    const { log, consumer } = this.#parts;
    const { campaign, entry, owner } = taken;
    const key = `${campaign}/${entry}/${owner}`;
    // A batch that was not renewed in time, and that nobody took over meanwhile, is in hand already.
    if (this.#preparing.has(key) || this.#stock.find(taken) !== undefined) return;
    this.#preparing.add(key);
    try {
      await this.#prepare(taken, readBatch(taken.fields), moment);
    } catch (cause) {
      // A batch that is not put aside stays held until its lease ends, and whoever claims it then tries again.
      log.error('batch.not-admitted', { campaign, entry }, cause);
      if (!isFault(cause, 'unreadable')) return;
      await consumer.setAside(taken, cause.code).catch((error: unknown) => {
        log.warn('batch.set-aside-failed', { campaign, entry }, error);
      });
    } finally {
      this.#preparing.delete(key);
      if (this.#isPassedBy) this.wake();
      this.#handlers.idle();
    }
  }

  async #prepare(taken: TakenBatch, batch: Batch, moment: number): Promise<void> {
    this.#recipientsEncoding += batch.recipients;
    this.#batchRecipients = Math.max(1, batch.recipients);
    try {
      const content = await this.#content(batch);
      // Only its content says which lane it is of.
      if (content === undefined) return await this.#refuse(taken, batch, 'information');
      const span = this.#spanOf(batch, content);
      const ledger = await this.#ledgerOf(taken, batch, content);
      if (ledger === undefined) return span.end();
      span.event('encoded');
      const state = this.#signals.newest(batch.campaign, taken.state, moment);
      const held = this.#stock.add(taken, content, ledger, state, span);
      held.isFirst = batch.number === 1 && batch.attempt === 1 && !wasBegun(taken.ledger);
      this.#handlers.admitted(held);
    } finally {
      this.#recipientsEncoding -= batch.recipients;
    }
  }

  /** Of a large campaign not every batch is traced. */
  #spanOf({ number, attempt, recipients, campaign }: Batch, { traceParent, nature }: CampaignContent): Span {
    const { tracer = noTracer } = this.#parts;
    if (traceParent === undefined || (number > tracedBatches && number % tracedEvery !== 0)) return noSpan;
    const counts = { 'tocsin.batch': number, 'tocsin.attempt': attempt, 'tocsin.recipients': recipients };
    return tracer.child('batch.send', traceParent, { 'tocsin.campaign': campaign, 'tocsin.lane': nature, ...counts });
  }

  /** Undefined when there is none that could be read. Redis in trouble is another matter, and no fault of the batch. */
  async #content(batch: Batch): Promise<CampaignContent | undefined> {
    try {
      return await this.#parts.contents.get(batch.campaign);
    } catch (cause) {
      if (isFault(cause, 'unreadable')) {
        this.#parts.log.error('content.unreadable', { campaign: batch.campaign }, cause);
        return undefined;
      }
      throw new Fault('redis', 'the content of a campaign could not be fetched', { cause });
    }
  }

  async #ledgerOf(taken: TakenBatch, batch: Batch, content: CampaignContent): Promise<BatchLedger | undefined> {
    const { clock, encode, log } = this.#parts;
    const { ledger: prior, state } = taken;
    const { packed, firstOrdinal, recipients, language, only } = batch;
    const hasBegun = wasBegun(prior);
    // Without packed recipients it can only be settled: the planner's clock says that it is too late.
    const isExpired = content.expiresAtMs <= clock.nowMs() || packed.length === 0;
    const { nature } = content;
    if (!hasBegun && state === 'cancelled') return this.#closed(batch, nature, 'cancelled');
    if (!hasBegun && isExpired) return this.#closed(batch, nature, 'expired');
    if (!hasBegun && this.#isAway) return this.#closed(batch, nature, 'rerouted');
    const whichOnly = only === undefined ? {} : { only };
    const task = { content, profile: this.#options.profile, firstOrdinal, recipients, language, packed, ...whichOnly };
    try {
      const frames = await encode({ ...task, nowMs: clock.nowMs() });
      this.#handlers.closed(nature, 'rejected', frames.refused.length);
      return new BatchLedger(batch, frames, prior);
    } catch (cause) {
      log.error('batch.refused', { campaign: batch.campaign, batch: batch.number }, cause);
      await this.#refuse(taken, batch, nature);
      return undefined;
    }
  }

  /**
   * Nobody can encode it: every recipient is rejected, and the rest goes on. Where something was written before, only
   * its outcomes in the stream know what; they stand above `unknown`.
   */
  async #refuse(taken: TakenBatch, batch: Batch, lane: Lane): Promise<void> {
    await this.#handlers.refused(this.#closed(batch, lane, wasBegun(taken.ledger) ? 'unknown' : 'rejected'), taken);
  }

  #closed(batch: Batch, lane: Lane, outcome: ClosedOutcome): BatchLedger {
    this.#handlers.closed(lane, outcome, batch.only?.length ?? batch.recipients);
    return BatchLedger.closed(batch, outcome);
  }
}

/** Whether an earlier holder may have written something of it. */
function wasBegun(prior: TakenBatch['ledger']): boolean {
  return prior !== undefined && (prior.reserved > 0 || prior.answered.some((octet) => octet !== 0));
}
