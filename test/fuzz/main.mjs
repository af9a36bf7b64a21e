/**
 * `npm run fuzz -- [--seed N] [--runs K] [FILTER]…`: the fuzz tests with as many runs as wanted, a million when
 * nothing is said. Prints the seed; a failure names the shortest input that fails and how to repeat it.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const root = join(import.meta.dirname, '..', '..');
const { values, positionals } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    runs: { type: 'string', default: '1000000' },
  },
  allowPositionals: true,
});
for (const [name, value] of Object.entries(values)) {
  if (!/^\d+$/.test(value)) throw new Error(`--${name} wants a number`);
}
console.log(`seed ${values.seed}, ${values.runs} runs`);
const filters = positionals.length === 0 ? [''] : positionals;
const child = spawn(
  join(root, 'node_modules', '.bin', 'vitest'),
  ['run', '--config', 'config/vitest.config.ts', ...filters.map((filter) => `test/fuzz/${filter}`)],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, FUZZ_SEED: values.seed, FUZZ_RUNS: values.runs },
  },
);
child.once('exit', (code) => {
  process.exitCode = code ?? 1;
});
