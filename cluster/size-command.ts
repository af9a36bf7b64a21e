/**
 * The sizing as a command: flags to tables or JSON. Called by `cluster/size.ts` and by whoever else offers it; reads
 * the carriers file, and nothing of the environment.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { carrierRelations, readCarriers } from '../config/carriers.ts';
import { Fault } from '../src/fault.ts';
import { type Contract, contractsFor, windowRate } from '../src/size/contract.ts';
import { printSize } from '../src/size/print.ts';
import { type Need, sizeOf } from '../src/size/size.ts';

/** What `--help` prints. */
export const sizeHelp = `From a deadline and contracts to processes, Redis and PostgreSQL.

  npm run size -- --recipients N --deadline TIME [flags]

  --recipients N       recipients of the campaign
  --deadline TIME      from the launch to the last submit_sm: 90s, 30m, 2h
  --segments N         mean segments of a message (1.3)
  --personalised       texts have variables
  --carriers FILE      contracts of a carriers file; passwords are not read
  --rate-per-bind N    without a file: segments a second of each bind (100)
  --window N           without a file: unanswered submit_sm per bind (20)
  --round-trip-ms N    without a file: time to an answer (100)
  --per-month N        such campaigns in a month (2)
  --months N           months that they are kept (12)
  --json               everything as one JSON object
`;

/** Its flags, for `parseArgs`. */
export const sizeOptions = {
  help: { type: 'boolean' },
  recipients: { type: 'string' },
  deadline: { type: 'string' },
  segments: { type: 'string' },
  personalised: { type: 'boolean' },
  carriers: { type: 'string' },
  'rate-per-bind': { type: 'string' },
  window: { type: 'string' },
  'round-trip-ms': { type: 'string' },
  'per-month': { type: 'string' },
  months: { type: 'string' },
  json: { type: 'boolean' },
} as const;

type Flags = Readonly<Partial<Record<keyof typeof sizeOptions, string | boolean>>>;
type Bounds = {
  readonly least: number;
  readonly most: number;
  readonly isWhole?: boolean;
  readonly byDefault?: number;
};

/**
 * What the command prints for its arguments.
 * @throws Fault `input` that names the flag at fault.
 */
export function sizeCommand(argv: readonly string[]): string {
  const flags = flagsOf(argv);
  if (flags['help'] === true) return sizeHelp;
  const need = needOf(flags);
  const size = sizeOf(need);
  return flags['json'] === true ? `${JSON.stringify({ need, ...size })}\n` : `${printSize(need, size)}\n`;
}

function flagsOf(argv: readonly string[]): Flags {
  try {
    return parseArgs({ args: [...argv], options: sizeOptions, strict: true }).values;
  } catch (cause) {
    throw new Fault('input', cause instanceof Error ? cause.message : 'the flags cannot be read', { cause });
  }
}

function needOf(flags: Flags): Need {
  const recipients = numberOf(flags, 'recipients', { least: 1, most: 10_000_000_000, isWhole: true });
  const deadlineSeconds = secondsOf(flags);
  const segments = numberOf(flags, 'segments', { least: 1, most: 15, byDefault: 1.3 });
  return {
    recipients,
    deadlineSeconds,
    segments,
    contracts: contractsOf(flags, (recipients * segments) / deadlineSeconds),
    isPersonalised: flags['personalised'] === true,
    campaignsPerMonth: numberOf(flags, 'per-month', { least: 0, most: 100_000, byDefault: 2 }),
    monthsKept: numberOf(flags, 'months', { least: 0, most: 1_200, byDefault: 12 }),
  };
}

function contractsOf(flags: Flags, segmentsPerSecond: number): readonly Contract[] {
  const file = flags['carriers'];
  const ofBinds = ['rate-per-bind', 'window', 'round-trip-ms'] as const;
  if (typeof file === 'string') {
    const both = ofBinds.find((flag) => flags[flag] !== undefined);
    if (both !== undefined) throw new Fault('input', `--${both} and --carriers do not go together`);
    return contractsIn(file);
  }
  const bind = {
    ratePerSecond: numberOf(flags, 'rate-per-bind', { least: 0.1, most: 1_000_000, byDefault: 100 }),
    window: numberOf(flags, 'window', { least: 1, most: 5_000, isWhole: true, byDefault: 20 }),
    roundTripMs: numberOf(flags, 'round-trip-ms', { least: 0, most: 60_000, byDefault: 100 }),
  };
  const binds = Math.ceil(segmentsPerSecond / Math.min(bind.ratePerSecond, windowRate(bind)));
  if (binds > bindsMost)
    throw new Fault('input', `--deadline: it takes ${binds.toLocaleString('en')} binds; no carriers have so many`);
  return contractsFor(segmentsPerSecond, bind);
}

function contractsIn(file: string): readonly Contract[] {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new Fault('input', `--carriers: ${file} cannot be read as JSON`, { cause });
  }
  const read = readCarriers(value);
  // A window that is too small for the rate is what a sizing is there to show.
  const problems =
    'problems' in read
      ? read.problems
      : carrierRelations(read.carriers).filter((problem) => !problem.includes('.window:'));
  if ('problems' in read || problems.length > 0)
    throw new Fault('input', `--carriers: ${file} is wrong:\n  ${problems.join('\n  ')}`);
  return read.carriers.map(({ name, binds, window, ratePerSecond, roundTripMs, shards }) => ({
    name,
    binds,
    window,
    ratePerSecond,
    roundTripMs,
    shards,
  }));
}

function numberOf(flags: Flags, flag: keyof typeof sizeOptions, bounds: Bounds): number {
  const { least, most, isWhole = false, byDefault } = bounds;
  const text = flags[flag];
  if (text === undefined && byDefault !== undefined) return byDefault;
  if (text === undefined) throw new Fault('input', `--${flag} is missing`);
  const value = text === '' ? Number.NaN : Number(text);
  if (value >= least && value <= most && (!isWhole || Number.isInteger(value))) return value;
  const what = isWhole ? 'a whole number' : 'a number';
  throw new Fault('input', `--${flag} must be ${what} from ${least} to ${most.toLocaleString('en')}`);
}

/** Binds of all carriers together that are worth a table. */
const bindsMost = 100_000;

/** A year. */
const secondsMost = 8_760 * 3_600;

const unitSeconds = { s: 1, m: 60, h: 3_600 } as const;

function secondsOf(flags: Flags): number {
  const text = flags['deadline'];
  if (text === undefined) throw new Fault('input', '--deadline is missing');
  const match = /^(\d+(?:\.\d+)?)(s|m|h)$/.exec(String(text));
  const seconds = Number(match?.[1]) * unitSeconds[(match?.[2] ?? 's') as keyof typeof unitSeconds];
  if (seconds > 0 && seconds <= secondsMost) return seconds;
  throw new Fault('input', '--deadline must be a time such as 90s, 30m or 2h, above 0 and at most 8760h');
}
