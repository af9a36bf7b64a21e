/**
 * One embedded server as a child process: claim its folder, spawn, wait until ready, stop. Any process
 * that starts one, main thread. `running.json` in the folder says who runs it, so that a second start is
 * refused, and a server whose launcher was killed is ended instead of being in the way.
 * Never leaves a child behind on an orderly exit; never lets Ctrl-C reach the server before us.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '../src/fault.ts';
import type { ServerUser } from './embedded-folder.ts';

/** A server that runs. */
export type EmbeddedServer = {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves when the process is gone, whoever ended it. */
  readonly exited: Promise<void>;
  /** Ends it in order and resolves when it is gone. May be called more than once. */
  stop(): Promise<void>;
};

/** How to run one server. */
export type Launch = {
  /** For people: `PostgreSQL`, `Redis`. */
  readonly name: string;
  /** Absolute real path of its private folder; must occur in `args`, which is how its process is known again. */
  readonly directory: string;
  readonly command: string;
  /** The name that the program sees itself called by. */
  readonly argv0?: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly user: ServerUser | undefined;
  readonly port: number;
  /** Runs once the folder is ours and before the spawn: makes what the server needs there. */
  prepare(): Promise<void>;
  /** The server's address, asked after `prepare`. */
  url(): string;
  /** True once it serves; asked every few milliseconds. */
  ready(pid: number): boolean | Promise<boolean>;
  /** Ends it in order. */
  readonly stopSignal: NodeJS.Signals;
};

const readyPollMs = 10;
/** Recovery after a crash may have much to read again. */
const readyMsMax = 120_000;
/** After this a stop becomes a kill. */
const stopMsMax = 30_000;
const logLinesShown = 15;

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

/** True when `pid` is a live server of `directory`, and not a stranger who was given the same process id. */
export function isServing(pid: number, directory: string): boolean {
  return processOf(pid)?.command.includes(directory) === true;
}

async function terminate(pid: number, signal: NodeJS.Signals, directory: string): Promise<void> {
  process.kill(pid, signal);
  const killAt = performance.now() + stopMsMax;
  while (isServing(pid, directory)) {
    await delay(readyPollMs);
    if (performance.now() > killAt) process.kill(pid, 'SIGKILL');
  }
}

/** Ends the server of `directory` if its launcher died without doing so. A live launcher's server is a `start` fault. */
export async function endOrphan(name: string, directory: string, signal: NodeJS.Signals): Promise<void> {
  const path = join(directory, 'running.json');
  if (!existsSync(path)) return;
  const running = readRunning(path);
  const server = running.pid === undefined ? undefined : processOf(running.pid);
  const claimed = running.pid === undefined && processOf(running.launcher) !== undefined;
  const isHere = server?.command.includes(directory) === true;
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
async function claim(launch: Launch): Promise<string> {
  await endOrphan(launch.name, launch.directory, launch.stopSignal);
  const path = join(launch.directory, 'running.json');
  try {
    writeFileSync(path, JSON.stringify({ launcher: process.pid } satisfies Running), { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    throw new Fault('start', `${launch.name} in ${launch.directory} is being started by another process.`, { cause });
  }
  return path;
}

function lastLines(path: string): string[] {
  return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-logLinesShown);
}

async function untilReady(launch: Launch, child: ChildProcess & { pid: number }, logPath: string): Promise<void> {
  const giveUpAt = performance.now() + readyMsMax;
  while (!(await launch.ready(child.pid))) {
    const hasExited = child.exitCode !== null || child.signalCode !== null;
    if (hasExited || performance.now() > giveUpAt) {
      const what = hasExited ? 'ended while starting' : `was not ready after ${readyMsMax / 1000} s`;
      throw new Fault('start', `${launch.name} ${what}; its log is ${logPath}.`, { details: lastLines(logPath) });
    }
    await delay(readyPollMs);
  }
}

function spawnServer(launch: Launch, logPath: string): ChildProcess {
  if (existsSync(logPath)) renameSync(logPath, `${logPath}.1`);
  const log = openSync(logPath, 'a', 0o600);
  const { user, argv0 } = launch;
  const child = spawn(launch.command, launch.args, {
    cwd: launch.directory,
    env: launch.environment,
    // A group of its own: Ctrl-C in a terminal goes to us alone, and we stop the server last.
    detached: true,
    stdio: ['ignore', log, log],
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
    ...(argv0 === undefined ? {} : { argv0 }),
  });
  closeSync(log);
  return child;
}

/** Hands out the child once its process id is written down; a program that cannot be run is a `start` fault. */
async function spawned(launch: Launch, logPath: string, runningPath: string): Promise<ChildProcess & { pid: number }> {
  const child = spawnServer(launch, logPath);
  await once(child, 'spawn').catch((cause: unknown) => {
    throw new Fault('start', `Cannot run ${launch.command} on this machine.`, { cause });
  });
  const { pid } = child;
  assert(pid !== undefined, 'a spawned process has an id');
  writeFileSync(runningPath, JSON.stringify({ launcher: process.pid, pid } satisfies Running));
  return Object.assign(child, { pid });
}

/** Runs the server and resolves when it is ready. Faults: `start`, with the end of its log in `details`. */
export async function launchServer(launch: Launch): Promise<EmbeddedServer> {
  const runningPath = await claim(launch);
  const release = () => rmSync(runningPath, { force: true });
  process.once('exit', release);
  try {
    await launch.prepare();
    const logPath = join(launch.directory, 'server.log');
    const child = await spawned(launch, logPath, runningPath);
    process.off('exit', release);
    const server = watch(launch, child, release);
    try {
      await untilReady(launch, child, logPath);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  } catch (error) {
    process.off('exit', release);
    release();
    throw error;
  }
}

/** Follows a spawned server to its end, and ends it with this process. */
function watch(launch: Launch, child: ChildProcess & { pid: number }, release: () => void): EmbeddedServer {
  const endNow = () => child.kill(launch.stopSignal);
  process.once('exit', endNow);
  const exited = once(child, 'exit').then(() => {
    process.off('exit', endNow);
    release();
  });
  const stop = async () => {
    endNow();
    const kill = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
    await exited;
    clearTimeout(kill);
  };
  return { url: launch.url(), port: launch.port, pid: child.pid, exited, stop };
}

/** Resolves to `port`, or to one that the system chose for 0, when nothing listens there. Rejects with the socket's error. */
async function probePort(port: number): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(port, '127.0.0.1', resolve);
  });
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : port;
}

/**
 * Starts on `wanted`, or on a free port for 0; in that case again when another program took the port
 * first. Faults: `start` when `wanted` is taken.
 */
export async function onPort<T>(name: string, wanted: number, start: (port: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const port = await probePort(wanted).catch((cause: unknown) => {
      throw new Fault('start', `${name} cannot have port ${wanted}: another program listens there.`, { cause });
    });
    try {
      return await start(port);
    } catch (error) {
      const isTaken = await probePort(port).then(
        () => false,
        () => true,
      );
      if (wanted !== 0 || attempt === 3 || !isTaken) throw error;
    }
  }
}
