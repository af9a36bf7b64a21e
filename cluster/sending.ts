/**
 * A worker's lines to all carriers, which the operator may have drained and taken up again while the process lives.
 * Main thread of the worker. Draining is what SIGTERM does: nothing new is taken, windows run empty, binds are
 * unbound, slots and what was not written are given back. It must never hold two sets of lines at once.
 */
import type { Carrier } from '../config/load.ts';
import type { Clock } from '../src/clock.ts';
import type { Service } from '../src/service.ts';
import type { LinePresence, Wish, WorkerPhase } from '../src/stream/presence.ts';
import { createLines, type Lines, type WorkerParts } from './lines.ts';

/** What a carrier's sender must know of its standing. */
export type LineStanding = { readonly isPaused: boolean; readonly isAway: boolean };

/** What sending needs beside the parts of the lines. */
export type SendingParts = {
  readonly carriers: readonly Carrier[];
  readonly lines: WorkerParts;
  readonly standingOf: (carrier: Carrier) => LineStanding;
  /** Hears of each new phase. */
  readonly changed: () => void;
  readonly drainMs: number;
  readonly clock: Clock;
};

/** See the head of this file. */
export class Sending implements Service {
  readonly name = 'sending';
  readonly #parts: SendingParts;
  #lines: readonly Lines[];
  #lives = 1;
  #phase: WorkerPhase = 'sending';
  #turning: Promise<void> | undefined;

  constructor(parts: SendingParts) {
    this.#parts = parts;
    this.#lines = this.#create();
  }

  /** The present lines; those of before when drained. */
  get lines(): readonly Lines[] {
    return this.#lines;
  }

  /** What the worker does. */
  get phase(): WorkerPhase {
    return this.#phase;
  }

  /** The lines for whoever watches. */
  get presence(): readonly LinePresence[] {
    return this.#lines.map(({ carrier, pool, sender }) => ({
      carrier: carrier.name,
      slots: pool.slots.length,
      bound: pool.boundCount,
      open: pool.inFlight,
      batches: sender.batchesHeld,
    }));
  }

  /** Begins to send. */
  async start(): Promise<void> {
    this.stand();
    await Promise.all(this.#lines.map((line) => line.start()));
  }

  /** The standing of some carrier may have changed. */
  stand(): void {
    for (const { carrier, sender } of this.#lines) {
      const { isPaused, isAway } = this.#parts.standingOf(carrier);
      sender.setPaused(isPaused);
      sender.setAway(isAway);
    }
  }

  /** Does what the operator wishes, if it is not done, or being done. */
  heed(wish: Wish): void {
    if (this.#turning !== undefined) return;
    if (wish === 'drain' && this.#phase === 'sending') this.#turn(() => this.#drain());
    else if (wish === 'work' && this.#phase === 'drained') this.#turn(() => this.#takeUp());
  }

  /** Ends for good. */
  async stop(deadlineMs: number): Promise<void> {
    await this.#turning;
    const isDrained = this.#phase === 'drained';
    this.#enter('stopping');
    if (!isDrained) await this.#stopLines(deadlineMs);
  }

  #turn(step: () => Promise<void>): void {
    const { log } = this.#parts.lines;
    this.#turning = step()
      .catch((error: unknown) => log.error('sending.turn-failed', { phase: this.#phase }, error))
      .finally(() => {
        this.#turning = undefined;
      });
  }

  async #drain(): Promise<void> {
    const { clock, drainMs } = this.#parts;
    this.#enter('draining');
    await this.#stopLines(clock.monotonicMs() + drainMs);
    this.#enter('drained');
  }

  async #takeUp(): Promise<void> {
    // Ledgers know a holder by its name and the number of its hold: numbers begin anew, so the name must be new.
    this.#lives++;
    this.#lines = this.#create();
    this.#enter('sending');
    await this.start();
  }

  async #stopLines(deadlineMs: number): Promise<void> {
    await Promise.all(this.#lines.map((line) => line.stop(deadlineMs)));
  }

  #create(): Lines[] {
    const { carriers, lines } = this.#parts;
    const worker = this.#lives === 1 ? lines.worker : `${lines.worker}.${this.#lives}`;
    return carriers.map((carrier) => createLines(carrier, { ...lines, worker }));
  }

  #enter(phase: WorkerPhase): void {
    this.#phase = phase;
    this.#parts.lines.log.info('sending.phase', { phase });
    this.#parts.changed();
  }
}
