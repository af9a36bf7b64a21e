/**
 * How often somebody may ask: a generic cell rate (ITU-T I.371), which is one number for each who asks. Kept in the
 * memory of one process, for a bounded number of them; of more, those that were quiet longest are forgotten. Pure.
 */

/** A rate with a burst, for any number of keys. */
export class Rate {
  readonly #intervalMs: number;
  readonly #toleranceMs: number;
  readonly #keysMax: number;
  /** When each would have used up what it was allowed, by the time of `nowMs`; the quietest first. */
  readonly #dueMs = new Map<string, number>();

  /** `perSecond` of 0: no limit. `burst`: how many at once, after a time of quiet. */
  constructor(perSecond: number, burst: number, keysMax = 100_000) {
    this.#intervalMs = perSecond > 0 ? 1000 / perSecond : 0;
    this.#toleranceMs = this.#intervalMs * (burst - 1);
    this.#keysMax = keysMax;
  }

  /** Milliseconds until `key` may ask again; 0 when it may now. Counts nothing. */
  waitMs(key: string, nowMs: number): number {
    return Math.max(0, (this.#dueMs.get(key) ?? nowMs) - nowMs - this.#toleranceMs);
  }

  /** Counts a request when it may be; milliseconds to wait when it may not, and 0 when it may. */
  take(key: string, nowMs: number): number {
    const waitMs = this.waitMs(key, nowMs);
    if (waitMs > 0 || this.#intervalMs === 0) return waitMs;
    const dueMs = Math.max(this.#dueMs.get(key) ?? nowMs, nowMs) + this.#intervalMs;
    this.#dueMs.delete(key);
    this.#dueMs.set(key, dueMs);
    const quietest = this.#dueMs.size > this.#keysMax ? this.#dueMs.keys().next().value : undefined;
    if (quietest !== undefined) this.#dueMs.delete(quietest);
    return 0;
  }
}
