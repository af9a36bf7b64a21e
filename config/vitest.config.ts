/**
 * How vitest runs the tests: TypeScript as it stands, each file in a process of its own, one embedded
 * PostgreSQL and one embedded Redis for the whole run.
 */
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const root = join(import.meta.dirname, '..');

export default defineConfig({
  root,
  cacheDir: join(root, '.tocsin', 'vitest'),
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['dist/**', 'node_modules/**'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // Hang guards, not judgements: wide enough for a busy machine.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: ['default', join(root, 'test', 'support', 'counts.ts')],
  },
});
