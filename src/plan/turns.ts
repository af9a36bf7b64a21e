/**
 * A limit on work that is done at once. Alerts have turns of their own, so that no number of information
 * campaigns makes one wait. Pure.
 */
import type { Nature } from '../handoff.ts';

type Lane = { free: number; readonly waiting: (() => void)[] };

/** Turns, by nature, first come first served. */
export class Turns {
  readonly #lanes: Readonly<Record<Nature, Lane>>;

  /** `atOnceMax` for each nature. */
  constructor(atOnceMax: number) {
    this.#lanes = { alert: { free: atOnceMax, waiting: [] }, information: { free: atOnceMax, waiting: [] } };
  }

  /** Runs `work` when it is its turn. */
  async take<T>(nature: Nature, work: () => Promise<T>): Promise<T> {
    const lane = this.#lanes[nature];
    if (lane.free > 0) lane.free -= 1;
    else await new Promise<void>((resolve) => lane.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = lane.waiting.shift();
      if (next === undefined) lane.free += 1;
      else next();
    }
  }
}
