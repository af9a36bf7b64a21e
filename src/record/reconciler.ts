/**
 * Looks every few seconds whether Redis still has what was put into it, and restores what it lost. Runs in the
 * recorder process; of several only one restores at a time. Never does anything while Redis is well.
 */
import type { Service } from '../service.ts';
import { type Reconciled, type ReconcilerOptions, type RecordedThrough, reconcile } from './reconcile.ts';
import { Stranded } from './stranded.ts';

/** See the head of this file. */
export class Reconciler implements Service {
  readonly name = 'reconciler';
  readonly #options: ReconcilerOptions;
  readonly #everyMs: number;
  readonly #recordedThrough: () => RecordedThrough;
  readonly #looked: (found: Reconciled | 'failed') => void;
  #goodThrough: RecordedThrough = new Map();
  readonly #abort = new AbortController();
  readonly #stranded = new Stranded();
  #running: Promise<void> | undefined;
  #endPause: (() => void) | undefined;

  /**
   * `everyMs`: pause between looks. `recordedThrough`: as the recorder of this process knows it at the moment.
   * `looked` hears of each look.
   */
  constructor(
    options: ReconcilerOptions,
    everyMs: number,
    recordedThrough: () => RecordedThrough,
    looked: (found: Reconciled | 'failed') => void = () => undefined,
  ) {
    this.#options = options;
    this.#everyMs = everyMs;
    this.#recordedThrough = recordedThrough;
    this.#looked = looked;
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
      // Asked for before the look: what it finds good was good when that was read.
      const through = this.#recordedThrough();
      const found = await reconcile(this.#options, this.#abort.signal, this.#stranded, this.#goodThrough);
      if (found === 'good') this.#goodThrough = through;
      this.#looked(found);
    } catch (error) {
      this.#looked('failed');
      this.#options.log.warn('reconcile.failed', {}, error);
    }
  }
}
