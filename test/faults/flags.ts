/** The flags of `npm run faults`, and what `--help` and `--list` print. */
import { parseArgs } from 'node:util';
import { Fault } from '../../src/fault.ts';
import type { FaultCase } from './cases/case.ts';
import { type RedisKind, redisKinds } from './scene-redis.ts';

/** What is asked for. */
export type FaultsAsked = {
  readonly seed: number;
  readonly rounds: number;
  /** Cases to run, in the order of all. */
  readonly chosen: readonly FaultCase[];
  readonly quick: boolean;
  readonly redis: RedisKind;
  /** Milliseconds of a soak in place of cases. */
  readonly soakMs?: number;
};

const usage = `Fault cases at full size: real processes, one kind of damage each, judged by the carriers' own logs.

  npm run faults -- [flags]

  --only NAME      one case; more than once for several (all)
  --seed N         decides the moments of the damage; printed with each case, and repeats it (by the clock)
  --rounds N       times that all are run, each with a seed of its own (1)
  --redis KIND     single, cluster or sentinel (single)
  --quick          the cases of npm test alone, at their size
  --soak TIME      faults at random in one installation for 90s, 20m, 2h, in place of cases
  --list           the cases alone
  --help           this text

Ends with 0 when every promise was kept, 1 when one was not, 2 for wrong flags. A case that failed names the folder of
its logs. test/faults/README.md says what is judged.
`;

const options = {
  seed: { type: 'string' },
  rounds: { type: 'string' },
  only: { type: 'string', multiple: true },
  soak: { type: 'string' },
  redis: { type: 'string' },
  quick: { type: 'boolean' },
  list: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/**
 * What the arguments ask for: a text to print, or cases to run.
 * @throws Fault `input` that names the flag at fault.
 */
export function faultsFlags(
  argv: readonly string[],
  cases: readonly FaultCase[],
  seedOtherwise: number,
): { readonly text: string } | FaultsAsked {
  const flags = parse(argv);
  if (flags.help === true) return { text: `${usage}\nCases, by the group of their damage:\n\n${listOf(cases)}` };
  if (flags.list === true) return { text: listOf(cases) };
  const redis = redisKinds.find((kind) => kind === (flags.redis ?? 'single'));
  if (redis === undefined) throw new Fault('input', `--redis is one of ${redisKinds.join(', ')}`);
  const quick = flags.quick === true;
  const chosen = chosenCases(cases, flags.only, quick).filter(({ on = redisKinds }) => on.includes(redis));
  if (chosen.length === 0)
    throw new Fault('input', `--only: none of these cases runs on ${redis}; --list says on which`);
  return {
    seed: wholeNumber('seed', flags.seed, seedOtherwise),
    rounds: wholeNumber('rounds', flags.rounds, 1),
    chosen,
    quick,
    redis,
    ...(flags.soak === undefined ? {} : { soakMs: durationOf(flags.soak) }),
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options, strict: true }).values;
  } catch (cause) {
    throw new Fault('input', cause instanceof Error ? cause.message : 'the flags cannot be read', { cause });
  }
}

function listOf(cases: readonly FaultCase[]): string {
  const lines = cases.map(({ group, name, about, open, on }) => {
    const [where, left] = [
      on === undefined ? '' : ` (on ${on.join(', ')})`,
      open === undefined ? '' : ` (open: ${open})`,
    ];
    return `${String(group).padStart(2)} ${name.padEnd(24)} ${about}${where}${left}\n`;
  });
  return lines.join('');
}

function chosenCases(cases: readonly FaultCase[], only: readonly string[] | undefined, quick: boolean): FaultCase[] {
  const unknown = only?.find((name) => !cases.some((fault) => fault.name === name));
  if (unknown !== undefined) throw new Fault('input', `--only: there is no case ${unknown}; --list names them`);
  return cases.filter((fault) => only?.includes(fault.name) ?? (fault.open === undefined && (!quick || fault.quick)));
}

function wholeNumber(flag: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^\d{1,9}$/.test(text)) throw new Fault('input', `--${flag} must be a whole number of at most nine digits`);
  return Number(text);
}

function durationOf(text: string): number {
  const match = /^(\d+)(s|m|h)$/.exec(text);
  if (match === null) throw new Fault('input', '--soak must be a time such as 90s, 20m or 2h');
  return Number(match[1]) * { s: 1_000, m: 60_000, h: 3_600_000 }[match[2] as 's' | 'm' | 'h'];
}
