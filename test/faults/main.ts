/**
 * `npm run faults -- --help`: fault cases at full size. Prints a line for each with its seed; a case that failed is
 * repeated by `--only NAME --seed N`. Exits with 1 when any promise was not kept, 2 for wrong flags.
 */
import { isFault } from '../../src/fault.ts';
import { cases } from './cases.ts';
import { type FaultsAsked, faultsFlags } from './flags.ts';
import { type Result, longScale, quickScale, Runner } from './runner.ts';
import { soak } from './soak.ts';
import { removeFoldersOfKilledRuns } from '../support/folder.ts';

/** A round's seed follows from the first: far apart, so that rounds share nothing. */
const seedStep = 7_919;

async function main(): Promise<number> {
  const asked = faultsFlags(process.argv.slice(2), cases, Date.now() % 1_000_000);
  if ('text' in asked) {
    process.stdout.write(asked.text);
    return 0;
  }
  await removeFoldersOfKilledRuns();
  if (asked.soakMs !== undefined) return await soak({ seed: asked.seed, forMs: asked.soakMs, say });
  const results = await runRounds(asked);
  const failed = results.filter(({ problems }) => problems.length > 0);
  say(`${results.length - failed.length} kept every promise, ${failed.length} did not`);
  return failed.length === 0 ? 0 : 1;
}

async function runRounds({ chosen, seed, rounds, quick, redis }: FaultsAsked): Promise<Result[]> {
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

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

// An exit ends the servers that were started; a signal alone would leave them.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

try {
  process.exitCode = await main();
} catch (error) {
  if (!isFault(error, 'input')) throw error;
  process.stderr.write(`faults: ${error.message}\nfaults: --help shows every flag and case\n`);
  process.exitCode = 2;
}
process.exit();
