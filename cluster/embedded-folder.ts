/**
 * Where an embedded server may live and as whom it runs. Any process that starts one, main thread.
 * PostgreSQL refuses to run as root, so root hands its servers to a system user, who must be able to
 * reach the folder. Never loosens the permissions of a folder that it did not make.
 */
import { createHash } from 'node:crypto';
import { accessSync, chmodSync, chownSync, constants, existsSync, lstatSync, mkdirSync } from 'node:fs';
import { readFileSync, realpathSync, statfsSync, statSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Fault } from '../src/fault.ts';

/** The system user that a server runs as. */
export type ServerUser = { readonly uid: number; readonly gid: number };

/** Where servers of root live when their user cannot reach the folder that was asked for. */
const rootHome = '/var/lib/tocsin';

/**
 * The user to run the server of `directory` as: undefined (ourselves) unless we are root. For root it is
 * whoever owns the folder already, else `postgres`, else `nobody`.
 */
export function serverUser(directory: string): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const owner = existsSync(directory) ? statSync(directory) : undefined;
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const entries = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const wanted of ['postgres', 'nobody']) {
    const entry = entries.find(([name]) => name === wanted);
    if (entry !== undefined) return { uid: Number(entry[2]), gid: Number(entry[3]) };
  }
  throw new Fault('start', 'PostgreSQL refuses to run as root, and there is no user "postgres" or "nobody" here.');
}

/** True when `user` may pass every folder above `path` and use `path` itself (`undefined`: ourselves, always true). */
export function reachable(path: string, user: ServerUser | undefined): boolean {
  if (user === undefined) return true;
  const { uid, gid, mode } = statSync(path);
  const executable = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
  if ((mode & executable) === 0) return false;
  return dirname(path) === path || reachable(dirname(path), user);
}

/**
 * Makes `directory` a private folder (mode 0700) of `user` and returns its real path. When root's user
 * cannot reach it, `directory` becomes a link to a folder below /var/lib/tocsin. Faults: `start`.
 */
export function privateFolder(directory: string, user: ServerUser | undefined): string {
  try {
    mkdirSync(dirname(directory), { recursive: true });
    const isNew = lstatSync(directory, { throwIfNoEntry: false }) === undefined;
    if (isNew && user !== undefined && !reachable(realpathSync(dirname(directory)), user)) {
      const hash = createHash('sha256').update(directory).digest('hex').slice(0, 12);
      const elsewhere = join(rootHome, `${basename(directory)}-${hash}`);
      mkdirSync(rootHome, { recursive: true });
      chmodSync(rootHome, 0o755);
      mkdirSync(elsewhere, { recursive: true, mode: 0o700 });
      symlinkSync(elsewhere, directory);
    }
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const real = realpathSync(directory);
    if (user !== undefined) chownSync(real, user.uid, user.gid);
    accessSync(real, constants.R_OK | constants.W_OK | constants.X_OK);
    return real;
  } catch (cause) {
    throw new Fault('start', `Cannot write to ${directory}. Set TOCSIN_HOME to a folder of your own.`, { cause });
  }
}

/** Fails with a `start` fault when the disk of `directory` has less than `bytesMin` left. */
export function requireDisk(directory: string, bytesMin: number): void {
  const { bavail, bsize } = statfsSync(directory);
  const free = bavail * bsize;
  if (free >= bytesMin) return;
  const [has, needs] = [free, bytesMin].map((bytes) => `${Math.floor(bytes / 2 ** 20)} MiB`);
  throw new Fault(
    'start',
    `The disk of ${directory} has ${has} left; ${needs} are needed. Free some, or set TOCSIN_HOME.`,
  );
}
