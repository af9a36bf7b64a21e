/**
 * Looks every few seconds at what waits for each carrier, so that scraping metrics asks Redis nothing. Main thread of a
 * worker. A look that fails leaves the values of the one before.
 */
import type { Clock } from '../src/clock.ts';
import { Loop } from '../src/plan/loop.ts';
import type { Service } from '../src/service.ts';
import { type Backlog, type BacklogReader, noBacklog } from '../src/stream/backlog.ts';
import type { Log } from '../src/telemetry.ts';

const lookMs = 5_000;

/** See the head of this file. */
export class BacklogWatch implements Service {
  readonly name = 'backlog';
  readonly #backlogs = new Map<string, Backlog>();
  readonly #loop: Loop;

  constructor(reader: BacklogReader, carriers: readonly string[], clock: Clock, log: Log) {
    const action = async () => {
      for (const carrier of carriers) this.#backlogs.set(carrier, await reader.read(carrier));
    };
    this.#loop = new Loop({ name: 'backlog', pauseMs: lookMs, action, clock, log });
  }

  /** What waited at the last look. */
  of(carrier: string): Backlog {
    return this.#backlogs.get(carrier) ?? noBacklog;
  }

  /** Begins to look. */
  async start(): Promise<void> {
    this.#loop.start();
  }

  /** Looks no more. */
  async stop(): Promise<void> {
    await this.#loop.stop();
  }
}
