/** The sizing as a command: what it prints, and that wrong flags are named. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { sizeCommand } from '../../cluster/size-command.ts';
import { isFault } from '../../src/fault.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';

const folder = temporaryFolder();
afterAll(() => removeFolder(folder));
const wanted = ['--recipients', '67000000', '--deadline', '30m'];

function carriersFile(changes: object): string {
  const carrier = {
    name: 'north',
    host: 'north.example',
    port: 2775,
    systemId: 'tocsin',
    passwordEnv: 'NORTH',
    binds: 10,
    window: 50,
    ratePerSecond: 2_000,
    roundTripMs: 100,
    prefixes: [''],
    ...changes,
  };
  const path = join(folder, 'carriers.json');
  writeFileSync(path, JSON.stringify({ carriers: [carrier] }));
  return path;
}

test('size - says what a country needs within half an hour', () => {
  const text = sizeCommand(wanted);
  expect(text).toContain('needs 48,389 segments/s');
  expect(text).toContain('| slots (binds) | 484 |');
});

test('size - a contract that cannot make it is too late by so much, and what is missing is said', () => {
  const text = sizeCommand([...wanted, '--carriers', carriersFile({})]);
  expect(text).toContain('TOO LATE by 11 h 35 min');
  expect(text).toContain('46,389 segments/s are missing, 24.19 times what there is. Bottleneck: rate of the contracts');
});

test('size - a window that cannot carry the rate is the bottleneck', () => {
  const text = sizeCommand([...wanted, '--carriers', carriersFile({ window: 10 })]);
  expect(text).toContain('window of north: too small for the rate at that round trip');
});

test('size - shards are one contract with all of its slots, and may lie on as many Redis servers', () => {
  const fast = { binds: 64, ratePerSecond: 2_500_000, window: 5_000 };
  const read = (changes: object) =>
    JSON.parse(sizeCommand([...wanted, '--json', '--carriers', carriersFile({ ...fast, ...changes })])) as {
      slots: number;
      contracts: unknown[];
      redis: { primaries: number; dataBytes: number };
    };
  const [whole, divided] = [read({}), read({ shards: 4 })];
  expect([divided.contracts.length, divided.slots]).toEqual([1, 64]);
  expect([whole.redis.primaries, divided.redis.primaries > 1]).toEqual([1, true]);
  expect(divided.redis.dataBytes).toBeLessThan(whole.redis.dataBytes);
});

test('size - JSON has the same and what it was asked', () => {
  const size = JSON.parse(sizeCommand([...wanted, '--json', '--segments', '1'])) as Record<string, unknown>;
  expect(size).toMatchObject({ need: { recipients: 67_000_000, deadlineSeconds: 1_800, segments: 1 }, isInTime: true });
});

test.each([
  [['--deadline', '30m'], '--recipients is missing'],
  [['--recipients', '10'], '--deadline is missing'],
  [['--recipients', '1.5', '--deadline', '30m'], '--recipients must be a whole number from 1'],
  [['--recipients', 'many', '--deadline', '30m'], '--recipients must be a whole number'],
  [['--recipients', '10', '--deadline', '30'], '--deadline must be a time'],
  [['--recipients', '10', '--deadline', '0s'], '--deadline must be a time'],
  [[...wanted, '--segments', '0'], '--segments must be a number from 1 to 15'],
  [[...wanted, '--window', ''], '--window must be a whole number'],
  [[...wanted, '--carriers', '/nowhere.json'], '--carriers: /nowhere.json cannot be read'],
  [[...wanted, '--carriers', 'x', '--window', '5'], '--window and --carriers do not go together'],
  [[...wanted, '--speed', '5'], '--speed'],
  [['--recipients', '67000000', '--deadline', '1s', '--window', '1'], '--deadline: it takes 9,677,778 binds'],
])('size - %j is refused with its flag named', (argv, message) => {
  let thrown: unknown;
  try {
    sizeCommand(argv);
  } catch (error) {
    thrown = error;
  }
  expect(isFault(thrown, 'input')).toBe(true);
  expect(String(thrown)).toContain(message);
});

test('size - a wrong carriers file is refused with the place', () => {
  expect(() => sizeCommand([...wanted, '--carriers', carriersFile({ binds: 0 })])).toThrow('carriers[0].binds: must');
});
