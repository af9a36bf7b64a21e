/**
 * `encode`: the worker's encoder on its main thread and through its Piscina threads, by batch size, for a constant and
 * a personalised text. Shows from which size threads pay, which is what `encodeInPlaceBelow` is set by.
 */
import { batchesOf, type EncodeBenchAnswer, type EncodeBenchTask, type Place, type SizeAnswer } from './encode/task.ts';
import { type BenchContext, defineBench, rounded, type ValuesOf } from './harness.ts';
import { runScript } from './script.ts';
import type { Cell, Table } from './table.ts';

const options = {
  recipients: { byDefault: 200_000, about: 'recipients that are encoded at each size' },
  threads: { byDefault: 1, about: 'Piscina threads; the worker has one by default' },
} as const;

type Values = ValuesOf<typeof options>;
type Context = BenchContext<Values>;

const sizes = [1, 5, 10, 20, 50, 100, 200, 500, 1000] as const;
const texts = ['constant', 'personalised'] as const;

/** Microseconds a recipient at one size, in place and through threads. */
type Compared = {
  readonly size: number;
  readonly inPlaceMicros: number;
  readonly threadsMicros: number;
  readonly threadsMainMicros: number;
  readonly inPlaceCpuMicros: number;
  readonly threadsCpuMicros: number;
};

/** One text: figures by size, and the size from which on threads leave the main thread more time. 0: never. */
type TextFigures = {
  readonly sizes: readonly Compared[];
  readonly threadsPayFrom: number;
};

export const encode = defineBench({
  name: 'encode',
  about: 'the encoder in place and through Piscina threads, by batch size',
  options,
  smoke: { recipients: 2_000 },
  showings: [
    {
      title: 'Encoding, in place and in threads',
      options: {},
      goals: [
        {
          figure: 'personalisedMicros',
          title: 'encoding a personalised recipient, batch of 500, in place',
          unit: 'µs',
          better: 'less',
          atLeast: 2,
          aim: 1,
        },
      ],
    },
  ],
  run,
});

async function run(context: Context) {
  const medians = await context.rounds(async (round) => {
    const figures: Record<string, Record<string, number>> = {};
    for (const text of texts) {
      context.bar.show(`round ${round}, ${text}`, round - 1, context.options.rounds);
      // Keys of sizes: medians are taken key by key, and not of lists.
      figures[text] = flatten(await compare(text, context));
    }
    return figures;
  });
  const [constant, personalised] = texts.map((text) => textFigures(medians[text] ?? {}));
  if (constant === undefined || personalised === undefined) throw new Error('a text is missing');
  const at500 = (of: TextFigures) => rounded(of.sizes.find(({ size }) => size === 500)?.inPlaceMicros ?? Number.NaN);
  return {
    figures: {
      constantMicros: at500(constant),
      personalisedMicros: at500(personalised),
      threadsPayFrom: { constant: constant.threadsPayFrom, personalised: personalised.threadsPayFrom },
      constant: constant.sizes,
      personalised: personalised.sizes,
    },
    tables: [tableOf('constant', constant), tableOf('personalised', personalised)],
  };
}

/** Both places with one text; fails unless they wrote the same. */
async function compare(text: (typeof texts)[number], context: Context): Promise<Compared[]> {
  const inPlace = await measure('in place', text, context);
  const threads = await measure('threads', text, context);
  const work = (answers: readonly SizeAnswer[]) => answers.map(({ frames, octets }) => [frames, octets]);
  context.check(`frames and octets of the ${text} text`, work(threads), work(inPlace));
  return inPlace.map((one, index): Compared => {
    const other = threads[index] ?? one;
    return {
      size: one.size,
      inPlaceMicros: one.wallMicros,
      threadsMicros: other.wallMicros,
      threadsMainMicros: other.mainMicros,
      inPlaceCpuMicros: one.cpuMicros,
      threadsCpuMicros: other.cpuMicros,
    };
  });
}

async function measure(place: Place, text: (typeof texts)[number], context: Context): Promise<readonly SizeAnswer[]> {
  const { recipients, threads, profile } = context.options;
  const task: EncodeBenchTask = { place, threads, personalised: text === 'personalised', sizes, recipients };
  const answer = await runScript<EncodeBenchAnswer>('encode/measure', task, profile);
  for (const { size, frames } of answer.sizes)
    context.check(`frames in batches of ${size}`, frames, batchesOf(recipients, size) * size);
  return answer.sizes;
}

const columns = [
  'inPlaceMicros',
  'threadsMicros',
  'threadsMainMicros',
  'inPlaceCpuMicros',
  'threadsCpuMicros',
] as const;

function flatten(compared: readonly Compared[]): Record<string, number> {
  return Object.fromEntries(
    compared.flatMap((one) => columns.map((column) => [`${column}At${one.size}`, rounded(one[column])])),
  );
}

function textFigures(flat: Readonly<Record<string, number>>): TextFigures {
  const compared = sizes.map((size) => {
    const values = columns.map((column) => [column, flat[`${column}At${size}`] ?? Number.NaN]);
    return { size, ...Object.fromEntries(values) } as Compared;
  });
  const pays = compared.map(({ threadsMainMicros, inPlaceMicros }) => threadsMainMicros < inPlaceMicros);
  const first = pays.lastIndexOf(false) + 1;
  return { sizes: compared, threadsPayFrom: compared[first]?.size ?? 0 };
}

function tableOf(text: string, { sizes: compared, threadsPayFrom }: TextFigures): Table {
  const from = threadsPayFrom === 0 ? 'threads never free the main thread' : `threads pay from ${threadsPayFrom}`;
  return {
    title: `A recipient of a ${text} text, µs; ${from}`,
    columns: [
      'batch',
      'in place',
      'threads, by the clock',
      'threads, of the main thread',
      'in place, CPU',
      'threads, CPU of all',
    ],
    rows: compared.map((one): Cell[] => [one.size, ...columns.map((column) => one[column])]),
  };
}
