/**
 * Looks every few seconds whether Redis still has what was put into it, and restores what it lost. Runs in the
 * recorder process; of several only one restores at a time. Never does anything while Redis is well.
 */
import type { Service } from '../service.ts';
import { type ReconcilerOptions, reconcile } from './reconcile.ts';
import { Stranded } from './stranded.ts';

/** See the head of this file. */
export class Reconciler implements Service {
  readonly name = 'reconciler';
  readonly #options: ReconcilerOptions;
  readonly #everyMs: number;
  readonly #abort = new AbortController();
  readonly #stranded = new Stranded();
  #running: Promise<void> | undefined;
  #endPause: (() => void) | undefined;

  /** `everyMs`: pause between looks. */
  constructor(options: ReconcilerOptions, everyMs: number) {
    this.#options = options;
    this.#everyMs = everyMs;
  }

  /** The first look comes at once: before anything is sent, Redis must be what PostgreSQL believes. */
  async start(): Promise<void> {
    if (this.#abort.signal.aborted || this.#running !== undefined) return;
    await this.#look();
    this.#running ??= this.#run();
  }

  /** Ends between two pages of batches; another process goes on. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#endPause?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      await new Promise<void>((resolve) => {
        const cancel = this.#options.clock.after(this.#everyMs, resolve);
        this.#endPause = () => {
          cancel();
          resolve();
        };
      });
      if (!this.#abort.signal.aborted) await this.#look();
    }
  }

  async #look(): Promise<void> {
    try {
      await reconcile(this.#options, this.#abort.signal, this.#stranded);
    } catch (error) {
      this.#options.log.warn('reconcile.failed', {}, error);
    }
  }
}
