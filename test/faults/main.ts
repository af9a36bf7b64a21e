/**
 * `npm run faults -- [--seed N] [--rounds K] [--only NAME] [--redis cluster|sentinel] [--soak 20m] [--quick]
 * [--list]`: fault cases at full size.
 * Prints a line for each with its seed; a case that failed is repeated by `--only NAME --seed N`. Exits with 1 when any
 * promise was not kept.
 */
import { parseArgs } from 'node:util';
import type { FaultCase } from './cases/case.ts';
import { cases } from './cases.ts';
import { type Result, longScale, quickScale, Runner } from './runner.ts';
import { type RedisKind, redisKinds } from './scene-redis.ts';
import { soak } from './soak.ts';
import { removeFoldersOfKilledRuns } from '../support/folder.ts';

/** A round's seed follows from the first: far apart, so that rounds share nothing. */
const seedStep = 7_919;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      rounds: { type: 'string', default: '1' },
      only: { type: 'string', multiple: true },
      soak: { type: 'string' },
      redis: { type: 'string', default: 'single' },
      quick: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
    },
  });
  if (values.list) {
    for (const { group, name, about, open } of cases)
      say(`${String(group).padStart(2)} ${name.padEnd(24)} ${about}${open === undefined ? '' : ` (open: ${open})`}`);
    return 0;
  }
  const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
  await removeFoldersOfKilledRuns();
  const redis = redisKinds.find((kind) => kind === values.redis);
  if (redis === undefined) throw new Error(`--redis is one of ${redisKinds.join(', ')}`);
  const chosen = chosenCases(values.only, values.quick).filter(({ on = redisKinds }) => on.includes(redis));
  if (values.soak !== undefined) return await soak({ seed, forMs: durationOf(values.soak), say });
  const results = await runRounds(chosen, { seed, rounds: Number(values.rounds), quick: values.quick, redis });
  const failed = results.filter(({ problems }) => problems.length > 0);
  say(`${results.length - failed.length} kept every promise, ${failed.length} did not`);
  return failed.length === 0 ? 0 : 1;
}

function chosenCases(only: readonly string[] | undefined, quick: boolean): FaultCase[] {
  const unknown = only?.find((name) => !cases.some((fault) => fault.name === name));
  if (unknown !== undefined) throw new Error(`there is no case ${unknown}; --list names them`);
  return cases.filter((fault) => only?.includes(fault.name) ?? (fault.open === undefined && (!quick || fault.quick)));
}

type Run = { readonly seed: number; readonly rounds: number; readonly quick: boolean; readonly redis: RedisKind };

async function runRounds(chosen: readonly FaultCase[], { seed, rounds, quick, redis }: Run): Promise<Result[]> {
  const results: Result[] = [];
  const runner = new Runner(quick ? quickScale : longScale, true, redis);
  say(heading);
  for (let round = 0; round < rounds; round++) {
    for (const fault of chosen) {
      const unable = fault.unable?.();
      if (unable !== undefined) {
        say(`${fault.name.padEnd(24)} not here: ${unable}`);
        continue;
      }
      const result = await runner.run(fault, seed + round * seedStep);
      say(lineOf(result));
      results.push(result);
    }
  }
  for (const problem of await runner.close()) {
    say(`afterwards: ${problem}`);
    process.exitCode = 1;
  }
  return results;
}

const heading = `${'case'.padEnd(24)} ${'seed'.padStart(8)} recipients segments   lost doubled unknown recovery`;

function lineOf({
  name,
  seed,
  recipients,
  segments,
  lost,
  doubled,
  unknown,
  recoverySeconds,
  givenUp,
  ...rest
}: Result): string {
  const columns = [
    name.padEnd(24),
    String(seed).padStart(8),
    String(recipients).padStart(10),
    String(segments).padStart(8),
    String(lost).padStart(6),
    String(doubled).padStart(7),
    String(unknown).padStart(7),
    `${recoverySeconds.toFixed(1)} s`.padStart(8),
  ];
  if (givenUp > 0) columns.push(` ${givenUp} binds given up`);
  const problems = rest.problems.map((problem) => `\n    ${problem}`).join('');
  return `${columns.join(' ')}${problems}${rest.folder === undefined ? '' : `\n    logs: ${rest.folder}`}`;
}

function durationOf(text: string): number {
  const match = /^(\d+)(s|m|h)$/.exec(text);
  if (match === null) throw new Error('--soak wants a duration such as 20m');
  return Number(match[1]) * { s: 1_000, m: 60_000, h: 3_600_000 }[match[2] as 's' | 'm' | 'h'];
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

// An exit ends the servers that were started; a signal alone would leave them.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

process.exitCode = await main();
process.exit();
