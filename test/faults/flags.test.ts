/** What `npm run faults` is asked for, and what it says when that is nothing it has. */
import { expect, test } from 'vitest';
import { isFault } from '../../src/fault.ts';
import { cases } from './cases.ts';
import { faultsFlags } from './flags.ts';

const flags = (...argv: string[]) => faultsFlags(argv, cases, 7);

test('flags - --help names every flag and every case, and nothing is run', () => {
  const { text } = flags('--help', '--soak', '20m') as { text: string };
  for (const flag of ['only', 'seed', 'rounds', 'redis', 'quick', 'soak', 'list', 'help'])
    expect(text).toMatch(new RegExp(`^  --${flag} `, 'm'));
  for (const { name, about } of cases) expect(text).toContain(`${name.padEnd(24)} ${about}`);
});

test('flags - cases are chosen by name, by size and by Redis', () => {
  const names = (...argv: string[]) => (flags(...argv) as { chosen: typeof cases }).chosen.map(({ name }) => name);
  expect(names('--only', 'redis-lost', '--seed', '4711')).toEqual(['redis-lost']);
  expect(names('--quick').length).toBeLessThan(names().length);
  expect(names('--redis', 'cluster')).toContain('shard-lost');
  expect(flags('--soak', '20m')).toMatchObject({ seed: 7, rounds: 1, soakMs: 1_200_000 });
});

test.each([
  [['--fast'], '--fast'],
  [['--only', 'earthquake'], '--only: there is no case earthquake'],
  [['--only', 'shard-lost'], 'none of these cases runs on single'],
  [['--seed', 'soon'], '--seed must be'],
  [['--rounds', '-1'], '--rounds'],
  [['--redis', 'ring'], '--redis is one of'],
  [['--soak', 'long'], '--soak must be'],
])('flags - %j is told by name', (argv, text) => {
  let caught: unknown;
  try {
    flags(...argv);
  } catch (error) {
    caught = error;
  }
  expect(isFault(caught, 'input') && caught.message).toContain(text);
});
