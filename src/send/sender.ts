/**
 * A worker's loop for one carrier, on its main thread: takes batches that are due, has them encoded, reserves and
 * offers their frames, judges the answers and sees to it that every outcome is in Redis. It must never write a
 * frame that is not reserved, and never take work while no bind can carry it.
 *
 *   take ─► encode ─► reserve ─► next() ─► written ─► answered ─► recorded ─► done
 *                                             └──────► lost ──► written again (alert) or unknown (information)
 */
import type { Room, RunSource } from '../carrier/pool.ts';
import type { Run } from '../carrier/link.ts';
import { type CampaignState, type Id, type Lane, lanes } from '../handoff.ts';
import type { MessageIdSpelling } from '../smpp/message-id.ts';
import { Answers } from './answers.ts';
import { type Demand, Feeder, type FeederOptions, type FeederParts } from './feeder.ts';
import { LateAnswers } from './late.ts';
import type { RetryLimits } from './retry.ts';
import type { SenderCounts } from './counts.ts';
import { Recording } from './recording.ts';
import { Reservation } from './reservation.ts';
import { Signals } from './signals.ts';
import { type Held, Stock } from './stock.ts';

/** Limits and habits of a sender. */
export type SenderOptions = RetryLimits &
  FeederOptions & {
    readonly messageId: MessageIdSpelling;
    /** Segments reserved at once at least; a quarter of the window when that is more. */
    readonly reservationSegments: number;
    readonly window: number;
    readonly batchLeaseMs: number;
    readonly outcomeFlushMs: number;
  };

/** What a sender is made of. */
export type SenderParts = FeederParts & {
  readonly binds: Demand & { pump(): void };
  /** Hears how long after its launch the first segment of a campaign was written. */
  readonly firstSubmitted?: ((lane: Lane, ms: number) => void) | undefined;
};

/** Part of a batch's lease that its holder believes in, by its own clock from before it asked. */
const trust = 0.8;

/** The sender of one carrier. */
export class Sender implements RunSource {
  readonly #parts: SenderParts;
  readonly #options: SenderOptions;
  readonly #sliceSegments: number;
  readonly #stock = new Stock();
  readonly #signals = new Signals();
  readonly #recording: Recording;
  readonly #late: LateAnswers;
  readonly #reservation: Reservation;
  readonly #feeder: Feeder;
  /** Hears what becomes of written frames. */
  readonly answers: Answers;
  #isStopping = false;
  #isAway = false;
  /** A bind could submit when batches were renewed last. */
  #wasBound = true;
  #isPaused = false;
  /** Batches in hand are surely ours until then, monotonic: a worker that was stopped and goes on must ask first. */
  #trustedUntilMs: number;
  #cancelRenew: () => void = () => undefined;
  #finishing: Promise<void> | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(parts: SenderParts, options: SenderOptions) {
    this.#parts = parts;
    this.#options = options;
    const { consumer, clock, log } = parts;
    this.#recording = new Recording(
      consumer,
      { flushMs: options.outcomeFlushMs, flushOutcomes: options.window },
      clock,
      log,
      {
        over: (held) => this.#letGo(held),
        lost: (held) => this.#lose(held),
        // It may have been what no further alert could be written for.
        recorded: (held) => held.content.nature === 'alert' && parts.binds.pump(),
      },
    );
    this.#late = new LateAnswers(consumer, options.outcomeFlushMs, clock, log);
    this.answers = new Answers({
      stock: this.#stock,
      recording: this.#recording,
      late: this.#late,
      binds: parts.binds,
      messageId: options.messageId,
      retry: options,
      clock,
      log,
    });
    this.#trustedUntilMs = clock.monotonicMs() + options.batchLeaseMs * trust;
    this.#feeder = new Feeder(parts, options, this.#stock, this.#signals, {
      admitted: (held) => void this.#admitted(held),
      closed: (lane, outcome, recipients) => {
        this.#stock.counts[lane][outcome] += recipients;
      },
      refused: async (ledger, hold) => {
        await this.#recording.record(hold, ledger, 1, true, false);
      },
      idle: () => this.#checkEmpty(),
    });
    this.#sliceSegments = Math.min(options.window, Math.max(options.reservationSegments, options.window >> 2));
    this.#reservation = new Reservation(
      { consumer, clock, log, binds: parts.binds, stock: this.#stock, signals: this.#signals },
      this.#sliceSegments,
      { reserved: (held, state) => this.#applyState(held, state), lost: (held) => this.#lose(held) },
    );
  }

  /** Totals since the start. */
  get counts(): Readonly<Record<Lane, Readonly<SenderCounts>>> {
    return this.#stock.counts;
  }

  /** Batches in hand. */
  get batchesHeld(): number {
    return this.#stock.size + this.#feeder.batchesEncoding;
  }

  /** Begins to take work. */
  start(): void {
    this.#feeder.start();
    this.#armRenew();
  }

  /** A bind can submit, or can again. */
  bound(): void {
    this.wake();
    void this.claim();
    this.#parts.binds.pump();
  }

  /** There may be something to take. */
  wake(): void {
    this.#feeder.wake();
  }

  /** Batches whose holder is gone, or gave them back, may be taken over. */
  async claim(): Promise<void> {
    await this.#feeder.claim();
  }

  /** A campaign was paused, resumed or cancelled. */
  setState(campaign: Id, state: CampaignState): void {
    this.#signals.hear(campaign, state);
    for (const held of this.#stock.all()) if (held.campaign === campaign) this.#applyState(held, state);
    this.wake();
    this.#parts.binds.pump();
  }

  /** Whether the carrier is away and another can have what was never written: all that waits is given up for it. */
  setAway(isAway: boolean): void {
    this.#isAway = isAway;
    this.#feeder.setAway(isAway);
    if (!isAway) return;
    for (const held of this.#stock.all()) this.#applyState(held, held.state);
    void this.claim();
  }

  /**
   * This worker has no bind for what is in hand, and another one may have: it is given back, but for batches of which
   * an answer is due. Where the carrier is away for all, it is given up instead.
   */
  leaveToOthers(): void {
    if (this.#isAway || this.#isStopping) return;
    for (const held of this.#stock.all()) if (held.inFlight === 0) void this.#finishOne(held);
  }

  /** Whether the operator paused the carrier: then nothing is written, alerts neither; what is in hand goes back. */
  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused;
    this.#feeder.setPaused(isPaused);
    if (!isPaused) this.bound();
  }

  /** Takes nothing more and offers nothing more; binds may be drained after this. */
  stopSending(): void {
    this.#isStopping = true;
    this.#feeder.stop();
  }

  /** After the binds are closed: records every outcome, gives back what was not written. */
  finish(): Promise<void> {
    this.#finishing ??= this.#finish();
    return this.#finishing;
  }

  async #finish(): Promise<void> {
    this.stopSending();
    await this.#feeder.quiet();
    await Promise.all(this.#stock.all().map((held) => this.#finishOne(held)));
    if (this.batchesHeld > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve));
    await this.#late.finish();
    this.#cancelRenew();
    this.answers.stop();
  }

  // ── frames out ────────────────────────────────────────────────────────────────────────────────

  /** The most urgent run that fits; see `RunSource`. */
  next(room: Room): Run | undefined {
    if (this.#isStopping || this.#isPaused || this.#parts.clock.monotonicMs() >= this.#trustedUntilMs) return undefined;
    // A crash doubles what was written of alerts and is not recorded: never more than the windows hold.
    const alert = Math.min(room.alert, this.#parts.binds.windowTotal - this.#stock.alertsOpen);
    const chosen = this.#stock.next({ ...room, alert }, this.#parts.clock.nowMs());
    for (const held of this.#stock.expired.splice(0)) this.#applyState(held, held.state);
    if (chosen === undefined) {
      for (const lane of lanes) this.#reservation.ahead(lane);
      return undefined;
    }
    const { held, run } = chosen;
    held.counts.written += run.to - run.from;
    if (held.isUnwritten) this.#begun(held);
    if (held.ledger.sendable < this.#sliceSegments) this.#reservation.ahead(held.content.nature);
    if (this.#feeder.wantsMore(held.content.nature)) this.wake();
    return run;
  }

  #begun(held: Held): void {
    held.isUnwritten = false;
    held.span.event('submitted');
    const { launchedAtMs, nature } = held.content;
    if (!held.isFirst || launchedAtMs === undefined) return;
    this.#parts.firstSubmitted?.(nature, Math.max(0, this.#parts.clock.nowMs() - launchedAtMs));
  }

  async #admitted(held: Held): Promise<void> {
    for (const frame of held.ledger.unanswered()) this.answers.decide(held, frame, 'unanswered', 0, '');
    this.#applyState(held, held.state);
    if (this.#isStopping) return await this.#finishOne(held);
    if (this.#parts.binds.windowTotal === 0) this.leaveToOthers();
    this.#reservation.ahead(held.content.nature);
    this.#recording.touched(held);
    this.#parts.binds.pump();
  }

  /** Somebody else holds the batch now: nothing more of it is written here. */
  #lose(held: Held): void {
    if (held.isLeaving) return;
    held.isLost = true;
    this.#parts.log.warn('batch.lost', { campaign: held.campaign, batch: held.ledger.batch.number });
    this.#recording.touched(held);
  }

  // ── states and leases ─────────────────────────────────────────────────────────────────────────

  #applyState(held: Held, state: CampaignState): void {
    if (held.isLeaving) return;
    held.state = state;
    const isExpired = held.content.expiresAtMs <= this.#parts.clock.nowMs();
    const rest = state === 'cancelled' ? 'cancelled' : isExpired ? 'expired' : 'rerouted';
    if (rest === 'rerouted' && (!this.#isAway || held.isLost)) return;
    held.ledger.settleRest(rest);
    this.#recording.touched(held);
  }

  #armRenew(): void {
    this.#cancelRenew = this.#parts.clock.after(this.#options.batchLeaseMs / 3, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const { consumer, log, binds, clock } = this.#parts;
    const all = this.#stock.all().filter((held) => !held.isLost);
    const askedMs = clock.monotonicMs();
    const moment = this.#signals.moment;
    try {
      const states = await consumer.renew(all);
      this.#trustedUntilMs = askedMs + this.#options.batchLeaseMs * trust;
      states.forEach((state, i) => {
        const held = all[i] as Held;
        if (state !== 'lost') this.#applyState(held, this.#signals.newest(held.campaign, state, moment));
        else if (!held.ledger.done) this.#lose(held);
      });
    } catch (error) {
      log.warn('sender.renew-failed', {}, error);
    }
    if (this.#isStopping && this.batchesHeld === 0) return;
    this.#armRenew();
    const isBound = binds.boundCount > 0 && !this.#isPaused;
    if (!isBound && !this.#wasBound) this.leaveToOthers();
    this.#wasBound = isBound;
    void this.claim();
    binds.pump();
  }

  async #finishOne(held: Held): Promise<void> {
    const { ledger } = held;
    while (held.flushing !== undefined && !held.isLeaving) await held.flushing;
    // With an answer due, a bind has come up again, and it stays.
    if (held.isLeaving || !this.#stock.has(held) || held.inFlight > 0) return;
    // These two go by themselves, once their last outcomes are recorded.
    if (ledger.done || held.isLost) return this.#recording.touched(held);
    held.isLeaving = true;
    const isOurs = await this.#recording.last(held);
    try {
      if (isOurs) await this.#parts.consumer.giveBack(held, ledger.position);
    } catch (error) {
      this.#parts.log.warn('sender.give-back-failed', { campaign: held.campaign }, error);
    }
    this.#letGo(held);
  }

  #letGo(held: Held): void {
    if (!this.#stock.has(held)) return;
    this.#stock.remove(held);
    held.span.end({ 'tocsin.segments': held.ledger.frameCount, 'tocsin.lost': held.isLost });
    this.#checkEmpty();
    this.wake();
  }

  #checkEmpty(): void {
    if (this.batchesHeld === 0) this.#onEmpty?.();
  }
}
