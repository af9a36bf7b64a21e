/**
 * Carriers with a contract: a rate, few binds, and 50 ms to an answer. How much of the rate some workers use together,
 * and whether any second holds more, by the simulators' own counts. Used by the bench `scale`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { SmscStats } from '../src/smsc/stats.ts';
import { type BenchCarrier, BenchCluster } from './cluster.ts';
import { type BenchContext, rounded } from './harness.ts';
import { createOrganisation, createResidents } from './population.ts';

/** What some workers made of the contracts; `workers` as `1` or, where their number changed, `1-5-2`. */
export type Contracts = { readonly workers: string; readonly carriers: readonly HeldContract[] };

/** One carrier's contract, as its simulator saw it. */
export type HeldContract = {
  readonly carrier: string;
  readonly ratePerSecond: number;
  /** Mean rate while there was enough to send, as a share of the contract. */
  readonly held: number;
  /** The fullest second, as a share of the contract. */
  readonly peak: number;
  readonly throttled: number;
  /** Most binds at any time; never more than the contract allows. */
  readonly bindsPeak: number;
};

const latencyMs = 50;
const carriers: readonly BenchCarrier[] = [
  { name: 'north', prefixes: [''], ratePerSecond: 3_000, binds: 4, window: 100, roundTripMs: latencyMs },
  { name: 'south', prefixes: ['9995'], ratePerSecond: 1_200, binds: 4, window: 50, roundTripMs: latencyMs },
].map((carrier) => ({ ...carrier, behaviour: { latencyMs, receiptDelayMs: 100 } }));
/** First numbers of each carrier's residents, by the prefixes above. */
const firstNumbers = [0, 50_000_000];
const pollMs = 100;
/** What is left out at the beginning and at the end of what a carrier receives. */
const edge = 0.1;

/** Sends for about `seconds` with so many workers, one number after the other: they come and go meanwhile. */
export async function holdContracts(
  numbers: readonly number[],
  seconds: number,
  { bar, check }: Pick<BenchContext<unknown>, 'bar' | 'check'>,
): Promise<Contracts> {
  const cluster = await BenchCluster.create();
  try {
    const { id, key } = await createOrganisation(cluster.sql, 'Bench');
    const counts = carriers.map(({ ratePerSecond }) => Math.round(ratePerSecond * seconds));
    for (const [index, count] of counts.entries())
      await createResidents(cluster.sql, id, { count, firstNumber: firstNumbers[index] ?? 0 });
    const [first = 1, ...others] = numbers;
    const start = { workers: first, carriers };
    const workers = numbers.join('-');
    await cluster.start(start);
    const campaign = await cluster.api.createCampaign(key, {
      name: 'bench',
      nature: 'information',
      sender: 'BENCH',
      audience: { all: true },
      contents: { fr: 'Essai des sirenes' },
      defaultLanguage: 'fr',
      validitySeconds: 3_600,
    });
    await cluster.api.launch(key, campaign);
    const sampling = sampled(cluster, counts, (done) => {
      bar.show(
        `${workers} workers`,
        done,
        counts.reduce((sum, count) => sum + count),
      );
    });
    const change = async () => {
      for (const number of others) {
        await delay((seconds * 1000) / numbers.length);
        await cluster.setWorkers(start, number);
      }
    };
    const [samples] = await Promise.all([sampling, change()]);
    const last = samples.at(-1)?.stats ?? [];
    check(
      'segments accepted by the carriers',
      last.map(({ accepted }) => accepted),
      counts,
    );
    check(
      'carriers that had no bind too many',
      last.map(({ bindsPeak }, index) => bindsPeak <= (carriers[index]?.binds ?? 0)),
      carriers.map(() => true),
    );
    return {
      workers,
      carriers: carriers.map(({ name, ratePerSecond }, index) => ({
        carrier: name,
        ratePerSecond,
        held: rounded(meanRate(samples, index, counts[index] ?? 0) / ratePerSecond, 3),
        peak: rounded((last[index]?.perSecondPeak ?? Number.NaN) / ratePerSecond, 4),
        throttled: last[index]?.throttled ?? 0,
        bindsPeak: last[index]?.bindsPeak ?? Number.NaN,
      })),
    };
  } finally {
    await cluster.dispose();
  }
}

type Sample = { readonly atMs: number; readonly stats: readonly SmscStats[] };

/** The simulators' counts over time, until everything has arrived. */
async function sampled(
  cluster: BenchCluster,
  counts: readonly number[],
  onProgress: (done: number) => void,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  const wanted = counts.reduce((sum, count) => sum + count);
  // Thrice the time that it should take, and some for a start.
  const giveUpMs = performance.now() + 20_000 + 3_000 * Math.max(...counts.map((n, i) => n / rateOf(i)));
  for (let done = 0; done < wanted; ) {
    await delay(pollMs);
    const stats = await cluster.smscStats();
    samples.push({ atMs: performance.now(), stats });
    done = stats.reduce((sum, { accepted }) => sum + accepted, 0);
    onProgress(done);
    if (performance.now() > giveUpMs) throw new Error(`${done} of ${wanted} arrived:\n${cluster.lastWords()}`);
  }
  return samples;
}

function rateOf(carrier: number): number {
  return carriers[carrier]?.ratePerSecond ?? 1;
}

/** Segments a second between the first and the last tenth of what a carrier receives. */
function meanRate(samples: readonly Sample[], carrier: number, count: number): number {
  const acceptedIn = (sample: Sample) => sample.stats[carrier]?.accepted ?? 0;
  const first = samples.find((sample) => acceptedIn(sample) >= edge * count);
  const last = samples.findLast((sample) => acceptedIn(sample) <= (1 - edge) * count);
  if (first === undefined || last === undefined || last.atMs <= first.atMs) return Number.NaN;
  return ((acceptedIn(last) - acceptedIn(first)) * 1000) / (last.atMs - first.atMs);
}
