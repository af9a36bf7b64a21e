/** What a process lacks is told at once and by name, and what its authority's file is worth. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { requireAll, requiredRedis } from '../../cluster/required.ts';
import { loadSettings } from '../../config/load.ts';
import { temporaryFolder } from '../support/folder.ts';

test('required - every setting that is missing is named', () => {
  const settings = loadSettings({ REDIS_URL: 'redis://a' });
  expect(() => requireAll(settings, 'databaseUrl', 'redisUrl', 'carriers')).toThrow(
    /^DATABASE_URL must .*\n {2}TOCSIN_CARRIERS must .*$/,
  );
  expect(() => requireAll(settings, 'redisUrl')).not.toThrow();
});

test('required - a file without a certificate is no authority of Redis', () => {
  const file = join(temporaryFolder(), 'ca.pem');
  const place = () => requiredRedis(loadSettings({ REDIS_URL: 'rediss://a', TOCSIN_REDIS_CA_FILE: file }));
  expect(place).toThrow(`TOCSIN_REDIS_CA_FILE: ${file} cannot be read (ENOENT)`);
  writeFileSync(file, '# certificates\n');
  expect(place).toThrow(`TOCSIN_REDIS_CA_FILE: ${file} holds no certificate as PEM`);
});
