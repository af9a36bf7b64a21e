/** The harness: medians, quantiles, tables, the chart, and a bench whose work does not match. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { drawChart } from '../../bench/chart.ts';
import { defineBench, mediansOf, quantileOf, runBench, WorkMismatch } from '../../bench/harness.ts';
import { renderTable } from '../../bench/table.ts';

const main = join(import.meta.dirname, '..', '..', 'dist', 'bench', 'main.js');

/** Measures a round's number. */
const counting = defineBench({
  name: 'counting',
  about: 'counts',
  options: { from: { byDefault: 10, about: 'first' } },
  smoke: {},
  showings: [],
  async run({ options, rounds, check }) {
    const figures = await rounds((round) =>
      Promise.resolve({ value: options.from + round, by: { it: round * round } }),
    );
    check('rounds counted', figures.value > options.from, true);
    return { figures, tables: [] };
  },
});

test('rounds - the result has the medians, number by number, and every raw round', async () => {
  expect(await runBench(counting, { rounds: 3 })).toMatchObject({
    bench: 'counting',
    value: 12,
    by: { it: 4 },
    options: { from: 10, rounds: 3, seed: 1 },
    rounds: [
      { value: 11, by: { it: 1 } },
      { value: 12, by: { it: 4 } },
      { value: 13, by: { it: 9 } },
    ],
  });
});

test('rounds - the median of an even number of rounds lies in the middle', () => {
  expect(mediansOf([{ value: 1 }, { value: 2 }, { value: 10 }, { value: 4 }])).toEqual({ value: 3 });
});

test('work - a bench whose work does not match gives no figures', async () => {
  const lazy = defineBench({
    ...counting,
    run({ check }) {
      check('messages sent', 9, 10);
      return Promise.resolve({ figures: {}, tables: [] });
    },
  });
  await expect(runBench(lazy, {})).rejects.toThrow(new WorkMismatch('messages sent', 9, 10));
});

test('quantiles - are values that were measured', () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect([0.5, 0.99, 1].map((share) => quantileOf(values, share))).toEqual([50, 99, 100]);
});

test('tables - are aligned Markdown, numbers to the right', () => {
  const table = {
    title: '',
    columns: ['process', 'µs'],
    rows: [['worker', 1.234567] as const, ['api', 12345] as const],
  };
  expect(renderTable(table).split('\n')).toEqual([
    '| process |     µs |',
    '|---------|-------:|',
    '| worker  |   1.23 |',
    '| api     | 12,345 |',
  ]);
});

test('chart - a bar for each figure, longer when it is better', () => {
  const goal = { figure: 'seconds', unit: 's', better: 'less', atLeast: 35, aim: 20 } as const;
  const svg = drawChart([
    { ...goal, title: 'fast <one>', measured: 10 },
    { ...goal, title: 'slow', measured: 70 },
  ]);
  const [fast, slow] = [...svg.matchAll(/<rect x="\d+" y="\d+" width="(\d+)"/g)].map(([, width]) => Number(width));
  expect(fast).toBeGreaterThan(slow ?? 0);
  expect(svg).toContain('fast &lt;one&gt;');
});

test.each([
  [['nothing'], 'there is no bench "nothing"'],
  [['start', '--campaigns', 'many'], '--campaigns must be a number'],
  [['start', '--colour', 'red'], "Unknown option '--colour'"],
])('command - %j is refused with one clear line', (argv, message) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...argv], { encoding: 'utf8' });
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toContain(`bench: ${message}`);
});
