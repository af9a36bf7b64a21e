/**
 * What a bench is, and how one is run: options, seed, rounds with medians, the count of work that must match, the
 * progress bar and the last line. Main thread of a bench's process. Never judges a time: goals are shown, not enforced.
 */
import { cpus } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { ProgressBar } from './progress.ts';
import { renderTable, type Table } from './table.ts';

/** The value of an option. */
export type OptionValue = number | boolean | string;
/** Options by name; the default says of which type a value is. */
export type OptionSet = Readonly<Record<string, { readonly byDefault: OptionValue; readonly about: string }>>;
type Widened<T> = T extends number ? number : T extends boolean ? boolean : string;
/** Values of a set of options. */
export type ValuesOf<Set extends OptionSet> = { readonly [K in keyof Set]: Widened<Set[K]['byDefault']> };

/** Options that every bench has. */
export const commonOptions = {
  seed: { byDefault: 1, about: 'of every chance' },
  rounds: { byDefault: 3, about: 'times that everything is measured, in fresh processes; medians are reported' },
  profile: { byDefault: '', about: 'folder for CPU profiles of every process that the bench starts' },
} as const satisfies OptionSet;

/** Measured numbers; nested ones by process, for example. */
export type Figures = { readonly [name: string]: Figure };
export type Figure = number | string | boolean | Figures | readonly Figure[];

/** What a figure should be. `figure` is a path in the result, such as `peakMegabytes.worker`. */
export type Goal = {
  readonly figure: string;
  readonly title: string;
  readonly unit: string;
  readonly better: 'less' | 'more';
  readonly atLeast: number;
  readonly aim: number;
};

/** A run that `all` makes and shows, with its goals. */
export type Showing<Values> = {
  readonly title: string;
  readonly options: Partial<Values>;
  readonly goals: readonly Goal[];
};

/** What a bench found: fields of the last line, and the tables printed above it. */
export type Result = { readonly figures: Figures; readonly tables: readonly Table[] };

/** What a running bench works with. */
export type BenchContext<Values> = {
  readonly options: Values & ValuesOf<typeof commonOptions>;
  /** The bar on a terminal, a line now and then elsewhere. */
  readonly bar: ProgressBar;
  /** A line for people. */
  readonly say: (line: string) => void;
  /** Fails the bench unless the work that was done is the work that was meant. */
  readonly check: (what: string, actual: Figure, expected: Figure) => void;
  /** Runs `one` as often as asked for; all raw rounds go into the last line. */
  readonly rounds: <Round extends Figures>(one: (round: number) => Promise<Round>) => Promise<Round>;
};

/** One bench. */
export type Bench<Set extends OptionSet> = {
  readonly name: string;
  /** One sentence. */
  readonly about: string;
  readonly options: Set;
  /** Small enough for a test: a few seconds. */
  readonly smoke: Partial<ValuesOf<Set>>;
  readonly showings: readonly Showing<ValuesOf<Set>>[];
  run(context: BenchContext<ValuesOf<Set>>): Promise<Result>;
};

/** A bench whose options are known at run time only. */
export type AnyBench = Bench<OptionSet>;

/** Declares a bench; its options' types follow from their defaults. */
export function defineBench<const Set extends OptionSet>(bench: Bench<Set>): AnyBench {
  return bench;
}

/** The work that was done is not the work that was meant: the figures are worth nothing. */
export class WorkMismatch extends Error {
  constructor(what: string, actual: Figure, expected: Figure) {
    super(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
    this.name = 'WorkMismatch';
  }
}

/** Runs a bench with `given` options over its defaults, and returns the object of its last line. */
export async function runBench(bench: AnyBench, given: Readonly<Record<string, OptionValue>>): Promise<Figures> {
  const options = valuesOf({ ...bench.options, ...commonOptions }, given);
  const bar = new ProgressBar(process.stdout);
  const raw: Figures[] = [];
  const say = (line: string) => {
    bar.clear();
    process.stdout.write(`${line}\n`);
  };
  const result = await bench.run({
    options: options as ValuesOf<OptionSet> & ValuesOf<typeof commonOptions>,
    bar,
    say,
    check(what, actual, expected) {
      if (!isDeepStrictEqual(actual, expected)) throw new WorkMismatch(what, actual, expected);
    },
    async rounds<Round extends Figures>(one: (round: number) => Promise<Round>) {
      const all: Round[] = [];
      for (let round = 1; round <= Number(options['rounds']); round++) all.push(await one(round));
      raw.push(...all);
      return mediansOf(all);
    },
  });
  bar.clear();
  for (const table of result.tables) say(`\n${renderTable(table)}`);
  const machine = { cores: cpus().length, cpu: cpus()[0]?.model.trim() ?? '', node: process.version };
  return { bench: bench.name, ...result.figures, options, machine, ...(raw.length === 0 ? {} : { rounds: raw }) };
}

function valuesOf(set: OptionSet, given: Readonly<Record<string, OptionValue>>): Record<string, OptionValue> {
  const byDefault = Object.entries(set).map(([name, option]) => [name, option.byDefault] as const);
  return { ...Object.fromEntries(byDefault), ...given };
}

/** The middle one; of an even number the mean of the two in the middle. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** The smallest value that `share` (0 to 1) of all are not above. */
export function quantileOf(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
}

/** Medians of rounds, number by number; what is no number is taken from the last round. */
export function mediansOf<Round extends Figures>(rounds: readonly Round[]): Round {
  const last = rounds.at(-1);
  if (last === undefined) throw new RangeError('a bench needs one round at least');
  const median = (values: readonly Figure[]): Figure => {
    const one = values.at(-1) as Figure;
    if (typeof one === 'number') return medianOf(values.filter((value) => typeof value === 'number'));
    if (typeof one !== 'object' || Array.isArray(one)) return one;
    const records = values as readonly Figures[];
    return Object.fromEntries(
      Object.keys(one).map((key) => [
        key,
        median(records.map((record) => record[key]).filter((value) => value !== undefined)),
      ]),
    );
  };
  return median(rounds) as Round;
}

/** `value` with `digits` significant digits: enough for a figure, and no more than was measured. */
export function rounded(value: number, digits = 4): number {
  return Number.isFinite(value) ? Number(value.toPrecision(digits)) : value;
}
