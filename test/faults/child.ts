/**
 * One process of the cluster in a fault scene: started by name from dist/, and then killed, stopped, continued or
 * told to end. Its log goes to a file of its own. Runs in the test's process.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** How a process ended. */
export type Ending = { readonly code: number | null; readonly signal: NodeJS.Signals | null; readonly ms: number };

/** What to start: a file of cluster/ by its name, its environment, its log. */
export type ChildPlan = {
  readonly module: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly logFile: string;
  readonly args?: readonly string[];
  /** Folder of another compiled program whose process it is; ours when absent. */
  readonly program?: string | undefined;
};

/** The package's folder, whether this file runs from test/ or from dist/test/. */
export function packageFolder(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

/** Environment that loads a module of test/faults into a process before its own. */
export function preloaded(module: 'block' | 'clock-shift'): Record<string, string> {
  const url = pathToFileURL(join(packageFolder(), 'dist', 'test', 'faults', `${module}.js`)).href;
  return { NODE_OPTIONS: `--import ${url}` };
}

/** A process that runs, or has ended. */
export class Child {
  readonly announced: Readonly<Record<string, unknown>>;
  readonly #process: ChildProcess;
  readonly #ended: Promise<Ending>;

  private constructor(process: ChildProcess, announced: Readonly<Record<string, unknown>>, ended: Promise<Ending>) {
    this.#process = process;
    this.announced = announced;
    this.#ended = ended;
  }

  /** Starts it and resolves when it says that it is ready; rejects when it ends instead. */
  static async start({ module, environment, logFile, args = [], program }: ChildPlan): Promise<Child> {
    const log = openSync(logFile, 'a', 0o600);
    const startedMs = performance.now();
    const forked = fork(join(program ?? join(packageFolder(), 'dist'), 'cluster', `${module}.js`), args, {
      env: { PATH: process.env['PATH'], ...environment },
      execArgv: [],
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    const ended = new Promise<Ending>((resolve) => {
      forked.once('exit', (code, signal) => resolve({ code, signal, ms: performance.now() - startedMs }));
    });
    const ready = new Promise<Record<string, unknown>>((resolve) => {
      forked.on('message', (message) => {
        if (typeof message === 'object' && message !== null && 'ready' in message) resolve({ ...message });
      });
    });
    const announced = await Promise.race([ready, ended.then(() => undefined)]);
    if (announced === undefined) throw new Error(`${module} ended at its start; its last words are in ${logFile}`);
    return new Child(forked, announced, ended);
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Resident memory. */
  get megabytes(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'latin1');
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
  }

  /** Open files and sockets. */
  get handles(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** kill -9; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }

  /** Stops it as a paused virtual machine would. */
  pause(): void {
    this.#process.kill('SIGSTOP');
  }

  /** Lets it go on. */
  resume(): void {
    this.#process.kill('SIGCONT');
  }

  /** Sends a signal of the test's own. */
  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** SIGTERM; resolves with how it ended and how long that took. */
  async terminate(): Promise<Ending> {
    const askedMs = performance.now();
    this.#process.kill('SIGTERM');
    const { code, signal } = await this.#ended;
    return { code, signal, ms: performance.now() - askedMs };
  }
}
