/**
 * Looks every few seconds whether Redis still has what was put into it, and restores what it lost. Runs in the
 * recorder process; of several only one restores at a time. Never does anything while Redis is well.
 */
import type { Service } from '../service.ts';
import { type Reconciled, type ReconcilerOptions, type RecordedThrough, reconcile } from './reconcile.ts';
import { Stranded } from './stranded.ts';

/** Pause between looks at the name of Redis's data alone: so long ago can have been sent what nobody knows of. */
const watchMs = 100;

/** Workers record what they were answered while Redis was away: so long they are given before anything is judged. */
const answersMs = 1_000;

/** See the head of this file. */
export class Reconciler implements Service {
  readonly name = 'reconciler';
  readonly #options: ReconcilerOptions;
  readonly #everyMs: number;
  readonly #recordedThrough: () => RecordedThrough;
  readonly #looked: (found: Reconciled | 'failed') => void;
  #goodThrough: RecordedThrough = new Map();
  /** Name of the data that the last look found good. */
  #goodNames: string | undefined;
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
    const { clock } = this.#options;
    let lookedMs = clock.monotonicMs();
    while (!this.#abort.signal.aborted) {
      await this.#pause(this.#goodNames === undefined ? this.#everyMs : Math.min(watchMs, this.#everyMs));
      if (this.#abort.signal.aborted) return;
      const hadData = this.#goodNames !== undefined;
      const isGood = await this.#isGood();
      if (isGood && clock.monotonicMs() - lookedMs < this.#everyMs) continue;
      if (hadData && !isGood) await this.#pause(Math.min(answersMs, this.#everyMs));
      await this.#look();
      lookedMs = clock.monotonicMs();
    }
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(ms, resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Whether Redis's data are those of the last look; then what was recorded of them until now stays recorded. */
  async #isGood(): Promise<boolean> {
    try {
      const through = this.#recordedThrough();
      const isGood = this.#goodNames !== undefined && (await this.#names()) === this.#goodNames;
      if (isGood) this.#goodThrough = through;
      return isGood;
    } catch {
      // The next look says what is wrong.
      return false;
    }
  }

  /** Names of all carriers' data; undefined where one has none. */
  async #names(): Promise<string | undefined> {
    const { carriers, conveyor } = this.#options;
    const names = await Promise.all(carriers.map((carrier) => conveyor.epoch(carrier)));
    return names.includes(undefined) ? undefined : names.join(' ');
  }

  async #look(): Promise<void> {
    try {
      // Asked for before the look: what it finds good was good when that was read.
      const through = this.#recordedThrough();
      const found = await reconcile(this.#options, this.#abort.signal, this.#stranded, this.#goodThrough);
      if (found === 'good') this.#goodThrough = through;
      this.#goodNames = found === 'good' ? await this.#names() : undefined;
      this.#looked(found);
    } catch (error) {
      this.#goodNames = undefined;
      this.#looked('failed');
      this.#options.log.warn('reconcile.failed', {}, error);
    }
  }
}
