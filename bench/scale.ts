/**
 * `scale`: whether a message costs the same however many there are, and whether workers together keep to the carriers'
 * contracts: all that they allow, and never more.
 */
import { BenchCluster } from './cluster.ts';
import { type Contracts, holdContracts } from './contracts.ts';
import { type BenchContext, defineBench, medianOf, rounded, type ValuesOf } from './harness.ts';
import type { Cell } from './table.ts';
import { measureWarmPath, type PathCost, populate, populateWarmUp, totalMicros } from './whole-path.ts';

const options = {
  sizes: { byDefault: '100000,1000000,5000000', about: 'messages of the campaigns that are compared' },
  warmUp: { byDefault: 600_000, about: 'messages before each measurement, through the same processes' },
  measured: { byDefault: 1_000_000, about: 'messages at least; smaller campaigns are sent again, one after another' },
  workers: { byDefault: '1,2,5,10,1-5-2', about: 'workers that share the carriers; 1-5-2: they come and go' },
  seconds: { byDefault: 12, about: 'of sending at the contracts’ rates' },
} as const;

type Values = ValuesOf<typeof options>;
type Context = BenchContext<Values>;

export const scale = defineBench({
  name: 'scale',
  about: 'cost per message by size; carriers’ contracts by workers',
  options,
  smoke: { sizes: '1000,2000', warmUp: 2_000, measured: 2_000, workers: '2-1', seconds: 3 },
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
  const costs: SizeCost[] = [];
  for (const messages of sizes) costs.push(await costOf(messages, context));
  const contracts: Contracts[] = [];
  for (const numbers of workers) contracts.push(await holdContracts(numbers, context.options.seconds, context));
  const micros = costs.map(({ microsecondsPerMessage }) => microsecondsPerMessage);
  const coldMicros = costs.map(({ cold }) => cold.microsecondsPerMessage);
  const held = contracts.flatMap(({ carriers }) => carriers);
  return {
    figures: {
      costs,
      costSpread: rounded(Math.max(...micros) / Math.min(...micros)),
      coldSpread: rounded(Math.max(...coldMicros) / Math.min(...micros)),
      contracts,
      heldLeast: Math.min(...held.map(({ held: share }) => share)),
      peakMost: Math.max(...held.map(({ peak }) => peak)),
    },
    tables: [
      {
        title: `Cost by size, all processes together, after ${context.options.warmUp.toLocaleString('en')} messages`,
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
        title: 'Cost by size of the first messages of fresh processes',
        columns: ['messages', 'µs CPU per message', 'seconds', 'messages a second'],
        rows: costs.map(({ cold }): Cell[] => [
          cold.messages,
          cold.microsecondsPerMessage,
          cold.seconds,
          Math.round(cold.messages / cold.seconds),
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
  readonly byProcess: Readonly<Record<string, number>>;
};

type SizeCost = Cost & {
  readonly workerMegabytes: number;
  /** The warm-up's first campaign: of this size too, or the whole warm-up where that is smaller. */
  readonly cold: Cost;
};

/** Medians over the rounds at one size. */
async function costOf(messages: number, context: Context): Promise<SizeCost> {
  const cluster = await BenchCluster.create();
  const { profile, measured, warmUp: warmUpMessages } = context.options;
  const times = Math.ceil(measured / messages);
  const plan = { messages, times, campaigns: 1, personalised: false, segments: 1, cluster: { workers: 1, profile } };
  try {
    const audience = await populate(cluster, plan, context);
    const warmUp = await populateWarmUp(cluster, messages, warmUpMessages);
    const { cold, warm } = await context.rounds(() => measureWarmPath(cluster, audience, plan, warmUp, context));
    return {
      ...costIn({ ...warm, messages, seconds: rounded(warm.seconds / times) }),
      workerMegabytes: warm.peakMegabytes['worker'] ?? 0,
      cold: costIn(cold),
    };
  } finally {
    await cluster.dispose();
  }
}

function costIn({ messages, microsecondsPerMessage, seconds }: PathCost): Cost {
  return {
    messages,
    microsecondsPerMessage: totalMicros(microsecondsPerMessage),
    seconds,
    byProcess: microsecondsPerMessage,
  };
}

function numbersOf(text: string, separator = ','): number[] {
  const numbers = text.split(separator).map(Number);
  if (!Number.isFinite(medianOf(numbers))) throw new RangeError(`"${text}" is no list of numbers`);
  return numbers;
}
