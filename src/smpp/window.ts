/**
 * The window of one bind: which sequence_numbers wait for an answer, and for whom. On the main thread of a worker,
 * once for every submit_sm and its answer. It must never allocate per message, and never give one answer twice.
 * Pure.
 *
 * Open requests sit in a ring of twice the capacity at `sequence_number & mask`, so a free place is next to the
 * expected one even when answers come in any order. A doubly linked list through the same ring keeps them in the
 * order of sending, so the oldest is known without a search, however long one request stays unanswered.
 */

import assert from 'node:assert';
import { sequenceMax } from './command.ts';

/** What a free place holds; no sequence_number is negative. */
const free = -1;

/** The open requests of one bind. Times are monotonic milliseconds and must not go backwards. */
export class Window {
  readonly #capacity: number;
  readonly #mask: number;
  readonly #sequences: Int32Array;
  readonly #tickets: Int32Array;
  readonly #openedMs: Float64Array;
  /** Next and previous place in order of sending; the place after the ring's end is the list's head. */
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  readonly #head: number;
  #used = 0;
  #sequence: number;

  /**
   * A window of `capacity` requests at once. `firstSequence` is the first number given out (SMPP 3.4 §5.1.4 begins
   * a session at 1).
   */
  constructor(capacity: number, firstSequence = 1) {
    assert(Number.isInteger(capacity) && capacity >= 1 && capacity <= 0x100000, 'capacity out of range');
    assert(firstSequence >= 1 && firstSequence <= sequenceMax, 'firstSequence out of range');
    const places = 2 ** Math.ceil(Math.log2(capacity * 2));
    this.#capacity = capacity;
    this.#mask = places - 1;
    this.#sequences = new Int32Array(places).fill(free);
    this.#tickets = new Int32Array(places);
    this.#openedMs = new Float64Array(places);
    this.#newer = new Int32Array(places + 1);
    this.#older = new Int32Array(places + 1);
    this.#head = places;
    this.#newer[places] = places;
    this.#older[places] = places;
    this.#sequence = firstSequence;
  }

  /** How many requests may be open at once. */
  get capacity(): number {
    return this.#capacity;
  }

  /** How many requests are open. */
  get used(): number {
    return this.#used;
  }

  /** How many more may be opened. */
  get free(): number {
    return this.#capacity - this.#used;
  }

  /**
   * Opens a request for `ticket` (an integer from 0 to 2^31 - 1 that `settle` gives back) and returns its
   * sequence_number. The caller has looked at `free` before: a full window is a bug.
   */
  open(ticket: number, nowMs: number): number {
    if (this.#used >= this.#capacity) assert.fail('the window is full');
    const sequence = this.nextSequence();
    const place = sequence & this.#mask;
    this.#sequences[place] = sequence;
    this.#tickets[place] = ticket;
    this.#openedMs[place] = nowMs;
    const head = this.#head;
    const newest = this.#older[head] as number;
    this.#newer[newest] = place;
    this.#older[place] = newest;
    this.#newer[place] = head;
    this.#older[head] = place;
    this.#used += 1;
    return sequence;
  }

  /**
   * Closes the request that `sequence` answers and returns its ticket; -1 when no such request is open: it was
   * answered before, given up, or never made.
   */
  settle(sequence: number): number {
    const place = sequence & this.#mask;
    if (this.#sequences[place] !== sequence) return -1;
    return this.#close(place);
  }

  /** When the request that `sequence` answers was opened; undefined when it is not open. */
  openedMs(sequence: number): number | undefined {
    const place = sequence & this.#mask;
    return this.#sequences[place] === sequence ? this.#openedMs[place] : undefined;
  }

  /** When the oldest open request was opened; undefined when none is. */
  oldestMs(): number | undefined {
    return this.#used === 0 ? undefined : this.#openedMs[this.#newer[this.#head] as number];
  }

  /**
   * Gives up every request opened before `beforeMs`, oldest first. Each is closed before `lost` hears of it, so an
   * answer that comes later is unknown.
   */
  expire(beforeMs: number, lost: (ticket: number, sequence: number) => void): void {
    while (this.#used > 0) {
      const place = this.#newer[this.#head] as number;
      if ((this.#openedMs[place] as number) >= beforeMs) return;
      const sequence = this.#sequences[place] as number;
      lost(this.#close(place), sequence);
    }
  }

  /** Gives up every open request, oldest first: the connection is gone. */
  drain(lost: (ticket: number, sequence: number) => void): void {
    this.expire(Number.POSITIVE_INFINITY, lost);
  }

  /**
   * The next sequence_number, for requests that take no place (`bind_*`, `enquire_link`, `unbind`). Never one that
   * is open; after 0x7fffffff comes 1.
   */
  nextSequence(): number {
    const sequences = this.#sequences;
    const mask = this.#mask;
    let sequence = this.#sequence;
    while (sequences[sequence & mask] !== free) sequence = sequence === sequenceMax ? 1 : sequence + 1;
    this.#sequence = sequence === sequenceMax ? 1 : sequence + 1;
    return sequence;
  }

  #close(place: number): number {
    const newer = this.#newer[place] as number;
    const older = this.#older[place] as number;
    this.#newer[older] = newer;
    this.#older[newer] = older;
    this.#sequences[place] = free;
    this.#used -= 1;
    return this.#tickets[place] as number;
  }
}
