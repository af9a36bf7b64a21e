/**
 * Message ids of receipts that wait for their submission, in memory, so that a flush asks PostgreSQL only when
 * one of them has arrived. Bounded: with more orphans than the bound it answers "maybe" to everything. Runs
 * on the recorder's main thread. Pure.
 */

/** The orphans of one carrier. */
export class OrphanIds {
  readonly #idsMax: number;
  readonly #ids: Set<string>;
  #isComplete: boolean;

  /** `ids`: what PostgreSQL has, at most `idsMax`; as many as that means that there may be more. */
  constructor(ids: readonly string[], idsMax: number) {
    this.#ids = new Set(ids);
    this.#idsMax = idsMax;
    this.#isComplete = ids.length < idsMax;
  }

  /** How many wait, up to the bound. */
  get size(): number {
    return this.#ids.size;
  }

  /** False only when no orphan waits for the id in Latin-1 `bytes[start, end)`. */
  mayHave(bytes: Buffer, start: number, end: number): boolean {
    if (!this.#isComplete) return true;
    return this.#ids.size > 0 && this.#ids.has(bytes.toString('latin1', start, end));
  }

  /** Forgets ids whose receipts found their submission, and notes new ones. */
  replace(matched: readonly string[], orphaned: readonly string[]): void {
    for (const id of matched) this.#ids.delete(id);
    for (const id of orphaned) {
      if (this.#ids.size < this.#idsMax) this.#ids.add(id);
      else this.#isComplete = false;
    }
  }
}
