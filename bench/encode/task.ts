/** What the script of `encode` is asked and what it answers. Pure. */

/** Where batches are encoded. */
export type Place = 'in place' | 'threads';

/** Encode `recipients` in batches of each of `sizes`. */
export type EncodeBenchTask = {
  readonly place: Place;
  readonly threads: number;
  readonly personalised: boolean;
  readonly sizes: readonly number[];
  readonly recipients: number;
};

/** What one recipient took, microseconds; and what was written in all, to compare. */
export type SizeAnswer = {
  readonly size: number;
  /** By the clock, with enough batches on their way to keep every thread busy. */
  readonly wallMicros: number;
  /** During which the main thread could do nothing else. */
  readonly mainMicros: number;
  /** Of all threads together. */
  readonly cpuMicros: number;
  readonly frames: number;
  readonly octets: number;
};

export type EncodeBenchAnswer = { readonly sizes: readonly SizeAnswer[]; readonly peakMegabytes: number };

/** Enough batches for any clock; more of the small ones would only take long. */
const batchesMax = 20_000;

/** Batches of `size` that are measured when `recipients` are asked for. */
export function batchesOf(recipients: number, size: number): number {
  return Math.max(1, Math.min(batchesMax, Math.round(recipients / size)));
}
