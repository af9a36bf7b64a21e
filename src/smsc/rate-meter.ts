/**
 * How many events fell into the last second, and the most that any second saw. Counts in bins of 10 ms, so
 * a reported peak may miss events at the edge of a bin but never counts more than a real second. Pure.
 */
const binMs = 10;
const bins = 100;

/** A sliding second. */
export class RateMeter {
  readonly #counts = new Uint32Array(bins);
  #bin = 0;
  #sum = 0;
  #peak = 0;

  /** Moves on to `nowMs` (monotonic milliseconds); call it before counting what arrived then. */
  advance(nowMs: number): void {
    const bin = Math.floor(nowMs / binMs);
    const passed = Math.min(bins, bin - this.#bin);
    for (let step = 1; step <= passed; step += 1) {
      const index = (bin - passed + step) % bins;
      this.#sum -= this.#counts[index] ?? 0;
      this.#counts[index] = 0;
    }
    if (bin > this.#bin) this.#bin = bin;
  }

  /** Counts one event. */
  count(): void {
    const index = this.#bin % bins;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sum += 1;
    if (this.#sum > this.#peak) this.#peak = this.#sum;
  }

  /** Events within the last second. */
  get lastSecond(): number {
    return this.#sum;
  }

  /** The most events within one second so far. */
  get peak(): number {
    return this.#peak;
  }
}
