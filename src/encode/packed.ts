/**
 * Walks the packed recipients of a batch (layout in handoff.ts). Runs in encoder threads. Hot: what is not
 * asked for is not cut out of the text. Pure.
 */

import { recordSeparator, unitSeparator } from '../handoff.ts';

const digit0 = 0x30;
/** ITU-T E.164 §6.2.1: at most 15 digits with the country code. */
const addressDigitsMax = 15;
/** Shorter numbers are services of a network, not residents. */
const addressDigitsMin = 5;

/** A cursor over packed recipients; `next()` moves it to the first one and then on. */
export class PackedRecipients {
  /** All recipients as text; the current address is `text[addressStart, addressEnd)`. */
  readonly text: string;
  /** Index of the current recipient in the batch. */
  index = -1;
  addressStart = 0;
  addressEnd = 0;
  #recordEnd = -1;

  constructor(packed: Uint8Array) {
    this.text = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength).toString('utf8');
  }

  /** Moves to the next recipient; false behind the last. An empty text has no recipient. */
  next(): boolean {
    const start = this.#recordEnd + 1;
    if (start > this.text.length || this.text.length === 0) return false;
    const record = this.text.indexOf(recordSeparator, start);
    this.#recordEnd = record < 0 ? this.text.length : record;
    this.index += 1;
    this.addressStart = start;
    let end = start;
    while (end < this.#recordEnd && isDigit(this.text.charCodeAt(end))) end += 1;
    this.addressEnd = end;
    return true;
  }

  /** True when the current address is one: digits only, 5 to 15 of them. */
  hasAddress(): boolean {
    const digits = this.addressEnd - this.addressStart;
    if (digits < addressDigitsMin || digits > addressDigitsMax) return false;
    return this.addressEnd === this.#recordEnd || this.text[this.addressEnd] === unitSeparator;
  }

  /** Fills `values` with the current recipient's fields in order; those that are not there become empty. */
  readFields(values: string[]): void {
    let at = this.addressEnd;
    for (let field = 0; field < values.length; field += 1) {
      if (at >= this.#recordEnd) {
        values[field] = '';
        continue;
      }
      const start = at + 1;
      const next = this.text.indexOf(unitSeparator, start);
      at = next < 0 || next > this.#recordEnd ? this.#recordEnd : next;
      values[field] = this.text.slice(start, at);
    }
  }
}

function isDigit(code: number): boolean {
  return code >= digit0 && code <= digit0 + 9;
}
