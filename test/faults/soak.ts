/**
 * A long run with a random fault every few seconds in one installation: memory and handles must stay flat, and every
 * promise hold at each end of a case. Runs in the test's process.
 */
import { Chance } from '../../src/smsc/behaviour.ts';
import { cases } from './cases.ts';
import { Runner, quickScale } from './runner.ts';

/** What a soak is told. */
export type SoakOptions = { readonly seed: number; readonly forMs: number; readonly say: (text: string) => void };

/** Far above what a process takes here, far below what a leak comes to in twenty minutes. */
const megabytesMax = 350;
const handlesMax = 200;

/** Runs until the time is over; the exit code. */
export async function soak({ seed, forMs, say }: SoakOptions): Promise<number> {
  const runner = new Runner(quickScale, true);
  const chance = new Chance(seed);
  const endMs = performance.now() + forMs;
  const faults = cases.filter((fault) => fault.scene === undefined && fault.open === undefined);
  let failed = 0;
  for (let turn = 1; performance.now() < endMs; turn++) {
    const fault = faults[Math.floor(chance.next() * faults.length)];
    if (fault === undefined) break;
    const result = await runner.run(fault, seed + turn);
    const resources = runner.resources();
    const problems = [...result.problems, ...grown(resources)];
    failed += problems.length > 0 ? 1 : 0;
    const stood = result.givenUp > 0 ? ` (${result.givenUp} binds given up)` : '';
    say(`${turn} ${fault.name} seed ${seed + turn}: ${problems.join('; ') || 'kept'}${stood} · ${lineOf(resources)}`);
  }
  const late = await runner.close();
  for (const problem of late) say(`afterwards: ${problem}`);
  return failed + late.length === 0 ? 0 : 1;
}

/** As one line: what each process takes. A process that no fault restarted for long must not grow. */
function lineOf(resources: ReturnType<Runner['resources']>): string {
  return resources.map(({ name, megabytes, handles }) => `${name} ${megabytes} MB ${handles}`).join(', ');
}

/** What is above these bounds has grown without one. */
function grown(resources: ReturnType<Runner['resources']>): string[] {
  return resources
    .filter(({ megabytes, handles }) => megabytes > megabytesMax || handles > handlesMax)
    .map(({ name, megabytes, handles }) => `${name} takes ${megabytes} MB and ${handles} handles`);
}
