/**
 * The fault cases that `npm test` has time for, at a size that it has time for. Every moment follows from a seed that
 * is printed with a failure: `npm run faults -- --quick --only NAME --seed N` repeats it. FAULTS_SEED sets it.
 */
import { afterAll, expect, test } from 'vitest';
import { cases } from './cases.ts';
import { quickScale, Runner } from './runner.ts';

const seed = Number(process.env['FAULTS_SEED'] ?? Date.now() % 1_000_000);
const runner = new Runner(quickScale, process.env['FAULTS_KEEP'] !== undefined);

afterAll(async () => {
  expect(await runner.close(), `seed ${seed}: sent after its campaign was over`).toEqual([]);
});

const quick = cases.filter((fault) => fault.quick).map((fault) => [fault.name, fault.about, fault] as const);

test.each(quick)('%s - %s', async (_, __, fault) => {
  const { problems, folder } = await runner.run(fault, seed);
  expect(problems, `seed ${seed}${folder === undefined ? '' : `, logs in ${folder}`}`).toEqual([]);
});
