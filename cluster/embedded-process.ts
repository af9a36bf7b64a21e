/**
 * One embedded server as a child process: claim its folder, spawn, wait until ready, stop. Any process
 * that starts one, main thread.
 * Never leaves a child behind on an orderly exit; never lets Ctrl-C reach the server before us.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '../src/fault.ts';
import { type Claim, claimFolder } from './embedded-claim.ts';
import type { ServerUser } from './embedded-folder.ts';

/** A server that runs. */
export type EmbeddedServer = {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Ends it in order. */
  readonly stopSignal: NodeJS.Signals;
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
async function spawned(launch: Launch, logPath: string, claim: Claim): Promise<ChildProcess & { pid: number }> {
  const child = spawnServer(launch, logPath);
  await once(child, 'spawn').catch((cause: unknown) => {
    throw new Fault('start', `Cannot run ${launch.command} on this machine.`, { cause });
  });
  const { pid } = child;
  assert(pid !== undefined, 'a spawned process has an id');
  claim.record(pid);
  return Object.assign(child, { pid });
}

/** Runs the server and resolves when it is ready. Faults: `start`, with the end of its log in `details`. */
export async function launchServer(launch: Launch): Promise<EmbeddedServer> {
  const claim = await claimFolder(launch.name, launch.directory, launch.stopSignal);
  process.once('exit', claim.release);
  try {
    await launch.prepare();
    const logPath = join(launch.directory, 'server.log');
    const child = await spawned(launch, logPath, claim);
    process.off('exit', claim.release);
    const server = watch(launch, child, claim);
    try {
      await untilReady(launch, child, logPath);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  } catch (error) {
    process.off('exit', claim.release);
    claim.release();
    throw error;
  }
}

/** Follows a spawned server to its end, and ends it with this process. */
function watch(launch: Launch, child: ChildProcess & { pid: number }, claim: Claim): EmbeddedServer {
  const endNow = () => child.kill(launch.stopSignal);
  process.once('exit', endNow);
  const exited = once(child, 'exit').then(() => {
    process.off('exit', endNow);
    claim.release();
  });
  const stop = async () => {
    endNow();
    const kill = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
    await exited;
    clearTimeout(kill);
  };
  const { port, stopSignal } = launch;
  return { url: launch.url(), port, pid: child.pid, stopSignal, exited, stop };
}
