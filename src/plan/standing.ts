/**
 * Which carriers can be sent to. Runs in planners and workers. A carrier is passed over once no worker has
 * had a bind of it for a while, where another one serves the same numbers; it is planned for again as soon as one has.
 * One that the operator paused is passed over only where the operator said so.
 */
import type { Clock } from '../clock.ts';
import type { Service } from '../service.ts';
import type { Log } from '../telemetry.ts';
import { notPaused, type PauseWord } from '../stream/standing.ts';
import { Loop } from '../loop.ts';

/** What standings are made of. */
export type StandingOptions = {
  readonly carriers: readonly string[];
  /** Those carriers of which some worker has a bind now. */
  readonly askUp: () => Promise<ReadonlySet<string>>;
  /** The operator's word on each; `known` is the answer of before. Nobody pauses anything when absent. */
  readonly askPauses?: (known: ReadonlyMap<string, PauseWord>) => Promise<ReadonlyMap<string, PauseWord>>;
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
  #pauses: ReadonlyMap<string, PauseWord> = new Map();

  /** Every carrier counts as up at first: workers may only be starting. */
  constructor(options: StandingOptions) {
    this.#options = options;
    const { carriers, clock, log } = options;
    for (const carrier of carriers) this.#lastUpMs.set(carrier, clock.monotonicMs());
    this.#loop = new Loop({ name: 'standings', pauseMs: askEveryMs, action: () => this.#look(), clock, log });
  }

  /** Begins to ask; resolves once the first answer is here, so that nothing is sent to a carrier that is paused. */
  async start(): Promise<void> {
    await this.#look();
    this.#loop.start();
  }

  /** Asks at once. */
  wake(): void {
    this.#loop.wake();
  }

  /** Asks no more. */
  async stop(): Promise<void> {
    await this.#loop.stop();
  }

  /** Whether `carrier` can be sent to. */
  usable(carrier: string): boolean {
    return !this.#away.has(carrier);
  }

  /** The operator's word on `carrier`. */
  pauseOf(carrier: string): PauseWord {
    return this.#pauses.get(carrier) ?? notPaused;
  }

  async #look(): Promise<void> {
    const { carriers, askUp, awayMs, changed, clock, log } = this.#options;
    const [up, pauses] = await Promise.all([askUp(), this.#options.askPauses?.(this.#pauses) ?? this.#pauses]);
    let isChanged = carriers.some((carrier) => pauses.get(carrier)?.pause !== this.#pauses.get(carrier)?.pause);
    this.#pauses = pauses;
    const nowMs = clock.monotonicMs();
    for (const carrier of carriers) {
      const { pause } = this.pauseOf(carrier);
      // What waits for a paused carrier waits, bound or not, unless the operator gives it away.
      if (up.has(carrier) || pause === 'wait') this.#lastUpMs.set(carrier, nowMs);
      const isAway = pause === 'reroute' || nowMs - (this.#lastUpMs.get(carrier) ?? nowMs) >= awayMs;
      if (isAway === this.#away.has(carrier)) continue;
      log.warn(isAway ? 'carrier.away' : 'carrier.back', { carrier });
      isChanged = true;
      if (isAway) this.#away.add(carrier);
      else this.#away.delete(carrier);
    }
    if (isChanged) changed?.();
  }
}
