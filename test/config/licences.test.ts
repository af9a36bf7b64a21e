/** Licences of everything that is installed, offline; advisories are asked for by `npm run audit` only. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { licenceProblems, type LockedPackage } from '../../config/licences.ts';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8')) as unknown;

test('licences - every package of the lock file has one that is allowed', () => {
  const { packages } = read('package-lock.json') as { packages: Record<string, LockedPackage> };
  const licenceOf = (path: string) =>
    existsSync(join(root, path, 'package.json'))
      ? ((read(join(path, 'package.json')) as LockedPackage).license ?? 'none')
      : undefined;
  expect(Object.keys(packages).length).toBeGreaterThan(100);
  expect(licenceProblems(packages, licenceOf)).toEqual([]);
});

test('licences - what is not allowed is found; of alternatives one is enough, and tools may have more', () => {
  const packages = {
    '': { license: 'UNLICENSED' },
    'node_modules/a': { version: '1.0.0', license: 'GPL-3.0' },
    'node_modules/b': { license: 'MIT OR GPL-2.0' },
    'node_modules/c': { license: '(MIT AND GPL-2.0)', version: '2.0.0' },
    'node_modules/a/node_modules/@d/e': { version: '3.0.0', license: 'MPL-2.0' },
    'node_modules/f': { license: 'MPL-2.0', dev: true },
    'node_modules/g': { version: '4.0.0' },
    'node_modules/elsewhere': { version: '5.0.0' },
  };
  const licenceOf = (path: string) => (path === 'node_modules/g' ? 'none' : undefined);
  expect(licenceProblems(packages, licenceOf).map(({ name }) => name)).toEqual([
    'a@1.0.0',
    'c@2.0.0',
    '@d/e@3.0.0',
    'g@4.0.0',
  ]);
});
