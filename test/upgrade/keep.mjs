/**
 * `npm run release:keep`: keeps the program as it is now, compiled, in test/upgrade/release.br, so that the tests of
 * the next version can run it against their schema: on any clone, without a network and without history. Run it when a
 * version is released, and commit what it wrote. Runs in a process of its own.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';

const root = join(import.meta.dirname, '..', '..');
const built = mkdtempSync(join(tmpdir(), 'tocsin-release-'));
const flags = ['--outDir', built, '--removeComments', '--sourceMap', 'false', '--tsBuildInfoFile', join(built, 'info')];
const tsc = spawnSync(join(root, 'node_modules', '.bin', 'tsc'), flags, { cwd: root, stdio: 'inherit' });
if (tsc.status !== 0) process.exit(1);

const files = {};
for (const part of ['src', 'cluster', 'config']) {
  for (const name of readdirSync(join(built, part), { recursive: true, encoding: 'utf8' }).toSorted()) {
    if (name.endsWith('.js')) files[`${part}/${name}`] = readFileSync(join(built, part, name), 'utf8');
  }
}
rmSync(built, { recursive: true });
/** @type {{ version: string }} */
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** @type {{ entries: { tag: string }[] }} */
const { entries } = JSON.parse(readFileSync(join(root, 'src/db/migrations/meta/_journal.json'), 'utf8'));
const lastMigration = entries.at(-1)?.tag;
const json = Buffer.from(JSON.stringify({ version, lastMigration, files }));
const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 };
const kept = brotliCompressSync(json, { params });
writeFileSync(join(root, 'test', 'upgrade', 'release.br'), kept);
console.log(`kept ${version} through ${lastMigration}: ${Object.keys(files).length} files, ${kept.length} bytes`);
