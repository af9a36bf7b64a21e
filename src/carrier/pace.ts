/**
 * When a slot may send its next segments, and what a throttle answer does to it. The rate is the slot's
 * share of the carrier's contract; nobody else is asked. Pure: time comes as an argument.
 *
 * A bucket of one segment and `burstMs` worth of them: what a late look missed is caught up by that much and no
 * more, so that no second ever holds more than rate × (1 + burstMs / 1000) and one. At a slow rate that one is too
 * much; there the times of the last second's segments are kept, and counted.
 */

/** How the pace climbs back after a throttle answer, as a share of the contract's rate per second. */
const recoveryPerSecond = 0.05;
/** The slowest pace, as a share of the contract's rate. */
const factorLeast = 1 / 64;
/** Throttle answers within this time of one another are one event: they were written before the pace changed. */
const throttleOnceMs = 250;

/** Below this rate, segments a second, each segment's time is kept. */
const slowBelow = 50;
/** How far above its rate a slot may be in any one second. */
const overMost = 1.05;

/** Pace of one slot. */
export class Pace {
  readonly #ratePerMs: number;
  readonly #burstMs: number;
  #factor = 1;
  #tokens: number;
  #atMs: number;
  #throttledAtMs = Number.NEGATIVE_INFINITY;
  /** Times of as many segments as a second may hold, oldest from `#oldest` on; empty when the rate is not slow. */
  readonly #sentAtMs: Float64Array;
  #oldest = 0;

  /** `ratePerSecond`: segments; `burstMs`: how much it may catch up. */
  constructor(ratePerSecond: number, nowMs: number, burstMs = 30) {
    this.#ratePerMs = ratePerSecond / 1000;
    this.#burstMs = burstMs;
    this.#tokens = 0;
    this.#atMs = nowMs;
    const secondMost = Math.max(Math.ceil(ratePerSecond), Math.floor(ratePerSecond * overMost));
    this.#sentAtMs = new Float64Array(ratePerSecond < slowBelow ? secondMost : 0).fill(Number.NEGATIVE_INFINITY);
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
    this.#tokens = Math.min(1 + rate * this.#burstMs, this.#tokens + elapsedMs * rate);
    return Math.max(0, Math.min(Math.floor(this.#tokens), this.#freeInSecond(nowMs)));
  }

  /** Takes note that `segments` were sent; at most what `allowed` said. */
  spend(segments: number): void {
    this.#tokens -= segments;
    const places = this.#sentAtMs.length;
    for (let i = 0; i < Math.min(segments, places); i++) {
      this.#sentAtMs[this.#oldest] = this.#atMs;
      this.#oldest = (this.#oldest + 1) % places;
    }
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
    const tokenMs = Math.max(0, 1 - this.#tokens) / (this.#ratePerMs * this.#factor);
    const places = this.#sentAtMs.length;
    return places === 0 ? tokenMs : Math.max(tokenMs, (this.#sentAtMs[this.#oldest] as number) + 1000 - nowMs);
  }

  /** Segments that the second which ends at `nowMs` has room for. */
  #freeInSecond(nowMs: number): number {
    const places = this.#sentAtMs.length;
    if (places === 0) return Number.POSITIVE_INFINITY;
    let free = 0;
    while (free < places && (this.#sentAtMs[(this.#oldest + free) % places] as number) <= nowMs - 1000) free++;
    return free;
  }
}
