/**
 * Where the segments of recent message ids are: a hash table over typed arrays, two generations of bounded
 * size, so that most receipts find their submission without a query and without work for the garbage
 * collector. Ids are known by 64 bits of hash; among a million of them the chance of a mix-up is one in
 * ten million. Runs on the recorder's main thread. Pure.
 */
import type { BatchState } from './states.ts';

/** Where a segment is: filled by `find`, to be read at once. */
export type Place = { state: BatchState | undefined; index: number; segment: number };

const slotsMin = 1 << 12;

class Generation {
  /** Entries of a slot: two halves of the hash, reference + 1 (0 is empty), index << 8 | segment. */
  #high = new Uint32Array(slotsMin);
  #low = new Uint32Array(slotsMin);
  #ref = new Uint32Array(slotsMin);
  #where = new Uint32Array(slotsMin);
  #refs: BatchState[] = [];
  entries = 0;

  add(high: number, low: number, state: BatchState, where: number): void {
    if (this.entries * 2 >= this.#ref.length) this.#grow();
    if (this.#refs.at(-1) !== state) this.#refs.push(state);
    this.#put(high, low, this.#refs.length, where);
  }

  find(high: number, low: number, place: Place): boolean {
    const mask = this.#ref.length - 1;
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      const ref = this.#ref[slot] as number;
      if (ref === 0) return false;
      if (this.#low[slot] !== low || this.#high[slot] !== high) continue;
      const where = this.#where[slot] as number;
      place.state = this.#refs[ref - 1];
      place.index = where >>> 8;
      place.segment = where & 255;
      return true;
    }
  }

  clear(): void {
    this.#ref.fill(0);
    this.#refs = [];
    this.entries = 0;
  }

  #put(high: number, low: number, ref: number, where: number): void {
    const mask = this.#ref.length - 1;
    let slot = low & mask;
    while (this.#ref[slot] !== 0 && (this.#low[slot] !== low || this.#high[slot] !== high)) slot = (slot + 1) & mask;
    if (this.#ref[slot] === 0) this.entries += 1;
    this.#high[slot] = high;
    this.#low[slot] = low;
    this.#ref[slot] = ref;
    this.#where[slot] = where;
  }

  #grow(): void {
    const [high, low, ref, where] = [this.#high, this.#low, this.#ref, this.#where];
    const slots = ref.length * 2;
    this.#high = new Uint32Array(slots);
    this.#low = new Uint32Array(slots);
    this.#ref = new Uint32Array(slots);
    this.#where = new Uint32Array(slots);
    this.entries = 0;
    for (let slot = 0; slot < ref.length; slot += 1) {
      if (ref[slot] !== 0)
        this.#put(high[slot] as number, low[slot] as number, ref[slot] as number, where[slot] as number);
    }
  }
}

/** Ids of the last submissions of one carrier. */
export class RecentIds {
  readonly #entriesMax: number;
  #young = new Generation();
  #old = new Generation();
  /** Hash of the id that was hashed last. */
  #high = 0;
  #low = 0;

  /** Keeps between `entriesMax` and twice as many ids, and those of a page more. */
  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  /** A page begins: forgets the older generation when the younger one is full. Until the next, nothing is forgotten. */
  beginPage(): void {
    if (this.#young.entries < this.#entriesMax) return;
    const emptied = this.#old;
    this.#old = this.#young;
    emptied.clear();
    this.#young = emptied;
  }

  /** Notes that the id in `bytes[start, end)` is that of a segment. An id that comes again is the newer one. */
  add(bytes: Uint8Array, start: number, end: number, state: BatchState, index: number, segment: number): void {
    this.#hash(bytes, start, end);
    this.#young.add(this.#high, this.#low, state, (index << 8) | segment);
  }

  /** Fills `place` with the segment of an id; false when it is not known here. */
  find(bytes: Uint8Array, start: number, end: number, place: Place): boolean {
    this.#hash(bytes, start, end);
    return this.#young.find(this.#high, this.#low, place) || this.#old.find(this.#high, this.#low, place);
  }

  /** Two multiplicative hashes with different constants (FNV-1a and Murmur's), each mixed at the end. */
  #hash(bytes: Uint8Array, start: number, end: number): void {
    let high = 0x811c9dc5;
    let low = end - start;
    for (let at = start; at < end; at += 1) {
      const byte = bytes[at] as number;
      high = Math.imul(high ^ byte, 0x01000193);
      low = Math.imul(low ^ byte, 0x5bd1e995);
      low ^= low >>> 15;
    }
    high = Math.imul(high ^ (high >>> 16), 0x85ebca6b);
    low = Math.imul(low ^ (low >>> 13), 0xc2b2ae35);
    this.#high = (high ^ (high >>> 13)) >>> 0;
    this.#low = (low ^ (low >>> 16)) >>> 0;
  }
}
