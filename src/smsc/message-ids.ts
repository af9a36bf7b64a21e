/**
 * The message ids that a simulated carrier gives, in the spelling asked for. An id is a number that a
 * restart does not repeat, written without making strings. Pure.
 */
import type { MessageIdSpelling } from '../smpp/message-id.ts';

/** Longest id in octets. */
export const messageIdBytesMax = 20;

const counterBits = 28;
const counterSize = 2 ** counterBits;
const startSize = 2 ** 25;
const lowerDigits = Buffer.from('0123456789abcdef');
const upperDigits = Buffer.from('0123456789ABCDEF');

/**
 * Ids of one run: milliseconds of its start (25 bits) before a counter (28 bits). `hexadecimal` is
 * written in lower case in answers and padded in upper case in receipts, `decimal` padded in receipts, so
 * that a sender which compares spellings instead of numbers is found out.
 */
export class MessageIds {
  readonly #start: number;

  constructor(startedAtMs: number) {
    this.#start = Math.trunc(startedAtMs) % startSize;
  }

  /** Writes the id of message number `counter` (from 1); returns the offset after it. */
  write(
    buffer: Uint8Array,
    offset: number,
    counter: number,
    spelling: MessageIdSpelling,
    place: 'response' | 'receipt',
  ): number {
    const inReceipt = place === 'receipt';
    switch (spelling) {
      case 'as-is':
        return this.#decimal(buffer, offset, counter, 16);
      case 'decimal':
        return this.#decimal(buffer, offset, counter, inReceipt ? 20 : 16);
      case 'hexadecimal':
        return inReceipt
          ? this.#hexadecimal(buffer, offset, counter, 16, upperDigits)
          : this.#hexadecimal(buffer, offset, counter, 14, lowerDigits);
      case 'hexadecimal-in-response':
        return inReceipt
          ? this.#decimal(buffer, offset, counter, 16)
          : this.#hexadecimal(buffer, offset, counter, 14, lowerDigits);
      case 'decimal-in-response':
        return inReceipt
          ? this.#hexadecimal(buffer, offset, counter, 14, lowerDigits)
          : this.#decimal(buffer, offset, counter, 16);
    }
  }

  #decimal(buffer: Uint8Array, offset: number, counter: number, width: number): number {
    const value = this.#start * counterSize + (counter % counterSize);
    // Two halves of integer arithmetic are far quicker than one of 53 bits.
    let high = Math.floor(value / 1e8);
    let low = value - high * 1e8;
    for (let index = offset + width - 1; index >= offset; index -= 1) {
      if (index >= offset + width - 8) {
        buffer[index] = 0x30 + (low % 10);
        low = Math.trunc(low / 10);
      } else {
        buffer[index] = 0x30 + (high % 10);
        high = Math.trunc(high / 10);
      }
    }
    return offset + width;
  }

  #hexadecimal(buffer: Uint8Array, offset: number, counter: number, width: number, digits: Uint8Array): number {
    let low = counter % counterSize;
    let high = this.#start;
    for (let place = 0; place < width; place += 1) {
      const index = offset + width - 1 - place;
      if (place < counterBits / 4) {
        buffer[index] = digits[low & 15] ?? 0;
        low >>>= 4;
      } else {
        buffer[index] = digits[high & 15] ?? 0;
        high >>>= 4;
      }
    }
    return offset + width;
  }
}
