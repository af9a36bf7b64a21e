/** The operator's settings as a shell reads them, wherever they lie. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { quoted, writeOperatorFile } from '../../cluster/operator-file.ts';
import { temporaryFolder } from '../support/folder.ts';

test('operator file - a shell reads every character as it was, from any folder, and nobody else may', () => {
  const home = join(temporaryFolder(), "town's $HOME `data`");
  mkdirSync(home);
  const value = `redis://:it's "$a" \\ %20@host`;
  const path = writeOperatorFile(home, { REDIS_URL: value, DATABASE_URL: undefined });
  const line = `set -a; . ${quoted(path)}; set +a; printenv REDIS_URL`;
  expect(execFileSync('sh', ['-c', line], { encoding: 'utf8' })).toBe(`${value}\n`);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});
