/**
 * A limit on work that is done at once. Alerts have turns of their own, and so have small campaigns, so that neither
 * waits for large ones, however many there are. Pure.
 */

/** Whose turns they are: alerts, and information for few or for many. */
export type TurnKind = 'alert' | 'small' | 'large';

type Lane = { free: number; readonly waiting: (() => void)[] };

/** Turns, by kind, first come first served. */
export class Turns {
  readonly #lanes: Readonly<Record<TurnKind, Lane>>;

  /** How many of each kind at once. */
  constructor({ alert, small, large }: Readonly<Record<TurnKind, number>>) {
    this.#lanes = { alert: laneOf(alert), small: laneOf(small), large: laneOf(large) };
  }

  /** Runs `work` when it is its turn. */
  async take<T>(kind: TurnKind, work: () => Promise<T>): Promise<T> {
    const lane = this.#lanes[kind];
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

function laneOf(free: number): Lane {
  return { free, waiting: [] };
}
