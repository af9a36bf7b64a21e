/**
 * Brings batches of one carrier into a worker's hands, on its main thread: takes those that are due, takes over those
 * whose holder is gone, has them encoded and puts them into stock. It must never take more than the binds can use
 * soon, and nothing while none is bound.
 */
import type { Clock } from '../clock.ts';
import { Fault, isFault } from '../fault.ts';
import type { Batch, CampaignContent, Encode, EncodeProfile, Lane } from '../handoff.ts';
import type { Consumer, TakenBatch } from '../stream/consumer.ts';
import type { ContentCache } from '../stream/content.ts';
import { readBatch } from '../stream/entry.ts';
import type { Log } from '../telemetry.ts';
import { BatchLedger } from './ledger.ts';
import type { Held, Stock } from './stock.ts';

/** What a feeder must know of the binds. */
export type Demand = { readonly boundCount: number; readonly windowTotal: number; readonly ratePerSecond: number };

/** What a feeder is made of. */
export type FeederParts = {
  readonly consumer: Consumer;
  readonly contents: ContentCache;
  readonly encode: Encode;
  readonly binds: Demand;
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
  /** So many recipients got an outcome without ever being written. */
  closed(outcome: 'rejected' | 'cancelled' | 'expired', recipients: number): void;
  /** A batch cannot be encoded; its books are closed and must be recorded. */
  refused(ledger: BatchLedger, entry: string): Promise<void>;
  /** A batch has left the encoder. */
  idle(): void;
};

/** Batches that one look takes. */
const takeCount = 4;
/** How often a quiet feeder looks by itself, in case a signal was lost. */
const lookMs = 1_000;

/** The feeder of one carrier. */
export class Feeder {
  readonly #parts: FeederParts;
  readonly #options: FeederOptions;
  readonly #stock: Stock;
  readonly #handlers: FeederHandlers;
  #recipientsEncoding = 0;
  #batchesEncoding = 0;
  #isTaking = false;
  #isAsked = false;
  #isClaiming = false;
  #isStopping = false;
  #cancelLook: () => void = () => undefined;

  constructor(parts: FeederParts, options: FeederOptions, stock: Stock, handlers: FeederHandlers) {
    this.#parts = parts;
    this.#options = options;
    this.#stock = stock;
    this.#handlers = handlers;
  }

  /** Batches taken and not in stock yet. */
  get batchesEncoding(): number {
    return this.#batchesEncoding;
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

  /** There may be something to take. */
  wake(): void {
    this.#isAsked = true;
    if (!this.#isTaking && !this.#isStopping) void this.#take();
  }

  /** A lane's stock has run low. */
  wantsMore(lane: Lane): boolean {
    return this.#stock.unwritten(lane) < this.#segmentsAhead / 2;
  }

  /** Takes over what dead workers left and others gave back. */
  async claim(): Promise<void> {
    if (this.#isStopping || this.#isClaiming) return;
    this.#isClaiming = true;
    try {
      while (
        !this.#isStopping &&
        this.#parts.binds.boundCount > 0 &&
        this.#batches < 4 * this.#options.batchesAheadMax
      ) {
        const claimed = await this.#parts.consumer.claim(takeCount);
        if (claimed.length === 0) break;
        await Promise.all(claimed.map((batch) => this.#admit(batch)));
      }
    } catch (error) {
      this.#parts.log.warn('feeder.claim-failed', {}, error);
    } finally {
      this.#isClaiming = false;
    }
  }

  get #batches(): number {
    return this.#stock.size + this.#batchesEncoding;
  }

  /** Segments that should be in hand so that no bind waits for Redis. */
  get #segmentsAhead(): number {
    const { windowTotal, ratePerSecond } = this.#parts.binds;
    return Math.max(2 * windowTotal, Math.min(ratePerSecond * this.#options.secondsAheadMax, 8 * windowTotal));
  }

  #isFull(lane: Lane): boolean {
    const segments = this.#stock.unwritten(lane) + this.#recipientsEncoding;
    const batches = this.#stock.writableCount(lane) + this.#batchesEncoding;
    return segments >= this.#segmentsAhead || batches >= this.#options.batchesAheadMax;
  }

  async #take(): Promise<void> {
    this.#isTaking = true;
    try {
      while (this.#isAsked && !this.#isStopping && this.#parts.binds.boundCount > 0) {
        this.#isAsked = false;
        const lanes = (['alert', 'information'] as const).filter((lane) => !this.#isFull(lane));
        if (lanes.length === 0) break;
        const taken = await this.#parts.consumer.take(lanes, takeCount);
        if (taken.length > 0) this.#isAsked = true;
        for (const batch of taken) void this.#admit(batch);
      }
    } catch (error) {
      this.#parts.log.warn('feeder.take-failed', {}, error);
    } finally {
      this.#isTaking = false;
    }
  }

  /** Sees a taken batch into stock. Never rejects: what goes wrong with a batch is that batch's own matter. */
  async #admit(taken: TakenBatch): Promise<void> {
    const { log, consumer } = this.#parts;
    const { campaign, entry } = taken;
    try {
      await this.#prepare(taken, readBatch(taken.fields));
    } catch (cause) {
      // A batch that is not put aside stays held until its lease ends, and whoever claims it then tries again.
      log.error('batch.not-admitted', { campaign, entry }, cause);
      if (!isFault(cause, 'unreadable')) return;
      await consumer.setAside(taken, cause.code).catch((error: unknown) => {
        log.warn('batch.set-aside-failed', { campaign, entry }, error);
      });
    }
  }

  async #prepare(taken: TakenBatch, batch: Batch): Promise<void> {
    this.#recipientsEncoding += batch.recipients;
    this.#batchesEncoding++;
    try {
      const content = await this.#content(batch);
      const ledger = await this.#ledgerOf(taken, batch, content);
      if (ledger !== undefined) this.#handlers.admitted(this.#stock.add(taken.entry, content, ledger, taken.state));
    } finally {
      this.#recipientsEncoding -= batch.recipients;
      this.#batchesEncoding--;
      this.#handlers.idle();
    }
  }

  /** Redis in trouble is not the batch's fault: only a content that is not there makes it unreadable. */
  async #content(batch: Batch): Promise<CampaignContent> {
    try {
      return await this.#parts.contents.get(batch.campaign);
    } catch (cause) {
      if (isFault(cause)) throw cause;
      throw new Fault('redis', 'the content of a campaign could not be fetched', { cause });
    }
  }

  async #ledgerOf(taken: TakenBatch, batch: Batch, content: CampaignContent): Promise<BatchLedger | undefined> {
    const { clock, encode, log } = this.#parts;
    const { ledger: prior, entry, state } = taken;
    const hasBegun = prior !== undefined && prior.reserved > 0;
    const isExpired = content.expiresAtMs <= clock.nowMs();
    if (!hasBegun && (isExpired || state === 'cancelled'))
      return this.#closed(batch, isExpired ? 'expired' : 'cancelled');
    const { packed, firstOrdinal, recipients, language, only } = batch;
    const whichOnly = only === undefined ? {} : { only };
    const task = { content, profile: this.#options.profile, firstOrdinal, recipients, language, packed, ...whichOnly };
    try {
      const frames = await encode({ ...task, nowMs: clock.nowMs() });
      this.#handlers.closed('rejected', frames.refused.length);
      return new BatchLedger(batch, frames, prior);
    } catch (cause) {
      // Nobody can encode it: every recipient is rejected, the log says why, and the rest goes on.
      log.error('batch.refused', { campaign: batch.campaign, batch: batch.number }, cause);
      await this.#handlers.refused(this.#closed(batch, 'rejected'), entry);
      return undefined;
    }
  }

  #closed(batch: Batch, outcome: 'rejected' | 'cancelled' | 'expired'): BatchLedger {
    this.#handlers.closed(outcome, batch.only?.length ?? batch.recipients);
    return BatchLedger.closed(batch, outcome);
  }
}
