/**
 * An action that repeats until it is stopped: a pause between runs, which `wake` cuts short, and a longer
 * one after a failure. Runs in every process. Never runs its action twice at once.
 */
import type { Clock } from './clock.ts';
import type { Log } from './telemetry.ts';

/** Longest pause after failures in a row. */
const pauseAfterFailureMsMax = 5000;

/** What a loop is made of. */
export type LoopOptions = {
  readonly name: string;
  /** Pause after a run; 0 when the action itself waits for something. */
  readonly pauseMs: number;
  readonly action: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
};

/** A repeated action. */
export class Loop {
  readonly #options: LoopOptions;
  #running: Promise<void> | undefined;
  #isStopped = false;
  #isWoken = false;
  #endPause: (() => void) | undefined;

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  /** Begins, unless it was stopped already. */
  start(): void {
    if (!this.#isStopped) this.#running ??= this.#run();
  }

  /** Runs the action again at once, or right after the present run. */
  wake(): void {
    this.#isWoken = true;
    this.#endPause?.();
  }

  /** Begins no further run; resolves when the present one has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#endPause?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { action, name, pauseMs, log } = this.#options;
    let failures = 0;
    while (!this.#isStopped) {
      this.#isWoken = false;
      try {
        await action();
        failures = 0;
        await this.#pause(pauseMs);
      } catch (error) {
        failures += 1;
        log.warn('loop.failed', { loop: name, failures }, error);
        this.#isWoken = false;
        await this.#pause(Math.min(pauseAfterFailureMsMax, Math.max(pauseMs, 50) * 2 ** Math.min(failures, 10)));
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    if (ms === 0 || this.#isWoken || this.#isStopped) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(ms, resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
    this.#endPause = undefined;
  }
}
