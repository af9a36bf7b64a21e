/**
 * A vitest reporter that ends with one line of counts, which test/run.mjs adds up. Runs in vitest's
 * main process.
 */
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

/** Prints `vitest: N passed, N failed, N skipped`; what goes wrong outside a test counts as failed. */
export default class Counts implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const counts = { passed: 0, failed: errors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      counts.failed += module.errors().length;
      for (const test of module.children.allTests()) counts[test.result().state] += 1;
      for (const suite of module.children.allSuites()) counts.failed += suite.errors().length;
    }
    const skipped = counts.skipped + counts.pending;
    console.log(`vitest: ${counts.passed} passed, ${counts.failed} failed, ${skipped} skipped`);
  }
}
