/**
 * Ends embedded servers whose launcher was killed, once the last process that used them is gone. A small shell waits
 * at the end of a pipe that the launcher and its children hold open; the system closes it for whoever dies. Main
 * thread of the launcher. Must be dismissed before the servers are ended otherwise.
 */
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '../src/fault.ts';

/** A server to be ended. */
export type Guarded = { readonly pid: number; readonly stopSignal: NodeJS.Signals };

/** What watches over the servers. */
export type Guard = {
  /** A descriptor for every child that uses the servers to inherit. */
  readonly inUse: number;
  /** Ends the watch; the servers go on. */
  dismiss(): void;
};

/** The first argument after the script is only there to be seen in a list of processes. */
const script = 'read -r _; shift; while [ $# -gt 1 ]; do kill -s "$1" "$2"; shift 2; done';

/**
 * Watches over `servers` of the installation in `home`.
 * @throws Fault `start` when no pipe can be made there.
 */
export function guardServers(home: string, servers: readonly Guarded[]): Guard {
  const path = join(home, 'in-use');
  try {
    rmSync(path, { force: true });
    execFileSync('mkfifo', ['-m', '600', path]);
    // Open for both, so that neither this nor the next open waits for somebody at the other end.
    const inUse = openSync(path, 'r+');
    const end = openSync(path, 'r');
    const signals = servers.flatMap(({ pid, stopSignal }) => [stopSignal.slice('SIG'.length), String(pid)]);
    const shell = spawn('/bin/sh', ['-c', script, 'guard', path, ...signals], {
      detached: true,
      env: {},
      stdio: [end, 'ignore', 'ignore'],
    });
    // Without a shell there is no watch, and nothing else is worse for it.
    shell.on('error', () => undefined);
    shell.unref();
    closeSync(end);
    rmSync(path);
    return { inUse, dismiss: () => void shell.kill('SIGKILL') };
  } catch (cause) {
    throw new Fault('start', `No pipe can be made in ${home}; set TOCSIN_HOME to a folder of your own.`, { cause });
  }
}
