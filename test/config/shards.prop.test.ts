/** Carriers that are divided into shards: the parts are the contract, whatever is divided into whatever. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { describeCarriers, loadCarriers } from '../../config/load.ts';
import { shardsOf } from '../../config/shards.ts';
import { accountOf, byAccount, dealt, otherNames } from '../../src/account.ts';
import { Fault } from '../../src/fault.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';

const folder = temporaryFolder();
afterAll(() => removeFolder(folder));

const orange = {
  name: 'orange',
  host: 'orange.example',
  port: 2775,
  systemId: 'tocsin',
  passwordEnv: 'ORANGE',
  binds: 8,
  window: 100,
  ratePerSecond: 3_000,
  prefixes: ['336', '337'],
  order: 2,
};

function fileOf(changes: object): string {
  const path = join(folder, 'carriers.json');
  writeFileSync(path, JSON.stringify({ carriers: [{ ...orange, ...changes }] }));
  return path;
}

function problemsOf(changes: object): readonly string[] {
  try {
    loadCarriers(fileOf(changes), { ORANGE: 'pw' });
    return [];
  } catch (error) {
    return error instanceof Fault ? error.details : [String(error)];
  }
}

test('shards - whoever binds gets them as carriers of their own, everybody else the account', () => {
  const shards = loadCarriers(fileOf({ shards: 3 }), { ORANGE: 'pw' });
  expect(shards.map(({ name, binds, ratePerSecond }) => [name, binds, ratePerSecond])).toEqual([
    ['orange.0', 3, 1_000],
    ['orange.1', 3, 1_000],
    ['orange.2', 2, 1_000],
  ]);
  for (const shard of shards)
    expect(shard).toMatchObject({ password: 'pw', systemId: 'tocsin', window: 100, order: 2 });
  expect(describeCarriers(fileOf({ shards: 3 }))).toMatchObject([{ name: 'orange', binds: 8, ratePerSecond: 3_000 }]);
  expect(loadCarriers(fileOf({}), { ORANGE: 'pw' })).toMatchObject([{ name: 'orange', binds: 8 }]);
});

test('shards - together they are the contract', () => {
  const contract = fc.record({
    binds: fc.integer({ min: 1, max: 64 }),
    ratePerSecond: fc.double({ min: 1.6, max: 1e6, noNaN: true }),
    shards: fc.integer({ min: 1, max: 16 }),
  });
  fc.assert(
    fc.property(contract, (of) => {
      fc.pre(of.binds >= of.shards);
      const parts = shardsOf({ name: 'orange', ...of });
      const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
      expect(parts).toHaveLength(of.shards);
      expect(sum(parts.map(({ binds }) => binds))).toBe(of.binds);
      expect(sum(parts.map(({ ratePerSecond }) => ratePerSecond))).toBeCloseTo(of.ratePerSecond, 6);
      const binds = parts.map((part) => part.binds);
      expect(Math.max(...binds) - Math.min(...binds)).toBeLessThanOrEqual(1);
      expect(new Set(parts.map(({ name }) => accountOf(name)))).toEqual(new Set(['orange']));
    }),
  );
});

test('shards - what cannot be divided is refused by its field', () => {
  expect(problemsOf({ shards: 9 })).toEqual(['carriers[0].binds: 8 cannot be dealt to 9 shards']);
  expect(problemsOf({ shards: 4, ratePerSecond: 0.3 })).toEqual([
    'carriers[0].ratePerSecond: must be 0.1 or more for each of 4 shards',
  ]);
  expect(problemsOf({ binds: 129, shards: 2 })).toEqual([
    'carriers[0].binds: must be 128 or less: 64 for each of shards',
  ]);
  expect(problemsOf({ shards: 0 })[0]).toContain('carriers[0].shards');
  // The last shard has the fewest binds for as much of the rate.
  expect(problemsOf({ binds: 3, shards: 2, window: 60, roundTripMs: 50 })).toEqual([
    'carriers[0].window: 60 cannot carry the rate; at 50 ms it must be 75 or more',
  ]);
  expect(problemsOf({ name: 'orange.1' })[0]).toContain('carriers[0].name: "orange.1" ends as the name of a shard');
  expect(problemsOf({ name: 'orange.1a' })).toEqual([]);
});

test('accounts - names say whose shards they are, and which others there may have been', () => {
  expect(byAccount(['orange.0', 'north', 'orange.1'])).toEqual(
    new Map([
      ['orange', ['orange.0', 'orange.1']],
      ['north', ['north']],
    ]),
  );
  expect(otherNames('orange', ['orange.0', 'orange.1']).slice(0, 3)).toEqual(['orange', 'orange.2', 'orange.3']);
  expect(otherNames('orange', ['orange'])).toHaveLength(16);
});

test('accounts - campaigns of one batch spread over the shards, as batches of one campaign do', () => {
  const shards = ['orange.0', 'orange.1', 'orange.2', 'orange.3'];
  const counts = (names: (string | undefined)[]) =>
    shards.map((shard) => names.filter((name) => name === shard).length);
  // As ids are made: a millisecond, then a number that counts up and for long begins with zeros.
  const id = (n: number) => String((BigInt(1_780_000_000_000 + n * 7_013) << 22n) + BigInt(n));
  const campaigns = Array.from({ length: 1_000 }, (_, n) => dealt(shards, id(n), 1));
  for (const count of counts(campaigns)) expect(count).toBeGreaterThan(200);
  const batches = Array.from({ length: 100 }, (_, n) => dealt(shards, id(5), n));
  expect(counts(batches)).toEqual([25, 25, 25, 25]);
});
