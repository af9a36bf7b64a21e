/**
 * A worker's loop for one carrier, on its main thread: takes batches that are due, has them encoded, reserves and
 * offers their frames, judges the answers and sees to it that every outcome is in Redis. It must never write a
 * frame that is not reserved, and never take work while no bind can carry it.
 *
 *   take ─► encode ─► reserve ─► next() ─► written ─► answered ─► recorded ─► done
 *                                             └──────► lost ──► written again (alert) or unknown (information)
 */
import type { Bind } from '../carrier/bind.ts';
import type { Room, RunSource } from '../carrier/pool.ts';
import type { Run } from '../carrier/link.ts';
import type { Clock } from '../clock.ts';
import { isFault } from '../fault.ts';
import type { Batch, CampaignState, Encode, EncodeProfile, Id, Lane, OutcomeKind } from '../handoff.ts';
import { statusOf } from '../smpp/command-status.ts';
import { canonicalId, type MessageIdSpelling } from '../smpp/message-id.ts';
import type { Consumer, TakenBatch } from '../stream/consumer.ts';
import type { ContentCache } from '../stream/content.ts';
import { readBatch } from '../stream/entry.ts';
import type { Log } from '../telemetry.ts';
import { BatchLedger } from './ledger.ts';
import { decide, type Happening, type RetryLimits } from './retry.ts';
import { type Held, Stock } from './stock.ts';

/** Limits and habits of a sender. */
export type SenderOptions = RetryLimits & {
  readonly profile: EncodeProfile;
  readonly messageId: MessageIdSpelling;
  /** Batches in hand at most, beside alerts. */
  readonly batchesAheadMax: number;
  readonly secondsAheadMax: number;
  /** Segments reserved at once at least; a quarter of the window when that is more. */
  readonly reservationSegments: number;
  readonly window: number;
  readonly batchLeaseMs: number;
  readonly outcomeFlushMs: number;
};

/** What a sender must know of its binds. */
export type Binds = {
  readonly boundCount: number;
  readonly windowTotal: number;
  readonly ratePerSecond: number;
  pump(): void;
};

/** What a sender counts, for metrics. */
export type SenderCounts = { readonly [kind in OutcomeKind | 'written' | 'throttled' | 'again']: number };

/** What a sender is made of. */
export type SenderParts = {
  readonly consumer: Consumer;
  readonly contents: ContentCache;
  readonly encode: Encode;
  readonly binds: Binds;
  readonly clock: Clock;
  readonly log: Log;
};

/** Batches that one look takes. */
const takeCount = 4;
/** How often a quiet sender looks by itself, in case a signal was lost. */
const lookMs = 1_000;
/** Pause before Redis is asked again after an error that it answered with. */
const redisRetryMs = 250;

/** The sender of one carrier. */
export class Sender implements RunSource {
  readonly #parts: SenderParts;
  readonly #options: SenderOptions;
  readonly #sliceSegments: number;
  readonly #stock = new Stock();
  readonly #dirty = new Set<Held>();
  readonly #counts = {
    accepted: 0, rejected: 0, unknown: 0, expired: 0, cancelled: 0, rerouted: 0, written: 0, throttled: 0, again: 0,
  };
  #encodingRecipients = 0;
  #encodingBatches = 0;
  #isTaking = false;
  #takeAsked = false;
  #isClaiming = false;
  #isStopping = false;
  #cancelFlush: (() => void) | undefined;
  #cancelLook: () => void = () => undefined;
  #cancelRenew: () => void = () => undefined;
  #cancelAgain: (() => void) | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(parts: SenderParts, options: SenderOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#sliceSegments = Math.min(options.window, Math.max(options.reservationSegments, options.window >> 2));
  }

  /** Totals since the start. */
  get counts(): SenderCounts {
    return this.#counts;
  }

  /** Batches in hand. */
  get batchesHeld(): number {
    return this.#stock.size + this.#encodingBatches;
  }

  /** Begins to take work. */
  start(): void {
    this.#look();
    this.#armRenew();
  }

  /** There may be something to take. */
  wake(): void {
    this.#takeAsked = true;
    if (!this.#isTaking && !this.#isStopping) void this.#take();
  }

  /** Batches whose holder is gone, or gave them back, may be taken over. */
  async claim(): Promise<void> {
    if (this.#isStopping || this.#isClaiming) return;
    this.#isClaiming = true;
    try {
      while (this.#parts.binds.boundCount > 0 && this.batchesHeld < 4 * this.#options.batchesAheadMax) {
        const claimed = await this.#parts.consumer.claim(takeCount);
        if (claimed.length === 0) break;
        await Promise.all(claimed.map((batch) => this.#admit(batch)));
      }
    } catch (error) {
      this.#parts.log.warn('sender.claim-failed', {}, error);
    } finally {
      this.#isClaiming = false;
    }
  }

  /** A campaign was paused, resumed or cancelled. */
  setState(campaign: Id, state: CampaignState): void {
    for (const held of this.#stock.all()) if (held.ledger.batch.campaign === campaign) this.#applyState(held, state);
    this.wake();
    this.#parts.binds.pump();
  }

  /** Takes nothing more and offers nothing more; binds may be drained after this. */
  stopSending(): void {
    this.#isStopping = true;
    this.#cancelLook();
  }

  /** After the binds are closed: records every outcome, gives back what was not written. */
  async finish(): Promise<void> {
    this.stopSending();
    for (const held of this.#stock.all()) await this.#finishOne(held);
    if (this.batchesHeld > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve));
    this.#cancelRenew();
    this.#cancelFlush?.();
    this.#cancelAgain?.();
  }

  // ── frames out ────────────────────────────────────────────────────────────────────────────────

  /** The most urgent run that fits; see `RunSource`. */
  next(room: Room): Run | undefined {
    if (this.#isStopping) return undefined;
    const chosen = this.#stock.next(room, this.#parts.clock.nowMs());
    for (const held of this.#stock.expired.splice(0)) this.#applyState(held, held.state);
    if (chosen === undefined) return undefined;
    const { held, run } = chosen;
    this.#counts.written += run.to - run.from;
    if (held.ledger.sendable < this.#sliceSegments) this.#reserve(held);
    if (this.#stock.unwritten(held.content.nature) < this.#segmentsAhead / 2) this.wake();
    return run;
  }

  /** An answer to a frame. */
  answered(bind: Bind, ticket: number, commandStatus: number, messageId: string): void {
    const { disposition } = statusOf(commandStatus);
    if (disposition === 'throttle') {
      this.#counts.throttled++;
      bind.pace.throttled(this.#parts.clock.monotonicMs());
    } else if (disposition === 'pause-bind' || disposition === 'stop-account') {
      this.#parts.log.warn('carrier.bind-refused', { commandStatus });
      bind.rebind();
    }
    this.#judge(ticket, disposition, commandStatus, messageId);
  }

  /** A frame was written and no answer will come. */
  lost(ticket: number): void {
    this.#judge(ticket, 'unanswered', 0, '');
  }

  #judge(ticket: number, happening: Happening, commandStatus: number, rawId: string): void {
    const held = this.#stock.of(ticket);
    const frame = this.#stock.frameOf(ticket);
    held.inFlight--;
    this.#decide(held, frame, happening, commandStatus, rawId);
    this.#touched(held);
  }

  #decide(held: Held, frame: number, happening: Happening, commandStatus: number, rawId: string): void {
    const { ledger, content } = held;
    const decision = decide(
      happening,
      {
        nature: content.nature,
        tries: ledger.tries(frame),
        nowMs: this.#parts.clock.nowMs(),
        expiresAtMs: content.expiresAtMs,
      },
      this.#options,
    );
    if (decision.kind === 'settle') {
      const messageId = rawId === '' ? '' : canonicalId(rawId, this.#options.messageId, 'response');
      this.#counts[decision.outcome]++;
      ledger.settle(frame, decision.outcome, commandStatus, messageId);
    } else if (held.state === 'cancelled') {
      this.#counts.cancelled++;
      ledger.settle(frame, happening === 'unanswered' ? 'unknown' : 'cancelled', commandStatus, '');
    } else {
      this.#counts.again++;
      ledger.writeAgain(frame, decision.atMs, decision.counts);
      this.#stock.relist(held);
      this.#armAgain(decision.atMs);
    }
  }

  /** Wakes the pump when a frame is due to be written again. */
  #armAgain(atMs: number): void {
    if (this.#cancelAgain !== undefined) return;
    const { clock, binds } = this.#parts;
    this.#cancelAgain = clock.after(Math.max(1, atMs - clock.nowMs()), () => {
      this.#cancelAgain = undefined;
      const dueMs = this.#stock.all().flatMap((held) => held.ledger.again.map((again) => again.atMs));
      if (dueMs.length > 0) this.#armAgain(Math.max(Math.min(...dueMs), clock.nowMs() + 10));
      binds.pump();
    });
  }

  // ── batches in ────────────────────────────────────────────────────────────────────────────────

  #look(): void {
    this.wake();
    this.#cancelLook = this.#parts.clock.after(lookMs, () => this.#look());
  }

  /** Segments that should be in hand so that no bind waits for Redis. */
  get #segmentsAhead(): number {
    const { windowTotal, ratePerSecond } = this.#parts.binds;
    return Math.max(2 * windowTotal, Math.min(ratePerSecond * this.#options.secondsAheadMax, 8 * windowTotal));
  }

  #batchesAhead(lane: Lane): number {
    return this.#stock.writableCount(lane) + this.#encodingBatches;
  }

  async #take(): Promise<void> {
    this.#isTaking = true;
    try {
      while (this.#takeAsked && !this.#isStopping && this.#parts.binds.boundCount > 0) {
        this.#takeAsked = false;
        const ahead = this.#segmentsAhead;
        const informationAhead = this.#stock.unwritten('information') + this.#encodingRecipients;
        const isFull = informationAhead >= ahead || this.#batchesAhead('information') >= this.#options.batchesAheadMax;
        const isAlertFull = this.#stock.unwritten('alert') + this.#encodingRecipients >= 2 * ahead;
        if (isFull && isAlertFull) break;
        const taken = await this.#parts.consumer.take(isFull ? ['alert'] : ['alert', 'information'], takeCount);
        if (taken.length > 0) this.#takeAsked = true;
        for (const batch of taken) void this.#admit(batch);
      }
    } catch (error) {
      this.#parts.log.warn('sender.take-failed', {}, error);
    } finally {
      this.#isTaking = false;
    }
  }

  /** Sees a taken batch into stock. Never rejects: what goes wrong with a batch is that batch's own matter. */
  async #admit(taken: TakenBatch): Promise<void> {
    try {
      const batch = readBatch(taken.fields);
      await this.#prepare(taken, batch);
    } catch (error) {
      await this.#setAside(taken, error);
    }
    this.#parts.binds.pump();
  }

  async #prepare(taken: TakenBatch, batch: Batch): Promise<void> {
    this.#encodingRecipients += batch.recipients;
    this.#encodingBatches++;
    try {
      const held = await this.#encoded(taken, batch);
      this.#applyState(held, held.state);
      if (this.#isStopping) return await this.#finishOne(held);
      this.#reserve(held);
      this.#touched(held);
    } catch (error) {
      await this.#refuse(taken, batch, error);
    } finally {
      this.#encodingRecipients -= batch.recipients;
      this.#encodingBatches--;
      this.#checkEmpty();
    }
  }

  async #encoded(taken: TakenBatch, batch: Batch): Promise<Held> {
    const { contents, encode, clock } = this.#parts;
    const content = await contents.get(batch.campaign);
    const { ledger: prior, entry, state } = taken;
    const hasBegun = prior !== undefined && prior.reserved > 0;
    const isExpired = content.expiresAtMs <= clock.nowMs();
    if (!hasBegun && (isExpired || state === 'cancelled')) {
      const kind = state === 'cancelled' ? 'cancelled' : 'expired';
      this.#counts[kind] += batch.only?.length ?? batch.recipients;
      return this.#stock.add(entry, content, BatchLedger.closed(batch, kind), state);
    }
    const { packed, firstOrdinal, recipients, language, only } = batch;
    const frames = await encode({
      content,
      profile: this.#options.profile,
      firstOrdinal,
      recipients,
      language,
      packed,
      nowMs: clock.nowMs(),
      ...(only === undefined ? {} : { only }),
    });
    const ledger = new BatchLedger(batch, frames, prior);
    this.#counts.rejected += frames.refused.length;
    const held = this.#stock.add(entry, content, ledger, state);
    for (const frame of ledger.unanswered()) this.#decide(held, frame, 'unanswered', 0, '');
    return held;
  }

  /** An entry that this version cannot read: visible to people, out of the way of the rest. */
  async #setAside(taken: TakenBatch, cause: unknown): Promise<void> {
    const { log, consumer } = this.#parts;
    const { campaign, entry } = taken;
    log.error('batch.set-aside', { campaign, entry }, cause);
    try {
      await consumer.setAside(taken, isFault(cause) ? cause.code : 'fault');
    } catch (error) {
      // It stays held until the lease ends, and whoever claims it then tries again.
      log.warn('batch.set-aside-failed', { campaign, entry }, error);
    }
  }

  /** A batch that cannot be encoded at all: every recipient of it is rejected, and the log says why. */
  async #refuse(taken: TakenBatch, batch: Batch, cause: unknown): Promise<void> {
    this.#parts.log.error('batch.refused', { campaign: batch.campaign, batch: batch.number }, cause);
    this.#counts.rejected += batch.recipients;
    await this.#record(batch, taken.entry, 1, true, BatchLedger.closed(batch, 'rejected'));
  }

  // ── reservations ──────────────────────────────────────────────────────────────────────────────

  #reserve(held: Held): void {
    const { ledger } = held;
    if (held.isReserving || held.isLost || ledger.reserved >= ledger.frameCount) return;
    held.isReserving = true;
    void this.#reserveNext(held);
  }

  async #reserveNext(held: Held): Promise<void> {
    const { ledger, entry } = held;
    const upTo = Math.min(ledger.frameCount, ledger.next + 2 * this.#sliceSegments);
    try {
      const isOurs = await this.#parts.consumer.reserve(ledger.batch.campaign, entry, upTo, ledger.units);
      held.isReserving = false;
      if (!isOurs) return this.#lose(held);
      ledger.reserved = Math.max(ledger.reserved, upTo);
      this.#parts.binds.pump();
    } catch (error) {
      held.isReserving = false;
      this.#parts.log.warn('sender.reserve-failed', {}, error);
      this.#parts.clock.after(redisRetryMs, () => this.#reserve(held));
    }
  }

  /** Somebody else holds the batch now: nothing more of it is written here. */
  #lose(held: Held): void {
    held.isLost = true;
    this.#parts.log.warn('batch.lost', { campaign: held.ledger.batch.campaign, batch: held.ledger.batch.number });
    this.#touched(held);
  }

  // ── outcomes ──────────────────────────────────────────────────────────────────────────────────

  #touched(held: Held): void {
    if (held.ledger.done || (held.isLost && held.inFlight === 0)) {
      this.#dirty.delete(held);
      if (!held.isFlushing) void this.#flush(held);
      return;
    }
    this.#dirty.add(held);
    this.#cancelFlush ??= this.#parts.clock.after(this.#options.outcomeFlushMs, () => {
      this.#cancelFlush = undefined;
      for (const dirty of this.#dirty) if (!dirty.isFlushing) void this.#flush(dirty);
      this.#dirty.clear();
    });
  }

  async #flush(held: Held): Promise<void> {
    const { ledger } = held;
    const isDone = ledger.done;
    if (ledger.unrecorded > 0 || isDone) {
      held.isFlushing = true;
      held.flushes++;
      const isOurs = await this.#record(ledger.batch, held.entry, held.flushes, isDone, ledger);
      held.isFlushing = false;
      if (!isOurs && !isDone && !held.isLost) this.#lose(held);
    }
    const isOver = isDone || (held.isLost && held.inFlight === 0);
    if (isOver && ledger.unrecorded === 0) this.#letGo(held);
    else if (ledger.done || ledger.unrecorded > 0) this.#touched(held);
  }

  async #record(batch: Batch, entry: string, flush: number, done: boolean, ledger: BatchLedger): Promise<boolean> {
    const { campaign, organisation, number, attempt, firstOrdinal } = batch;
    const { consumer, clock, log } = this.#parts;
    const header = { campaign, organisation, batch: number, attempt, firstOrdinal, atMs: clock.nowMs() };
    const packed = ledger.takeOutcomes();
    const answered = Buffer.from(ledger.answered);
    const settlement = { campaign, entry, flush, done, header, packed, answered, packedBytes: batch.packed.length };
    for (;;) {
      try {
        return await consumer.settle(settlement);
      } catch (error) {
        log.warn('sender.settle-failed', { campaign, batch: number }, error);
        await new Promise<void>((resolve) => clock.after(redisRetryMs, resolve));
      }
    }
  }

  #letGo(held: Held): void {
    if (!this.#stock.has(held)) return;
    this.#stock.remove(held);
    this.#dirty.delete(held);
    this.#checkEmpty();
    this.wake();
  }

  #checkEmpty(): void {
    if (this.batchesHeld === 0) this.#onEmpty?.();
  }

  // ── states and leases ─────────────────────────────────────────────────────────────────────────

  #applyState(held: Held, state: CampaignState): void {
    held.state = state;
    const isExpired = held.content.expiresAtMs <= this.#parts.clock.nowMs();
    if (state !== 'cancelled' && !isExpired) return;
    held.ledger.settleRest(state === 'cancelled' ? 'cancelled' : 'expired');
    this.#touched(held);
  }

  #armRenew(): void {
    this.#cancelRenew = this.#parts.clock.after(this.#options.batchLeaseMs / 3, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const { consumer, log, binds } = this.#parts;
    const all = this.#stock.all().filter((held) => !held.isLost);
    try {
      const renewing = all.map((held) => ({ campaign: held.ledger.batch.campaign, entry: held.entry }));
      const states = await consumer.renew(renewing);
      states.forEach((state, i) => {
        const held = all[i] as Held;
        if (state !== 'lost') this.#applyState(held, state);
        else if (!held.ledger.done) this.#lose(held);
      });
    } catch (error) {
      log.warn('sender.renew-failed', {}, error);
    }
    this.#armRenew();
    void this.claim();
    binds.pump();
  }

  async #finishOne(held: Held): Promise<void> {
    const { ledger, entry } = held;
    if (held.isFlushing || ledger.done || held.isLost) return;
    held.isFlushing = true;
    held.flushes++;
    const isOurs = await this.#record(ledger.batch, entry, held.flushes, false, ledger);
    if (isOurs) await this.#parts.consumer.giveBack({ campaign: ledger.batch.campaign, entry }, ledger.position);
    this.#letGo(held);
  }
}
