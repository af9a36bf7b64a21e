/**
 * Reservations of a worker for one carrier, on its main thread: Redis hears which frames may be written before any is.
 * It must never reserve much further than binds need: when this worker dies, nobody can tell what was reserved and
 * never written from what was written.
 */
import type { Clock } from '../clock.ts';
import type { CampaignState, Lane } from '../handoff.ts';
import type { Consumer, HoldState } from '../stream/consumer.ts';
import type { Log } from '../telemetry.ts';
import type { Demand } from './feeder.ts';
import type { Signals } from './signals.ts';
import { type Held, isWritable, type Stock } from './stock.ts';

/** What reservations are made with. */
export type ReservationParts = {
  readonly consumer: Consumer;
  readonly binds: Demand & { pump(): void };
  readonly stock: Stock;
  readonly signals: Signals;
  readonly clock: Clock;
  readonly log: Log;
};

/** Who hears of them. */
export type ReservationHandlers = {
  /** More of a batch may be written; its campaign stands so. */
  reserved(held: Held, state: CampaignState): void;
  /** It belongs to another worker now. */
  lost(held: Held): void;
};

/** Pause before Redis is asked again after an error that it answered with. */
const redisRetryMs = 250;

/** Reservations of one carrier's batches. */
export class Reservation {
  readonly #parts: ReservationParts;
  readonly #sliceSegments: number;
  readonly #handlers: ReservationHandlers;

  /** `sliceSegments`: a batch that has less to write gets twice as much reserved. */
  constructor(parts: ReservationParts, sliceSegments: number, handlers: ReservationHandlers) {
    this.#parts = parts;
    this.#sliceSegments = sliceSegments;
    this.#handlers = handlers;
  }

  /**
   * Reserves what of a lane will be written next: half of the windows, so that no bind waits for Redis. Begins when
   * half of that is used up, so that several reservations make one way to Redis. Of alerts twice as much: what may have
   * been written of them is written again in any case, and while they wait information takes their places.
   */
  ahead(lane: Lane): void {
    const { stock, binds } = this.#parts;
    const batches = stock.listed(lane);
    if (batches.length === 0 || binds.boundCount === 0) return;
    const part = lane === 'alert' ? binds.windowTotal : binds.windowTotal >> 1;
    const most = Math.max(2 * this.#sliceSegments, part);
    if (this.#reservedAhead(batches, most >> 1) >= most >> 1) return;
    let ahead = 0;
    for (const held of batches) {
      if (ahead >= most) return;
      if (!isWritable(held)) continue;
      if (held.ledger.sendable < this.#sliceSegments) this.#reserve(held);
      ahead += this.#reservedOf(held);
    }
  }

  /** Segments that are reserved and not written, or being reserved; counts no further than `enough`. */
  #reservedAhead(batches: readonly Held[], enough: number): number {
    let ahead = 0;
    for (const held of batches) {
      if (ahead >= enough) break;
      if (isWritable(held)) ahead += this.#reservedOf(held);
    }
    return ahead;
  }

  #reservedOf({ isReserving, ledger }: Held): number {
    return isReserving ? Math.min(2 * this.#sliceSegments, ledger.frameCount - ledger.next) : ledger.sendable;
  }

  #reserve(held: Held): void {
    if (held.isReserving || held.ledger.reserved >= held.ledger.frameCount) return;
    held.isReserving = true;
    void this.#reserveNext(held);
  }

  async #reserveNext(held: Held): Promise<void> {
    const { ledger } = held;
    const { consumer, signals, clock, log, binds } = this.#parts;
    const upTo = ledger.reservationEnd(2 * this.#sliceSegments);
    const moment = signals.moment;
    let state: HoldState;
    try {
      state = await consumer.reserve(held, upTo, ledger.units);
    } catch (error) {
      log.warn('reservation.failed', {}, error);
      clock.after(redisRetryMs, () => {
        held.isReserving = false;
        binds.pump();
      });
      return;
    }
    held.isReserving = false;
    if (state === 'lost') return this.#handlers.lost(held);
    ledger.reserved = Math.max(ledger.reserved, upTo);
    this.#handlers.reserved(held, signals.newest(held.campaign, state, moment));
    binds.pump();
  }
}
