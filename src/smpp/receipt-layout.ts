/**
 * The receipt text of SMPP 3.4 appendix B to the letter, as nearly every carrier writes it, read in a few comparisons.
 * On the worker's main thread, once for every receipt. It must give what `scanReceiptText` would, or nothing. Pure.
 */
import { type ReceiptText, scanReceiptText, secondsOfDate } from './receipt-text.ts';

/** What a receipt's TLVs did not say already. */
export type Wanted = { readonly id: boolean; readonly stat: boolean };

const literals = ['id:', ' sub:', ' dlvrd:', ' submit date:', ' done date:', ' stat:', ' err:'].map((literal) =>
  Uint8Array.from(literal, (character) => character.charCodeAt(0)),
);
const [idAt, doneAt, statAt, errAt] = [0, 4, 5, 6];
const tails = [' text:', ' Text:'].map((literal) => Uint8Array.from(literal, (character) => character.charCodeAt(0)));

/** Where the values begin and end; filled anew for every receipt, since this runs to completion on one thread. */
const starts = new Int32Array(literals.length);
const ends = new Int32Array(literals.length);

/** Reads the octets in `[from, to)`; of `id` and `stat` only what is wanted is filled in. */
export function readReceiptText(bytes: Buffer, from: number, to: number, into: ReceiptText, wanted: Wanted): void {
  if (!matches(bytes, from, to)) {
    scanReceiptText(bytes, from, to, into);
    return;
  }
  into.id = wanted.id ? bytes.toString('latin1', starts[idAt], ends[idAt]) : '';
  into.stat = wanted.stat ? bytes.toString('latin1', starts[statAt], ends[statAt]) : '';
  into.err = errorOf(bytes, starts[errAt] as number, ends[errAt] as number);
  into.doneAtSeconds = lastDate(bytes, starts[doneAt] as number, ends[doneAt] as number);
}

/** Every literal in its place, and between them words without anything that could be read in another way. */
function matches(bytes: Buffer, from: number, to: number): boolean {
  let at = from;
  for (let part = 0; part < literals.length; part++) {
    at = after(bytes, at, to, literals[part] as Uint8Array);
    if (at < 0) return false;
    starts[part] = at;
    while (at < to && isPlain(bytes[at] as number)) at++;
    if (at === starts[part]) return false;
    ends[part] = at;
  }
  return at === to || tails.some((tail) => after(bytes, at, to, tail) >= 0);
}

function after(bytes: Buffer, at: number, to: number, literal: Uint8Array): number {
  if (at + literal.length > to) return -1;
  for (let i = 0; i < literal.length; i++) if (bytes[at + i] !== literal[i]) return -1;
  return at + literal.length;
}

/** Printable, and neither colon, comma nor semicolon. */
function isPlain(code: number): boolean {
  return code > 0x20 && code < 0x7f && code !== 0x3a && code !== 0x2c && code !== 0x3b;
}

function errorOf(bytes: Buffer, from: number, to: number): string {
  if (to - from === 3 && bytes[from] === 0x30 && bytes[from + 1] === 0x30 && bytes[from + 2] === 0x30) return '000';
  return bytes.toString('latin1', from, to);
}

/** Receipts come in the order of their dates, and dates have minutes: nearly always it is the one before. */
const known = { digits: -1, length: 0, seconds: 0 };

function lastDate(bytes: Buffer, from: number, to: number): number {
  let digits = 0;
  for (let at = from; at < to; at++) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return 0;
    digits = digits * 10 + digit;
  }
  if (digits !== known.digits || to - from !== known.length) {
    known.digits = digits;
    known.length = to - from;
    known.seconds = secondsOfDate(bytes, from, to);
  }
  return known.seconds;
}
