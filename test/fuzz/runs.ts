/**
 * How much the fuzz tests run: little in `npm test`, as much as wanted with `npm run fuzz`. The seed is printed with
 * every failure and repeats it. Runs in the test's process.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Parameters } from 'fast-check';

const quickRuns = 10_000;
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000);
const runs = Number(process.env['FUZZ_RUNS'] ?? quickRuns);
/** A hang guard, far above what a run takes. */
const runMsMax = 20;

/** Runs of a test that costs `times` as much as one over bytes in memory. */
export function fuzzed<Values>(times = 1): Parameters<Values> {
  return { seed, numRuns: Math.max(20, Math.ceil(runs / times)), endOnFailure: false };
}

/** The hang guard of such a test, in milliseconds. */
export const fuzzTimeoutMs = 120_000 + runs * runMsMax;

/** What is kept may be so much more after all runs than before: caches and compiled code, but nothing for each run. */
const keptBytesMax = 32 * 1024 * 1024;

/** Runs `run`, and fails when the heap kept something for what was run. */
export async function keepingNothing(run: () => Promise<void> | void): Promise<void> {
  const before = keptBytes();
  await run();
  const grown = keptBytes() - before;
  if (grown > keptBytesMax) throw new Error(`${Math.round(grown / 1024 / 1024)} MB were kept`);
}

function keptBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
