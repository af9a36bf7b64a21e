/**
 * A limit on work that is done at once. Alerts have turns of their own, and so have small campaigns, so that neither
 * waits for large ones, however many there are; and what is frozen is not held up by what still has to be. Pure.
 */

/** Whose turns they are: alerts', of information for few, and of information for many, to be frozen and to be read. */
export type TurnKind = 'alert' | 'small' | 'large' | 'page';

type Waiting = { readonly dueMs: number; readonly go: () => void };
type Lane = { free: number; readonly waiting: Waiting[] };

/** Turns, by kind, the one that is due first before others. */
export class Turns {
  readonly #lanes: Readonly<Record<TurnKind, Lane>>;

  /** How many of each kind at once. */
  constructor({ alert, small, large, page }: Readonly<Record<TurnKind, number>>) {
    this.#lanes = { alert: laneOf(alert), small: laneOf(small), large: laneOf(large), page: laneOf(page) };
  }

  /** Runs `work` when it is its turn. `dueMs` orders those that wait. */
  async take<T>(kind: TurnKind, dueMs: number, work: () => Promise<T>): Promise<T> {
    const lane = this.#lanes[kind];
    if (lane.free > 0) lane.free -= 1;
    else await new Promise<void>((go) => insert(lane.waiting, { dueMs, go }));
    try {
      return await work();
    } finally {
      const next = lane.waiting.shift();
      if (next === undefined) lane.free += 1;
      else next.go();
    }
  }
}

/** Puts one behind those that are due no later. */
function insert(waiting: Waiting[], one: Waiting): void {
  const at = waiting.findIndex(({ dueMs }) => dueMs > one.dueMs);
  waiting.splice(at < 0 ? waiting.length : at, 0, one);
}

function laneOf(free: number): Lane {
  return { free, waiting: [] };
}
