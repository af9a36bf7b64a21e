/**
 * `npm test`: types and build, lint, format, then every test, with the output of each as it comes. The
 * last line is `N passed, N failed, N skipped`, in which each static check counts as one; the exit code
 * is 1 when anything failed. `npm test -- window` runs the tests whose path contains `window`.
 * Main process only; writes nothing but dist/ and .tocsin/.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const folders = ['src', 'cluster', 'config', 'test', 'bench'].filter((folder) => existsSync(join(root, folder)));

/** Runs a program of node_modules, passes its output on, and resolves to its exit code and last lines. */
function run(program, ...args) {
  console.log(`\n> ${[program, ...args].join(' ')}`);
  return new Promise((resolve) => {
    const child = spawn(join(root, 'node_modules', '.bin', program), args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let tail = '';
    child.stdout.on('data', (chunk) => {
      process.stdout.write(chunk);
      tail = (tail + chunk).slice(-2000);
    });
    child.once('error', (error) => {
      console.error(`${program} cannot be run: ${error.message}. Was npm ci run?`);
      resolve({ code: 1, tail });
    });
    child.once('close', (code) => resolve({ code, tail }));
  });
}

/** The counts that the vitest reporter printed; a run that ended without them counts as one failure. */
function countsOf({ code, tail }) {
  const counts = /^vitest: (\d+) passed, (\d+) failed, (\d+) skipped$/m.exec(tail);
  if (counts === null) return { passed: 0, failed: 1, skipped: 0 };
  const [passed, failed, skipped] = counts.slice(1).map(Number);
  return { passed, failed: code === 0 ? failed : Math.max(failed, 1), skipped };
}

const checks = [
  await run('tsc'),
  await run('oxlint', '--type-aware', '-c', 'config/oxlint.json', '--deny-warnings', ...folders),
  await run('biome', 'format', '--config-path', 'config', ...folders),
];
const failedChecks = checks.filter(({ code }) => code !== 0).length;
const filters = process.argv.slice(2);
const tests = countsOf(await run('vitest', 'run', '--config', 'config/vitest.config.ts', ...filters));
const failed = tests.failed + failedChecks;
console.log(`\n${tests.passed + checks.length - failedChecks} passed, ${failed} failed, ${tests.skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
