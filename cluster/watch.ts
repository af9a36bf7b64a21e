/**
 * Asks for something every few seconds and keeps the answer, so that scraping metrics asks nobody anything. A question
 * that fails leaves the answer before it.
 */
import type { Clock } from '../src/clock.ts';
import { Loop } from '../src/loop.ts';
import type { Service } from '../src/service.ts';
import type { Log } from '../src/telemetry.ts';

const askEveryMs = 5_000;

/** See the head of this file. */
export class Watch<Answer> implements Service {
  readonly name: string;
  readonly #loop: Loop;
  #latest: Answer;

  /** `first` is the answer until there is one. */
  constructor(name: string, first: Answer, ask: () => Promise<Answer>, clock: Clock, log: Log) {
    this.name = name;
    this.#latest = first;
    const action = async () => {
      this.#latest = await ask();
    };
    this.#loop = new Loop({ name, pauseMs: askEveryMs, action, clock, log });
  }

  /** The answer that came last. */
  get latest(): Answer {
    return this.#latest;
  }

  /** Begins to ask. */
  async start(): Promise<void> {
    this.#loop.start();
  }

  /** Asks no more. */
  async stop(): Promise<void> {
    await this.#loop.stop();
  }
}
