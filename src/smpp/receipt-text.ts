/**
 * The text of a delivery receipt (SMPP 3.4 appendix B), as carriers really write it: keys in any order and
 * case, some missing, dates of 10, 12 or 14 digits. The message's own words behind `text:` must never
 * be taken for fields of the receipt. Pure.
 */

/** The fields of one receipt text; empty or 0 when absent. Made once, filled by `scanReceiptText`. */
export type ReceiptText = { id: string; stat: string; err: string; doneAtSeconds: number };

/** A text to be filled by `scanReceiptText`. */
export function emptyReceiptText(): ReceiptText {
  return { id: '', stat: '', err: '', doneAtSeconds: 0 };
}

/** Keys by their lower-case letters; a space stands for one space, one underscore or nothing. */
const keys = ['id', 'submit date', 'sub', 'stat', 'dlvrd', 'done date', 'err', 'text'] as const;
type Key = (typeof keys)[number];
const keysByFirst: readonly (readonly Key[])[] = Array.from({ length: 256 }, (_, code) =>
  keys.filter((key) => key.charCodeAt(0) === (code | 0x20)),
);

/**
 * Fills `into` from the octets in `[from, to)`. The first of each key counts. Behind `text:` only keys
 * that have not been seen are looked for, and there the last one counts: whatever the message says, a
 * receipt's own fields come after it.
 */
export function scanReceiptText(bytes: Buffer, from: number, to: number, into: ReceiptText): void {
  into.id = '';
  into.stat = '';
  into.err = '';
  into.doneAtSeconds = 0;
  const textAt = scanPart(bytes, from, to, into, true);
  if (textAt < 0 || (into.id !== '' && into.stat !== '')) return;
  const tail = emptyReceiptText();
  scanPart(bytes, textAt, to, tail, false);
  if (into.id === '') into.id = tail.id;
  if (into.stat === '') into.stat = tail.stat;
  if (into.err === '') into.err = tail.err;
  if (into.doneAtSeconds === 0) into.doneAtSeconds = tail.doneAtSeconds;
}

/** Returns where the value of `text:` begins when that stopped it, else -1. */
function scanPart(bytes: Buffer, from: number, to: number, into: ReceiptText, first: boolean): number {
  let at = from;
  while (at < to) {
    if (at > from && isWordCharacter(bytes[at - 1] ?? 0)) {
      at += 1;
      continue;
    }
    const key = keyAt(bytes, at, to);
    if (key === undefined) {
      at += 1;
      continue;
    }
    let value = afterColon(bytes, at, to);
    if (key === 'text' && first) return value;
    while (value < to && isSpace(bytes[value] ?? 0)) value += 1;
    const end = keyAt(bytes, value, to) === undefined ? endOfWord(bytes, value, to) : value;
    if (end > value) take(into, key, bytes, value, end, first);
    at = Math.max(end, at + 1);
  }
  return -1;
}

function take(into: ReceiptText, key: Key, bytes: Buffer, from: number, to: number, first: boolean): void {
  if (key === 'id' && (into.id === '' || !first)) into.id = bytes.toString('latin1', from, to);
  if (key === 'stat' && (into.stat === '' || !first)) into.stat = bytes.toString('latin1', from, to);
  if (key === 'err' && (into.err === '' || !first)) {
    into.err = bytes.toString('latin1', from, to).replaceAll(/[^!-~]/g, '?');
  }
  if (key === 'done date' && (into.doneAtSeconds === 0 || !first)) into.doneAtSeconds = secondsOfDate(bytes, from, to);
}

/** The key whose letters and colon stand at `at`, if any. */
function keyAt(bytes: Buffer, at: number, to: number): Key | undefined {
  for (const key of keysByFirst[bytes[at] ?? 0] ?? []) {
    const end = matchKey(bytes, at, to, key);
    if (end >= 0) return key;
  }
  return undefined;
}

/** Offset of the colon behind `key` at `at`, or -1. */
function matchKey(bytes: Buffer, at: number, to: number, key: Key): number {
  let cursor = at;
  for (let index = 0; index < key.length; index += 1) {
    const wanted = key.charCodeAt(index);
    const code = bytes[cursor] ?? 0;
    if (wanted === 0x20) {
      if (code === 0x20 || code === 0x5f) cursor += 1;
      continue;
    }
    if (cursor >= to || (code | 0x20) !== wanted) return -1;
    cursor += 1;
  }
  while (cursor < to && bytes[cursor] === 0x20) cursor += 1;
  return cursor < to && bytes[cursor] === 0x3a ? cursor : -1;
}

function afterColon(bytes: Buffer, at: number, to: number): number {
  let colon = at;
  while (colon < to && bytes[colon] !== 0x3a) colon += 1;
  return Math.min(to, colon + 1);
}

/** Values end at white space; a comma or semicolon there belongs to the separator. */
function endOfWord(bytes: Buffer, from: number, to: number): number {
  let end = from;
  while (end < to && !isSpace(bytes[end] ?? 0)) end += 1;
  while (end > from && (bytes[end - 1] === 0x2c || bytes[end - 1] === 0x3b)) end -= 1;
  return end;
}

function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 9 && code <= 13) || code === 0;
}

function isWordCharacter(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a) || code === 0x5f;
}

/**
 * message_state code of a `stat` value: the seven-letter forms of appendix B, their long forms, and codes
 * as digits. 0 when it is none of them.
 */
export function stateOfText(stat: string): number {
  return stateByPrefix.get(stat.slice(0, 5)) ?? stateByPrefix.get(stat.slice(0, 5).toUpperCase()) ?? 0;
}

const stateByPrefix: ReadonlyMap<string, number> = new Map([
  ['ENROU', 1],
  ['BUFFE', 1],
  ['BUFFR', 1],
  ['DELIV', 2],
  ['EXPIR', 3],
  ['DELET', 4],
  ['UNDEL', 5],
  ['FAILE', 5],
  ['ACCEP', 6],
  ['UNKNO', 7],
  ['REJEC', 8],
  ...Array.from({ length: 8 }, (_, index): [string, number] => [String(index + 1), index + 1]),
]);

/**
 * Epoch seconds of the digits YYMMDDhhmm, YYMMDDhhmmss, YYYYMMDDhhmm or YYYYMMDDhhmmss in `[from, to)`, read as UTC. 0
 * when they are no date.
 */
export function secondsOfDate(bytes: Buffer, from: number, to: number): number {
  for (let at = from; at < to; at += 1) {
    const code = bytes[at] ?? 0;
    if (code < 0x30 || code > 0x39) return 0;
  }
  switch (to - from) {
    case 10:
      return secondsOf(bytes, from, 2, false);
    case 12:
      // From 2025 on the two readings exclude each other: there is no month 25.
      return secondsOf(bytes, from, 2, true) || secondsOf(bytes, from, 4, false);
    case 14:
      return secondsOf(bytes, from, 4, true);
    default:
      return 0;
  }
}

const daysOfMonth = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function secondsOf(bytes: Buffer, from: number, yearDigits: 2 | 4, hasSeconds: boolean): number {
  const pair = (at: number) => ((bytes[at] ?? 0) - 0x30) * 10 + (bytes[at + 1] ?? 0) - 0x30;
  const year = yearDigits === 2 ? 2000 + pair(from) : pair(from) * 100 + pair(from + 2);
  // Digits of another kind can look like a year; seconds since 1970 must fit 32 bits on the way to the recorder.
  if (year < 2000 || year > 2099) return 0;
  const at = from + yearDigits;
  const [month, day, hour, minute] = [pair(at), pair(at + 2), pair(at + 4), pair(at + 6)];
  const second = hasSeconds ? pair(at + 8) : 0;
  if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60) return 0;
  if (day === 0 || day > (daysOfMonth[month] ?? 0)) return 0;
  // Every year that a receipt can be of which divides by four is a leap year.
  if (month === 2 && day === 29 && year % 4 !== 0) return 0;
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1000;
}
