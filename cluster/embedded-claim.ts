/**
 * Who runs the embedded server of a folder, kept in its `running.json`: a second start is refused, and a
 * server whose launcher was killed is ended instead of being in the way. Main thread.
 * Never ends a process that is not known to be a server of that very folder.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '../src/fault.ts';

const exitPollMs = 10;
/** After this an orderly end becomes a kill. */
const exitMsMax = 30_000;

/** The right to run the server of a folder. */
export type Claim = {
  /** Writes down the process id of the server, once there is one. */
  readonly record: (pid: number) => void;
  /** Gives the folder back. */
  readonly release: () => void;
};

type Running = { readonly launcher: number; readonly pid?: number };

/** Parent and command line of a live process; undefined when it is gone. */
function processOf(pid: number): { parent: number; command: string } | undefined {
  try {
    if (existsSync('/proc/self/stat')) {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      // The second field is a name in brackets that may itself hold spaces and brackets.
      return { parent: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]), command };
    }
    const line = execFileSync('ps', ['-o', 'ppid=,command=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    return { parent: Number.parseInt(line, 10), command: line };
  } catch {
    return undefined; // no such process
  }
}

/** True when a command line names `directory` or something in it, and not just a folder whose name begins alike. */
function isOf(directory: string, command: string): boolean {
  return command.includes(`${directory}/`) || `${command} `.includes(`${directory} `);
}

/** True when `pid` is a live server of `directory`, and not a stranger who was given the same process id. */
export function isServing(pid: number, directory: string): boolean {
  const found = processOf(pid);
  return found !== undefined && isOf(directory, found.command);
}

/** Signals a process that may have ended just now. */
function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function terminate(pid: number, signal: NodeJS.Signals, directory: string): Promise<void> {
  send(pid, signal);
  const killAt = performance.now() + exitMsMax;
  while (isServing(pid, directory)) {
    await delay(exitPollMs);
    if (performance.now() > killAt) send(pid, 'SIGKILL');
  }
}

/** Ends the server of `directory` if its launcher died without doing so. Faults: `start` when the launcher lives. */
export async function endOrphan(name: string, directory: string, signal: NodeJS.Signals): Promise<void> {
  const path = join(directory, 'running.json');
  if (!existsSync(path)) return;
  const running = readRunning(path);
  const server = running.pid === undefined ? undefined : processOf(running.pid);
  const claimed = running.pid === undefined && processOf(running.launcher) !== undefined;
  const isHere = server !== undefined && isOf(directory, server.command);
  if (claimed || (isHere && server.parent === running.launcher)) {
    const holder = `process ${running.launcher}`;
    throw new Fault('start', `${name} in ${directory} is already run by ${holder}. Stop it, or set TOCSIN_HOME.`);
  }
  if (isHere && running.pid !== undefined) await terminate(running.pid, signal, directory);
  rmSync(path, { force: true });
}

function readRunning(path: string): Running {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Running;
  } catch {
    return { launcher: 0 }; // cut short by a crash, so of nobody who lives
  }
}

/** Claims the folder for this process; of two that try at once, one is refused. */
export async function claimFolder(name: string, directory: string, stopSignal: NodeJS.Signals): Promise<Claim> {
  await endOrphan(name, directory, stopSignal);
  const path = join(directory, 'running.json');
  try {
    writeFileSync(path, JSON.stringify({ launcher: process.pid } satisfies Running), { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    throw new Fault('start', `${name} in ${directory} is being started by another process.`, { cause });
  }
  return {
    record: (pid) => writeFileSync(path, JSON.stringify({ launcher: process.pid, pid } satisfies Running)),
    release: () => rmSync(path, { force: true }),
  };
}
