/**
 * A long run with a random fault every few seconds in one installation: memory and handles must stay flat, and every
 * promise hold at each end of a case. Runs in the test's process.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { Chance } from '../../src/smsc/behaviour.ts';
import { cases } from './cases.ts';
import { Runner, quickScale } from './runner.ts';

/** What a soak is told. */
export type SoakOptions = { readonly seed: number; readonly forMs: number; readonly say: (text: string) => void };

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
    failed += result.problems.length > 0 ? 1 : 0;
    say(`${turn} ${fault.name} seed ${seed + turn}: ${result.problems.join('; ') || 'kept'} · ${ownResources()}`);
  }
  const late = await runner.close();
  for (const problem of late) say(`afterwards: ${problem}`);
  return failed + late.length === 0 ? 0 : 1;
}

/** Memory and handles of this process, which holds every proxy; the cluster's processes are restarted by faults. */
function ownResources(): string {
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? 0);
  return `${Math.round(rss / 1024)} MB, ${readdirSync('/proc/self/fd').length} handles`;
}
