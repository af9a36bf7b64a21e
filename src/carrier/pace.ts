/**
 * When a slot may send its next segments, and what a throttle answer does to it. The rate is the slot's
 * share of the carrier's contract; nobody else is asked. Pure: time comes as an argument.
 *
 * A bucket of one segment and `burstMs` worth of them: what a late look missed is caught up by that much. What was
 * sent is counted by the millisecond, so that however it is caught up no second holds more than `overMost` allows.
 */

/** How the pace climbs back after a throttle answer, as a share of the contract's rate per second. */
const recoveryPerSecond = 0.05;
/** The slowest pace, as a share of the contract's rate. */
const factorLeast = 1 / 64;
/** Throttle answers within this time of one another are one event: they were written before the pace changed. */
const throttleOnceMs = 250;

/** How far above its rate a slot may be in any one second. */
const overMost = 1.01;
/** The milliseconds that a second touches. */
const bins = 1_001;

/** Pace of one slot. */
export class Pace {
  readonly #ratePerMs: number;
  #burstMs: number;
  #factor = 1;
  #tokens: number;
  #atMs: number;
  #throttledAtMs = Number.NEGATIVE_INFINITY;
  readonly #secondMost: number;
  /** Segments by the millisecond in which they were sent, that of `#bin` the latest. */
  readonly #sent = new Uint32Array(bins);
  #bin: number;
  #sentInSecond = 0;

  /** `ratePerSecond`: segments; `burstMs`: how much it may catch up. */
  constructor(ratePerSecond: number, nowMs: number, burstMs = 50) {
    this.#ratePerMs = ratePerSecond / 1000;
    this.#burstMs = burstMs;
    this.#tokens = 0;
    this.#atMs = nowMs;
    this.#bin = Math.floor(nowMs);
    // A slow slot holds whole segments.
    this.#secondMost = Math.max(Math.ceil(ratePerSecond), Math.floor(ratePerSecond * overMost));
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
    this.#advance(nowMs);
    return Math.max(0, Math.min(Math.floor(this.#tokens), this.#secondMost - this.#sentInSecond));
  }

  /** Takes note that `segments` were sent; at most what `allowed` said. */
  spend(segments: number): void {
    this.#tokens -= segments;
    this.#sent[this.#bin % bins] = (this.#sent[this.#bin % bins] as number) + segments;
    this.#sentInSecond += segments;
  }

  /**
   * The slot is to be another's, who begins with its full rate: what may have been caught up is paid back first, and
   * nothing is caught up any more.
   */
  handOver(nowMs: number): void {
    this.allowed(nowMs);
    this.#tokens -= 1 + this.#ratePerMs * this.#burstMs;
    this.#burstMs = 0;
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
    return Math.max(tokenMs, this.#sentInSecond < this.#secondMost ? 0 : this.#secondFreeAtMs() - nowMs);
  }

  /** Forgets what is more than a second ago. */
  #advance(nowMs: number): void {
    const bin = Math.floor(nowMs);
    for (let passed = Math.max(this.#bin, bin - bins) + 1; passed <= bin; passed++) {
      this.#sentInSecond -= this.#sent[passed % bins] as number;
      this.#sent[passed % bins] = 0;
    }
    this.#bin = Math.max(this.#bin, bin);
  }

  /** When a full second is no longer full. */
  #secondFreeAtMs(): number {
    let oldest = this.#bin - bins + 1;
    let left = this.#sentInSecond;
    for (; oldest <= this.#bin; oldest++) {
      left -= this.#sent[(oldest + bins) % bins] as number;
      if (left < this.#secondMost) break;
    }
    return oldest + bins;
  }
}
