/**
 * Child processes of `all.ts`: started one by one when each is ready, ended in the order given. A child is in a
 * process group of its own, so that Ctrl-C reaches the parent alone, and ends by itself when the parent is gone.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { Fault } from '../src/fault.ts';

/** A child that runs. */
export type Child = {
  readonly name: string;
  /** What the child said of itself when it was ready, for example its port. */
  readonly announced: Readonly<Record<string, unknown>>;
  /** Resolves when it has ended, with its exit code, or the signal's name. */
  readonly ended: Promise<string>;
  /** Asks it to stop, and ends it when it does not within `graceMs`. */
  stop(graceMs: number): Promise<void>;
};

/** Where children write their logs, and what of the environment they share. */
export type Surroundings = {
  readonly logFile: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A descriptor to inherit; see `embedded-guard.ts`. */
  readonly inUse?: number | undefined;
  /** Ends a child that is not ready yet. */
  readonly abort?: AbortSignal;
};

/**
 * Starts `module` (a file of `cluster/`, without ending) and waits until it is ready.
 * @throws Fault `start` when it ends instead, with its own words where it had some.
 */
export async function startChild(
  name: string,
  module: string,
  { logFile, environment, inUse, abort }: Surroundings,
  args: readonly string[] = [],
): Promise<Child> {
  const log = openSync(logFile, 'a', 0o600);
  const child = fork(new URL(`./${module}.js`, import.meta.url), args, {
    env: environment,
    detached: true,
    stdio: ['ignore', log, log, 'ipc', ...(inUse === undefined ? [] : [inUse])],
  });
  closeSync(log);
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    child.once('error', (error) => resolve(error.message));
  });
  const onAbort = () => child.kill('SIGTERM');
  abort?.addEventListener('abort', onAbort);
  const announced = await Promise.race([readyOf(child), ended]);
  abort?.removeEventListener('abort', onAbort);
  if (typeof announced === 'string') throw new Fault('start', `${name}: ${announced}; see ${logFile}`);
  if ('failed' in announced) {
    await ended;
    throw new Fault('start', `${name}: ${String(announced['failed'])}`);
  }
  return {
    name,
    announced,
    ended,
    async stop(graceMs) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const watchdog = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await ended;
      clearTimeout(watchdog);
    },
  };
}

/** What the child says first: that it is ready, or why it cannot be. */
function readyOf(child: ChildProcess): Promise<Record<string, unknown>> {
  return new Promise((resolve) => {
    child.on('message', (message) => {
      const isNews = typeof message === 'object' && message !== null && ('ready' in message || 'failed' in message);
      if (isNews) resolve({ ...message });
    });
  });
}
