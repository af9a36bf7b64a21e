/**
 * `scale`: whether a message costs the same however many there are, and whether workers together keep to the carriers'
 * contracts: all that they allow, and never more.
 */
import { BenchCluster } from './cluster.ts';
import { type Contracts, holdContracts } from './contracts.ts';
import { type BenchContext, defineBench, medianOf, rounded, type ValuesOf } from './harness.ts';
import { createOrganisation, createResidents } from './population.ts';
import type { Cell } from './table.ts';
import { measurePath, populate, totalMicros } from './whole-path.ts';

const options = {
  sizes: { byDefault: '100000,1000000,5000000', about: 'messages of the campaigns that are compared' },
  workers: { byDefault: '1,2,5,10,1-5-2', about: 'workers that share the carriers; 1-5-2: they come and go' },
  seconds: { byDefault: 12, about: 'of sending at the contracts’ rates' },
} as const;

type Values = ValuesOf<typeof options>;
type Context = BenchContext<Values>;

/** Sent before each measurement, so that what is compared is not how long V8 takes to compile. */
const warmUpMessages = 50_000;

export const scale = defineBench({
  name: 'scale',
  about: 'cost per message by size; carriers’ contracts by workers',
  options,
  smoke: { sizes: '1000,2000', workers: '2-1', seconds: 3 },
  showings: [
    {
      title: 'Scale',
      options: {},
      goals: [
        { figure: 'costSpread', title: 'dearest ÷ cheapest size', unit: '×', better: 'less', atLeast: 1.1, aim: 1.05 },
        { figure: 'heldLeast', title: 'contract held, least', unit: '', better: 'more', atLeast: 0.97, aim: 0.99 },
        { figure: 'peakMost', title: 'contract’s rate, most', unit: '', better: 'less', atLeast: 1.05, aim: 1.03 },
      ],
    },
  ],
  run,
});

async function run(context: Context) {
  const sizes = numbersOf(context.options.sizes);
  const workers = context.options.workers.split(',').map((numbers) => numbersOf(numbers, '-'));
  const costs: Cost[] = [];
  for (const messages of sizes) costs.push(await costOf(messages, context));
  const contracts: Contracts[] = [];
  for (const numbers of workers) contracts.push(await holdContracts(numbers, context.options.seconds, context));
  const micros = costs.map(({ microsecondsPerMessage }) => microsecondsPerMessage);
  const held = contracts.flatMap(({ carriers }) => carriers);
  return {
    figures: {
      costs,
      costSpread: rounded(Math.max(...micros) / Math.min(...micros)),
      contracts,
      heldLeast: Math.min(...held.map(({ held: share }) => share)),
      peakMost: Math.max(...held.map(({ peak }) => peak)),
    },
    tables: [
      {
        title: 'Cost by size, all processes together',
        columns: ['messages', 'µs CPU per message', 'seconds', 'messages a second', 'worker peak MB'],
        rows: costs.map((cost): Cell[] => [
          cost.messages,
          cost.microsecondsPerMessage,
          cost.seconds,
          Math.round(cost.messages / cost.seconds),
          cost.workerMegabytes,
        ]),
      },
      {
        title: 'Contracts, carriers that answer after 50 ms',
        columns: ['workers', 'carrier', 'rate of the contract', 'held of it', 'fullest second of it', 'throttled'],
        rows: contracts.flatMap(({ workers: count, carriers }) =>
          carriers.map((one): Cell[] => [count, one.carrier, one.ratePerSecond, one.held, one.peak, one.throttled]),
        ),
      },
    ],
  };
}

type Cost = {
  readonly messages: number;
  readonly microsecondsPerMessage: number;
  readonly seconds: number;
  readonly workerMegabytes: number;
  readonly byProcess: Readonly<Record<string, number>>;
};

/** Medians over the rounds at one size. */
async function costOf(messages: number, context: Context): Promise<Cost> {
  const cluster = await BenchCluster.create();
  const { profile } = context.options;
  const plan = { messages, campaigns: 1, personalised: false, segments: 1, cluster: { workers: 1, profile } };
  try {
    const audience = await populate(cluster, plan, context);
    const organisation = await createOrganisation(cluster.sql, 'Warm-up');
    const warmUp = { organisation, messages: Math.min(messages, warmUpMessages) };
    await createResidents(cluster.sql, organisation.id, { count: warmUp.messages, firstNumber: 50_000_000 });
    const medians = await context.rounds(() => measurePath(cluster, audience, plan, context, warmUp));
    return {
      messages,
      microsecondsPerMessage: totalMicros(medians.microsecondsPerMessage),
      seconds: medians.seconds,
      workerMegabytes: medians.peakMegabytes['worker'] ?? 0,
      byProcess: medians.microsecondsPerMessage,
    };
  } finally {
    await cluster.dispose();
  }
}

function numbersOf(text: string, separator = ','): number[] {
  const numbers = text.split(separator).map(Number);
  if (!Number.isFinite(medianOf(numbers))) throw new RangeError(`"${text}" is no list of numbers`);
  return numbers;
}
