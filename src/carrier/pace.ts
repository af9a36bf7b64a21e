/**
 * When a slot may send its next segments, and what a throttle answer does to it. The rate is the slot's
 * share of the carrier's contract; nobody else is asked. Pure: time comes as an argument.
 *
 * A bucket of `burstMs` worth of segments: after a pause a slot catches up by that much and no more, so
 * that no second ever holds more than rate × (1 + burstMs / 1000).
 */

/** How the pace climbs back after a throttle answer, as a share of the contract's rate per second. */
const recoveryPerSecond = 0.05;
/** The slowest pace, as a share of the contract's rate. */
const factorLeast = 1 / 64;
/** Throttle answers within this time of one another are one event: they were written before the pace changed. */
const throttleOnceMs = 250;

/** Pace of one slot. */
export class Pace {
  readonly #ratePerMs: number;
  readonly #burstMs: number;
  #factor = 1;
  #tokens: number;
  #atMs: number;
  #throttledAtMs = Number.NEGATIVE_INFINITY;

  /** `ratePerSecond`: segments; `burstMs`: how much it may catch up. */
  constructor(ratePerSecond: number, nowMs: number, burstMs = 30) {
    this.#ratePerMs = ratePerSecond / 1000;
    this.#burstMs = burstMs;
    this.#tokens = 0;
    this.#atMs = nowMs;
  }

  /** Present share of the contract's rate, 1 when nothing throttles. */
  get factor(): number {
    return this.#factor;
  }

  /** Whole segments that may be sent now. */
  allowed(nowMs: number): number {
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#atMs = nowMs;
    this.#factor = Math.min(1, this.#factor + (recoveryPerSecond * elapsedMs) / 1000);
    const rate = this.#ratePerMs * this.#factor;
    this.#tokens = Math.min(Math.max(1, rate * this.#burstMs), this.#tokens + elapsedMs * rate);
    return Math.floor(this.#tokens);
  }

  /** Takes note that `segments` were sent; at most what `allowed` said. */
  spend(segments: number): void {
    this.#tokens -= segments;
  }

  /** The carrier asked for less (ESME_RTHROTTLED, ESME_RMSGQFUL). */
  throttled(nowMs: number): void {
    if (nowMs - this.#throttledAtMs < throttleOnceMs) return;
    this.#throttledAtMs = nowMs;
    this.#factor = Math.max(factorLeast, this.#factor / 2);
    this.#tokens = Math.min(this.#tokens, 0);
  }

  /** Milliseconds from `nowMs` until a segment may be sent; 0 when one may be sent now. */
  waitMs(nowMs: number): number {
    if (this.allowed(nowMs) >= 1) return 0;
    return (1 - this.#tokens) / (this.#ratePerMs * this.#factor);
  }
}
