/**
 * What the simulator's log says of a storm: who got which rate while waiting, and when the small campaigns were done.
 * Campaigns are known by the number at the end of their text. Used by the bench `storm`.
 */
import { readLog } from '../src/smsc/log-reader.ts';
import { type BenchContext, quantileOf, rounded } from './harness.ts';

/** An organisation's campaign; `atMs` is when its launch was asked for, epoch milliseconds. */
export type Town = {
  readonly atMs: number;
  /** When its recipients began to be frozen. */
  readonly frozenMs: number;
  readonly recipients: number;
  readonly weight: number;
};

/** What came of one campaign: times of its submit_sm in order, epoch milliseconds, and how many it reached. */
export type StormArrivals = { readonly atMs: readonly number[]; readonly reached: number };

/**
 * Rates are compared over windows, each a seventh of the time that the contract takes for everything: some batches of
 * everybody. A window counts the organisations whose recipients wait in it from beginning to end, begun or not. The
 * windows follow the last launch request one by one, for as long as a tenth of all organisations, and two at least,
 * wait.
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
  const fromLaunch = fairnessOf(
    arrivals,
    towns.map((town) => ({ ...town, frozenMs: town.atMs })),
    windowMs,
  );
  const weightAll = towns.reduce((sum, { weight }) => sum + weight, 0);
  const small = towns.flatMap(({ atMs, recipients, weight }, index) => {
    if (recipients !== smallRecipients) return [];
    const fairMs = (recipients * 1000) / ((rate * weight) / weightAll);
    return [(arrivals[index]?.atMs.at(-1) ?? Number.NaN) - atMs - fairMs];
  });
  const firstMs = Math.min(...arrivals.map(({ atMs }) => atMs[0] ?? Number.NaN));
  const lastMs = Math.max(...arrivals.map(({ atMs }) => atMs.at(-1) ?? Number.NaN));
  return {
    jain: meanOf(fairness),
    jainFromLaunch: meanOf(fromLaunch),
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
    const waiting = [...arrivals.entries()].filter(([, { atMs }]) => (atMs.at(-1) ?? 0) >= until);
    if (waiting.length < least) return fairness;
    const rates = waiting
      .filter(([index]) => (towns[index]?.frozenMs ?? 0) <= from)
      .map(([index, { atMs }]) => atMs.filter((at) => at >= from && at < until).length / (towns[index]?.weight ?? 1));
    if (rates.length < 2) continue;
    const sum = rates.reduce((total, x) => total + x, 0);
    fairness.push(sum ** 2 / (rates.length * rates.reduce((total, x) => total + x * x, 0)));
  }
}

function meanOf(values: readonly number[]): number {
  return rounded(values.reduce((sum, value) => sum + value, 0) / values.length);
}
