/**
 * What `npm test` has time for of the cases on a Redis Cluster and under Sentinels: `npm run faults -- --redis cluster`
 * and `--redis sentinel` run all. Seeds as in faults.int.test.ts.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { cases } from './cases.ts';
import { quickScale, Runner } from './runner.ts';

const seed = Number(process.env['FAULTS_SEED'] ?? Date.now() % 1_000_000);
const keepsFolders = process.env['FAULTS_KEEP'] !== undefined;

describe.each([
  ['cluster', ['slot-moves', 'primary-killed']],
  ['sentinel', ['primary-killed']],
] as const)('%s', (redis, names) => {
  const runner = new Runner(quickScale, keepsFolders, redis);
  const chosen = cases.filter(({ name }) => names.some((wanted) => wanted === name));

  afterAll(async () => {
    expect(await runner.close(), `seed ${seed}: sent after its campaign was over`).toEqual([]);
  });

  test.each(chosen.map((fault) => [fault.name, fault] as const))('%s', async (_, fault) => {
    const { problems, folder } = await runner.run(fault, seed);
    expect(problems, `seed ${seed}${folder === undefined ? '' : `, logs in ${folder}`}`).toEqual([]);
  });
});
