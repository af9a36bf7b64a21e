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
  const head = { ...into };
  const textAt = scanPart(bytes, from, to, head, true);
  Object.assign(into, head);
  if (textAt < 0 || (head.id !== '' && head.stat !== '')) return;
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
    if (end > value) take(into, key, bytes.toString('latin1', value, end), first);
    at = Math.max(end, at + 1);
  }
  return -1;
}

function take(into: ReceiptText, key: Key, value: string, first: boolean): void {
  if (key === 'id' && (into.id === '' || !first)) into.id = value;
  if (key === 'stat' && (into.stat === '' || !first)) into.stat = value;
  if (key === 'err' && (into.err === '' || !first)) into.err = value.replaceAll(/[^!-~]/g, '?');
  if (key === 'done date' && (into.doneAtSeconds === 0 || !first)) into.doneAtSeconds = secondsOfDate(value);
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
  if (/^[1-8]$/.test(stat)) return Number(stat);
  return stateByPrefix.get(stat.slice(0, 5).toUpperCase()) ?? 0;
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
]);

/**
 * Epoch seconds of YYMMDDhhmm, YYMMDDhhmmss, YYYYMMDDhhmm or YYYYMMDDhhmmss, read as UTC. 0 when it is no date.
 */
export function secondsOfDate(text: string): number {
  if (!/^\d+$/.test(text)) return 0;
  switch (text.length) {
    case 10:
      return secondsOf(`20${text}00`);
    case 12:
      // From 2025 on the two readings exclude each other: there is no month 25.
      return secondsOf(`20${text}`) || secondsOf(`${text}00`);
    case 14:
      return secondsOf(text);
    default:
      return 0;
  }
}

function secondsOf(digits: string): number {
  const part = (from: number, to: number) => Number(digits.slice(from, to));
  const [year, month, day] = [part(0, 4), part(4, 6), part(6, 8)];
  const [hour, minute, second] = [part(8, 10), part(10, 12), part(12, 14)];
  if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60) return 0;
  const atMs = Date.UTC(year, month - 1, day, hour, minute, second);
  // A day that its month does not have would roll over into the next one.
  return day === 0 || day > new Date(Date.UTC(year, month, 0)).getUTCDate() ? 0 : atMs / 1000;
}
