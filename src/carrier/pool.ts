/**
 * The binds that this worker holds of one carrier, and the pump that fills their windows. Runs on the worker's
 * main thread. What goes out first is decided here, at the last moment: whenever a bind has room, the source is
 * asked for the most urgent run, and a part of every window is kept for alerts. The rate of a slot whose bind is not
 * bound yet, or not any more, goes to the others as long as the slot is held.
 */
import type { Clock } from '../clock.ts';
import type { Log } from '../telemetry.ts';
import { type AnswerDeliveries, Bind, type BindMeans, type BindSettings, socketMeans } from './bind.ts';
import type { CloseReason } from '../smpp/session.ts';
import type { LateAnswer, Run } from './link.ts';
import type { Pace } from './pace.ts';

/** What a bind can take at this moment, in segments. */
export type Room = {
  /** What its pace allows; a longer message is parted, so that no second ever holds more than the contract allows. */
  readonly paced: number;
  /** Free places in its window. */
  readonly alert: number;
  /** Free places in the part of its window that information may use. */
  readonly information: number;
  /** What `alert` and `information` can be at most: no message may wait for more than that. */
  readonly most: { readonly alert: number; readonly information: number };
};

/** Where runs come from. */
export type RunSource = {
  /** The most urgent run that fits; undefined when there is none. */
  next(room: Room): Run | undefined;
};

/** Who hears of the pool's binds. */
export type PoolHandlers = {
  answered(bind: Bind, ticket: number, commandStatus: number, messageId: string): void;
  lost(ticket: number): void;
  overdue(bind: Bind, ticket: number): LateAnswer;
  /** See `LinkHandlers`. */
  responded?(ms: number): void;
  delivered(answer: AnswerDeliveries, sequence: number, buffer: Buffer, start: number, end: number): void;
  /** A bind can submit, or can again. */
  bound(): void;
  /** See `BindHandlers`. */
  closed?(reason: CloseReason): void;
};

/** Shortest pause before a bind that has to wait for its pace is looked at again. */
const paceTickMs = 2;

/** The binds of one carrier. */
export class Pool {
  readonly #settings: BindSettings;
  readonly #source: RunSource;
  readonly #handlers: PoolHandlers;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #means: BindMeans;
  readonly #informationWindow: number;
  readonly #binds = new Map<number, Bind>();
  #first = 0;
  #isPumping = false;
  #trustedUntilMs = Number.POSITIVE_INFINITY;
  #cancelPace: () => void = () => undefined;
  #paceDueMs = Number.POSITIVE_INFINITY;

  /** `alertWindowShare`: the part of each window that information may not use. */
  constructor(
    settings: BindSettings,
    alertWindowShare: number,
    source: RunSource,
    handlers: PoolHandlers,
    clock: Clock,
    log: Log,
    means: BindMeans = socketMeans,
  ) {
    this.#settings = settings;
    this.#source = source;
    this.#handlers = handlers;
    this.#clock = clock;
    this.#log = log;
    this.#means = means;
    const kept = settings.window > 1 ? Math.ceil(settings.window * alertWindowShare) : 0;
    this.#informationWindow = Math.max(1, settings.window - kept);
  }

  /** Slots with a bind, bound or on its way. */
  get slots(): number[] {
    return [...this.#binds.keys()];
  }

  /** Binds that can submit now. */
  get boundCount(): number {
    let bound = 0;
    for (const bind of this.#binds.values()) if (bind.isBound) bound++;
    return bound;
  }

  /** Segments that wait for an answer. */
  get inFlight(): number {
    let inFlight = 0;
    for (const bind of this.#binds.values()) inFlight += bind.inFlight;
    return inFlight;
  }

  /** Segments that all windows together may hold. */
  get windowTotal(): number {
    return this.#binds.size * this.#settings.window;
  }

  /** Share of the contract's rate that throttling leaves to the binds, from 0 to 1; 1 when there is none. */
  get paceShare(): number {
    let sum = 0;
    for (const bind of this.#binds.values()) sum += bind.pace.factor;
    return this.#binds.size === 0 ? 1 : sum / this.#binds.size;
  }

  /** Segments a second that the held slots may send. */
  get ratePerSecond(): number {
    return this.#binds.size * this.#settings.ratePerSecond;
  }

  /** The slots are surely ours until then (monotonic): nothing is submitted later. */
  trust(untilMs: number): void {
    this.#trustedUntilMs = untilMs;
    this.pump();
  }

  /** Opens the bind of a slot. */
  open(slot: number): void {
    if (this.#binds.has(slot)) return;
    const handlers = { ...this.#handlers, ready: () => this.pump() };
    const log = this.#log.with({ slot });
    this.#binds.set(slot, new Bind(this.#settings, handlers, this.#clock, log, this.#means));
  }

  /** Drains the bind of a slot; after `deadlineMs` (monotonic) what is still open is given up. */
  async close(slot: number, deadlineMs: number): Promise<void> {
    const bind = this.#binds.get(slot);
    if (bind === undefined) return;
    bind.pace.handOver(this.#clock.monotonicMs());
    const cancel = this.#clock.after(Math.max(0, deadlineMs - this.#clock.monotonicMs()), () => bind.abandon());
    await bind.stop();
    cancel();
    this.#binds.delete(slot);
  }

  /** Closes the bind of a slot at once: its lease is lost. */
  abandon(slot: number): void {
    this.#binds.get(slot)?.abandon();
    this.#binds.delete(slot);
  }

  /** Fills every window as far as room, pace and work allow. */
  pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    let waitMs = Number.POSITIVE_INFINITY;
    try {
      const binds = [...this.#binds.values()];
      const spare = binds.filter((bind) => !bind.isBound).map(({ pace }) => pace);
      for (let i = 0; i < binds.length; i++) {
        waitMs = Math.min(waitMs, this.#fill(binds[(this.#first + i) % binds.length] as Bind, spare));
      }
      this.#first++;
    } finally {
      this.#isPumping = false;
    }
    if (Number.isFinite(waitMs)) this.#pumpAfter(Math.max(paceTickMs, waitMs));
  }

  /** Pumps again after `waitMs`, or sooner when some bind was promised that. */
  #pumpAfter(waitMs: number): void {
    const dueMs = this.#clock.monotonicMs() + waitMs;
    if (dueMs >= this.#paceDueMs) return;
    this.#cancelPace();
    this.#paceDueMs = dueMs;
    this.#cancelPace = this.#clock.after(waitMs, () => {
      this.#paceDueMs = Number.POSITIVE_INFINITY;
      this.pump();
    });
  }

  /**
   * Fills one bind; returns how long it must wait for its pace, Infinity when something else must happen first.
   * `spare`: paces of slots whose binds cannot submit: the rate is the slot's, and any bind of ours may use it.
   */
  #fill(bind: Bind, spare: readonly Pace[]): number {
    const { window } = this.#settings;
    const most = { alert: window, information: this.#informationWindow };
    for (;;) {
      const room = bind.room;
      if (room === 0) return Number.POSITIVE_INFINITY;
      const nowMs = this.#clock.monotonicMs();
      if (nowMs >= this.#trustedUntilMs) return Number.POSITIVE_INFINITY;
      // Who was asked for less uses nobody else's rate.
      const paces = spare.length === 0 || bind.pace.factor < 1 ? [bind.pace] : [bind.pace, ...spare];
      const pace = paces.find((one) => one.allowed(nowMs) >= 1);
      if (pace === undefined) return Math.min(...paces.map((one) => one.waitMs(nowMs)));
      const paced = pace.allowed(nowMs);
      const information = Math.min(room, Math.max(0, this.#informationWindow - bind.inFlight));
      const run = this.#source.next({ paced, alert: room, information, most });
      if (run === undefined) return Number.POSITIVE_INFINITY;
      pace.spend(run.to - run.from);
      bind.submit(run);
    }
  }
}
