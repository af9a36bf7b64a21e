/**
 * What the simulator's log says of a storm: who got which rate while waiting, and when the small campaigns were done.
 * Campaigns are known by the number at the end of their text. Used by the bench `storm`.
 */
import { readLog } from '../src/smsc/log-reader.ts';
import { type BenchContext, quantileOf, rounded } from './harness.ts';

/** An organisation's campaign; `atMs` is when its launch was asked for, epoch milliseconds. */
export type Town = { readonly atMs: number; readonly recipients: number; readonly weight: number };

/** What came of one campaign: times of its submit_sm in order, epoch milliseconds, and how many it reached. */
export type StormArrivals = { readonly atMs: readonly number[]; readonly reached: number };

/**
 * Rates are compared over windows, each a seventh of the time that the contract takes for everything: some batches of
 * everybody. A window counts the organisations that wait in it from beginning to end, begun or not; the windows follow
 * the last launch request one by one for as long as a tenth of all organisations, and two at least, wait.
 */
const windowParts = 7;

/** Reads a simulator's log of `towns` campaigns. */
export async function readStorm(log: string, towns: number): Promise<StormArrivals[]> {
  const all = Array.from({ length: towns }, () => ({ atMs: [] as number[], recipients: new Set<string>() }));
  for await (const { text, destination, atMicros } of readLog(log)) {
    const town = all[Number(text.slice(text.lastIndexOf(' ') + 1))];
    town?.atMs.push(atMicros / 1000);
    town?.recipients.add(destination);
  }
  return all.map(({ atMs, recipients }) => ({ atMs, reached: recipients.size }));
}

/** Figures of a storm; fails unless every campaign reached everybody once. */
export function judgeStorm(
  arrivals: readonly StormArrivals[],
  towns: readonly Town[],
  { rate, smallRecipients }: { readonly rate: number; readonly smallRecipients: number },
  check: BenchContext<unknown>['check'],
) {
  const wanted = towns.map(({ recipients }) => recipients);
  const lengths = arrivals.map(({ atMs }) => atMs.length);
  check('submit_sm by campaign', lengths, wanted);
  check(
    'recipients by campaign',
    arrivals.map(({ reached }) => reached),
    wanted,
  );
  const messages = lengths.reduce((sum, length) => sum + length, 0);
  const windowMs = (messages * 1000) / rate / windowParts;
  const fairness = fairnessOf(arrivals, towns, windowMs);
  const weightAll = towns.reduce((sum, { weight }) => sum + weight, 0);
  const small = towns.flatMap(({ atMs, recipients, weight }, index) => {
    if (recipients !== smallRecipients) return [];
    const fairMs = (recipients * 1000) / ((rate * weight) / weightAll);
    return [(arrivals[index]?.atMs.at(-1) ?? Number.NaN) - atMs - fairMs];
  });
  const firstMs = Math.min(...arrivals.map(({ atMs }) => atMs[0] ?? Number.NaN));
  const lastMs = Math.max(...arrivals.map(({ atMs }) => atMs.at(-1) ?? Number.NaN));
  return {
    jain: rounded(fairness.reduce((sum, value) => sum + value, 0) / fairness.length),
    jainLeast: rounded(Math.min(...fairness)),
    jainByWindow: fairness.map((value) => rounded(value)),
    windowSeconds: rounded(windowMs / 1000),
    smallP50Ms: rounded(quantileOf(small, 0.5)),
    smallP99Ms: rounded(quantileOf(small, 0.99)),
    seconds: rounded((lastMs - Math.min(...towns.map(({ atMs }) => atMs))) / 1000),
    held: rounded((messages * 1000) / ((lastMs - firstMs) * rate)),
  };
}

/** Jain's index of rate ÷ weight for each window (Jain, Chiu, Hawe 1984: (Σx)² ÷ nΣx²). */
function fairnessOf(arrivals: readonly StormArrivals[], towns: readonly Town[], windowMs: number): number[] {
  const least = Math.max(2, towns.length / 10);
  const fairness: number[] = [];
  for (let from = Math.max(...towns.map(({ atMs }) => atMs)); ; from += windowMs) {
    const until = from + windowMs;
    const rates = arrivals.flatMap(({ atMs }, index) =>
      (atMs.at(-1) ?? 0) < until
        ? []
        : [atMs.filter((at) => at >= from && at < until).length / (towns[index]?.weight ?? 1)],
    );
    if (rates.length < least) return fairness;
    const sum = rates.reduce((total, x) => total + x, 0);
    fairness.push(sum ** 2 / (rates.length * rates.reduce((total, x) => total + x * x, 0)));
  }
}
