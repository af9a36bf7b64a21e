/**
 * What the recorder knows of the batches of one carrier: a bounded cache of the rows of `batch_states`, which
 * applies events and says what changed. Runs on the recorder's main thread. Pure. Never holds more than it
 * may: clean batches are dropped, the longest unused first, and loaded again when needed.
 */
import { lowestState, rankOfState, segmentStates, segmentStatesCount, segmentsMax } from '../db/fold.ts';
import type { NewStateRow } from '../db/record.ts';
import type { Id } from '../handoff.ts';

/** Whose batch it is. */
export type BatchKey = {
  readonly campaign: Id;
  readonly organisation: Id;
  readonly batch: number;
  readonly firstOrdinal: number;
};

/** Differences of one campaign: how many messages more or fewer stand in each segment state. */
export type CampaignDelta = { readonly campaign: Id; readonly organisation: Id; readonly counts: Int32Array };

/** One batch on one carrier: one row of bytes for each segment position (see src/db/fold.ts). */
export class BatchState {
  readonly key: BatchKey;
  /** Rows by segment; as long as the highest index seen, so that short batches stay short. */
  rows: Buffer[] = [];
  /** False until the rows of PostgreSQL are here, and again after they were dropped. */
  isLoaded = false;
  /** Bit s is set when row s must be written. */
  dirty = 0;
  /** The `StateCache.take` that had it last. */
  take = 0;

  constructor(key: BatchKey) {
    this.key = key;
  }

  /** Rows as PostgreSQL has them, by segment; empty when it has none. */
  load(rows: readonly (Buffer | undefined)[]): void {
    this.rows = Array.from(rows, (row) => Buffer.from(row ?? []));
    this.isLoaded = true;
    this.dirty = 0;
  }

  /** Some segment of it has a receipt that says what became of it. */
  get hasReceipt(): boolean {
    const { delivered, undelivered } = segmentStates;
    return this.rows.some((row) => row.some((byte) => (byte & 15) === delivered || (byte & 15) === undelivered));
  }

  /** Forgets the rows; they must have been written. */
  unload(): void {
    this.rows = [];
    this.isLoaded = false;
  }

  /**
   * Applies one event to one segment of the message at `index`: the state rises to `state` or stays. `segments`
   * is how many the message has; an event with one segment on a message that has more speaks of all that
   * have no outcome yet. Messages that moved are counted in `counts`.
   */
  apply(index: number, segment: number, segments: number, state: number, counts: Int32Array): void {
    const known = (this.rows[0]?.[index] ?? 0) >> 4;
    // Nearly every message is one segment that nothing is known of, or that was accepted.
    if (segments <= 1 && known <= 1) this.#applySingle(index, state, counts);
    else this.#applyMany(index, segment, Math.min(segments, segmentsMax), state, counts);
  }

  /** Applies a receipt: the segment rises to `state` or stays. Its submission was applied before. */
  receive(index: number, segment: number, state: number, counts: Int32Array): void {
    if (segment === 0 && (this.rows[0]?.[index] ?? 0) >> 4 <= 1) {
      this.#applySingle(index, state, counts);
      return;
    }
    const before = lowestState(this.rows, index);
    this.#raise(segment, index, state);
    count(counts, before, lowestState(this.rows, index));
  }

  #applySingle(index: number, state: number, counts: Int32Array): void {
    const row = this.#row(0, index);
    const before = (row[index] ?? 0) & 15;
    if ((rankOfState[state] as number) <= (rankOfState[before] as number)) return;
    row[index] = 0x10 | state;
    this.dirty |= 1;
    count(counts, before, state);
  }

  #applyMany(index: number, segment: number, segments: number, state: number, counts: Int32Array): void {
    const before = lowestState(this.rows, index);
    const known = (this.rows[0]?.[index] ?? 0) >> 4;
    if (segments > known) this.#grow(index, known, segments, before);
    if (segments < known && segment === 0) {
      for (let s = 0; s < known; s += 1) if (this.#state(s, index) === segmentStates.none) this.#raise(s, index, state);
    } else if (segment < segmentsMax) {
      this.#raise(segment, index, state);
    }
    count(counts, before, lowestState(this.rows, index));
  }

  /** Notes that the message has more segments than was thought; the new ones stand where the message stood. */
  #grow(index: number, known: number, segments: number, state: number): void {
    const head = this.#row(0, index);
    head[index] = (segments << 4) | ((head[index] ?? 0) & 15);
    this.dirty |= 1;
    if (known > 0) for (let s = known; s < segments; s += 1) this.#raise(s, index, state);
  }

  #raise(segment: number, index: number, state: number): void {
    const row = this.#row(segment, index);
    const byte = row[index] ?? 0;
    if ((rankOfState[state] as number) <= (rankOfState[byte & 15] as number)) return;
    row[index] = (byte & 0xf0) | state;
    this.dirty |= 1 << segment;
  }

  #state(segment: number, index: number): number {
    return (this.rows[segment]?.[index] ?? 0) & 15;
  }

  #row(segment: number, index: number): Buffer {
    while (this.rows.length <= segment) this.rows.push(Buffer.alloc(0));
    let row = this.rows[segment] as Buffer;
    if (row.length <= index) {
      const grown = Buffer.alloc(Math.max(index + 1, Math.min(row.length * 2, 500), 16));
      row.copy(grown);
      this.rows[segment] = grown;
      row = grown;
    }
    return row;
  }
}

function count(counts: Int32Array, before: number, after: number): void {
  if (before === after) return;
  counts[before] = (counts[before] ?? 0) - 1;
  counts[after] = (counts[after] ?? 0) + 1;
}

/** What one transaction writes of states. */
export type Changes = { readonly rows: readonly NewStateRow[]; readonly deltas: readonly CampaignDelta[] };

/** Batches of one carrier, and what changed in them since the last `take`. */
export class StateCache {
  readonly #batchesMax: number;
  readonly #batches = new Map<string, BatchState>();
  #deltas = new Map<Id, CampaignDelta>();
  #dirty = new Set<BatchState>();
  #takes = 0;

  /** Keeps the rows of about `batchesMax` batches between flushes. */
  constructor(batchesMax: number) {
    this.#batchesMax = batchesMax;
  }

  /** The batch of a key; not loaded when it is new here. */
  get({ campaign, organisation, batch, firstOrdinal }: BatchKey): BatchState {
    const key = { campaign, organisation, batch, firstOrdinal };
    const name = `${key.campaign}/${key.batch}`;
    let state = this.#batches.get(name);
    if (state === undefined) {
      state = new BatchState(key);
      this.#batches.set(name, state);
    }
    return state;
  }

  /** Brings a batch that somebody still points at back under the cache's care. */
  keep(state: BatchState): BatchState {
    return state.isLoaded ? state : this.get(state.key);
  }

  /** Counts of a campaign since the last `take`, for `BatchState.apply`. */
  countsOf(key: BatchKey): Int32Array {
    let delta = this.#deltas.get(key.campaign);
    if (delta === undefined) {
      const counts = new Int32Array(segmentStatesCount);
      delta = { campaign: key.campaign, organisation: key.organisation, counts };
      this.#deltas.set(key.campaign, delta);
    }
    return delta.counts;
  }

  /** Marks a batch that was applied to. */
  touch(state: BatchState): void {
    this.#dirty.add(state);
  }

  /**
   * Copies of what changed, to be committed before the take after the next: until then no batch of this take is
   * dropped, since PostgreSQL does not have its rows yet. Drops what is longest unused above the bound.
   */
  take(): Changes {
    this.#takes += 1;
    const rows: NewStateRow[] = [];
    for (const state of this.#dirty) {
      state.rows.forEach((states, segment) => {
        if ((state.dirty >> segment) & 1) rows.push({ ...state.key, segment, states: Buffer.from(states) });
      });
      state.dirty = 0;
      state.take = this.#takes;
      const name = `${state.key.campaign}/${state.key.batch}`;
      this.#batches.delete(name);
      this.#batches.set(name, state);
    }
    const deltas = [...this.#deltas.values()].filter((delta) => delta.counts.some((n) => n !== 0));
    this.#dirty = new Set();
    this.#deltas = new Map();
    this.#drop();
    return { rows, deltas };
  }

  #drop(): void {
    for (const [name, state] of this.#batches) {
      if (this.#batches.size <= this.#batchesMax || state.take >= this.#takes - 1) break;
      state.unload();
      this.#batches.delete(name);
    }
  }
}
