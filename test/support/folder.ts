/**
 * Temporary folders of test runs. A folder's name holds the process id of the run it belongs to, so that a
 * later run can clear up after one that was killed, and never touches one that lives.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, lstatSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endOrphan } from '../../cluster/embedded-claim.ts';

const prefix = 'tocsin-test-';

/** A new folder of this process that a server's own user can pass. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
  chmodSync(folder, 0o755);
  return folder;
}

/** Removes a temporary folder and what its entries link to. */
export function removeFolder(folder: string): void {
  for (const name of readdirSync(folder)) rmSync(realpathSync(join(folder, name)), { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'; // EPERM: it lives, and is another user's
  }
}

async function endServersIn(folder: string): Promise<void> {
  for (const server of readdirSync(folder)) {
    const directory = join(folder, server);
    if (existsSync(join(directory, 'running.json'))) await endOrphan(server, realpathSync(directory), 'SIGTERM');
  }
}

/** File systems of their own in `folder`: some tests need one that can be full. */
function mountedIn(folder: string): string[] {
  const { dev } = statSync(folder);
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((path) => lstatSync(path).dev !== dev);
}

/**
 * Ends the servers and removes the folders of runs that were killed. Another run may do the same at the same time:
 * what is gone already is its work.
 */
export async function removeFoldersOfKilledRuns(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN;
    if (!Number.isInteger(pid) || isAlive(pid)) continue;
    try {
      await clearUp(join(tmpdir(), name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

async function clearUp(folder: string): Promise<void> {
  const isOurs = process.getuid?.() === 0 || statSync(folder).uid === process.getuid?.();
  if (!isOurs) return;
  await endServersIn(folder);
  for (const mounted of mountedIn(folder)) {
    await endServersIn(mounted);
    spawnSync('umount', ['-l', mounted]);
  }
  removeFolder(folder);
}
