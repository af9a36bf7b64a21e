/**
 * Looks every few seconds at what waits for each carrier, so that scraping metrics asks Redis nothing. Main thread of a
 * worker. A look that fails leaves the values of the one before.
 */
import type { Clock } from '../src/clock.ts';
import type { Service } from '../src/service.ts';
import { type Backlog, type BacklogReader, noBacklog } from '../src/stream/backlog.ts';
import type { Log } from '../src/telemetry.ts';

const lookMs = 5_000;

/** See the head of this file. */
export class BacklogWatch implements Service {
  readonly name = 'backlog';
  readonly #reader: BacklogReader;
  readonly #carriers: readonly string[];
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #backlogs = new Map<string, Backlog>();
  #cancel: () => void = () => undefined;
  #looking: Promise<void> | undefined;
  #isStopping = false;

  constructor(reader: BacklogReader, carriers: readonly string[], clock: Clock, log: Log) {
    this.#reader = reader;
    this.#carriers = carriers;
    this.#clock = clock;
    this.#log = log;
  }

  /** What waited at the last look. */
  of(carrier: string): Backlog {
    return this.#backlogs.get(carrier) ?? noBacklog;
  }

  /** Begins to look. */
  async start(): Promise<void> {
    if (this.#isStopping) return;
    this.#looking = this.#look().finally(() => {
      if (!this.#isStopping) this.#cancel = this.#clock.after(lookMs, () => void this.start());
    });
  }

  /** Looks no more. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#cancel();
    await this.#looking;
  }

  async #look(): Promise<void> {
    try {
      for (const carrier of this.#carriers) this.#backlogs.set(carrier, await this.#reader.read(carrier));
    } catch (error) {
      this.#log.warn('backlog.unread', {}, error);
    }
  }
}
