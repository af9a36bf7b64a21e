/**
 * Which carriers can be sent to. Runs in planners and workers. A carrier is passed over once no worker has
 * had a bind of it for a while, where another one serves the same numbers; it is planned for again as soon as one has.
 */
import type { Clock } from '../clock.ts';
import type { Service } from '../service.ts';
import type { Log } from '../telemetry.ts';
import { Loop } from './loop.ts';

/** What standings are made of. */
export type StandingOptions = {
  readonly carriers: readonly string[];
  /** Those carriers of which some worker has a bind now. */
  readonly askUp: () => Promise<ReadonlySet<string>>;
  /** How long a carrier may be without a bind. */
  readonly awayMs: number;
  /** Called after each question that changed something. */
  readonly changed?: () => void;
  readonly clock: Clock;
  readonly log: Log;
};

/** Pause between questions. */
const askEveryMs = 1_000;

/** See the head of this file. */
export class Standings implements Service {
  readonly name = 'standings';
  readonly #options: StandingOptions;
  readonly #loop: Loop;
  readonly #lastUpMs = new Map<string, number>();
  readonly #away = new Set<string>();

  /** Every carrier counts as up at first: workers may only be starting. */
  constructor(options: StandingOptions) {
    this.#options = options;
    const { carriers, clock, log } = options;
    for (const carrier of carriers) this.#lastUpMs.set(carrier, clock.monotonicMs());
    this.#loop = new Loop({ name: 'standings', pauseMs: askEveryMs, action: () => this.#look(), clock, log });
  }

  /** Begins to ask. */
  async start(): Promise<void> {
    this.#loop.start();
  }

  /** Asks no more. */
  async stop(): Promise<void> {
    await this.#loop.stop();
  }

  /** Whether `carrier` can be sent to. */
  usable(carrier: string): boolean {
    return !this.#away.has(carrier);
  }

  async #look(): Promise<void> {
    const { carriers, askUp, awayMs, changed, clock, log } = this.#options;
    let isChanged = false;
    const up = await askUp();
    const nowMs = clock.monotonicMs();
    for (const carrier of carriers) {
      if (up.has(carrier)) this.#lastUpMs.set(carrier, nowMs);
      const isAway = nowMs - (this.#lastUpMs.get(carrier) ?? nowMs) >= awayMs;
      if (isAway === this.#away.has(carrier)) continue;
      log.warn(isAway ? 'carrier.away' : 'carrier.back', { carrier });
      isChanged = true;
      if (isAway) this.#away.add(carrier);
      else this.#away.delete(carrier);
    }
    if (isChanged) changed?.();
  }
}
