/**
 * Where a text may be cut without tearing what a reader sees as one character (Unicode UAX #29: an emoji with
 * its skin tone, a flag, a letter with its marks, CR LF). Library, used in encoder threads and the API.
 * Hot: the common cut, between two plain characters, asks nothing of ICU. Pure.
 */

const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });

const carriageReturn = 0x0d;
const lineFeed = 0x0a;

/**
 * Ranges of UTF-16 codes that never join with a neighbour from these ranges, CR LF apart: Latin, Greek,
 * Cyrillic, Hebrew and Arabic letters, dashes and quotes, currency signs, kana, Chinese. Not a complete list,
 * only a cheap one: other characters are asked of ICU.
 */
const plainRanges: readonly (readonly [first: number, last: number])[] = [
  [0x0000, 0x02ff],
  [0x0370, 0x0482],
  [0x05d0, 0x05ea],
  [0x0620, 0x064a],
  [0x2010, 0x2027],
  [0x20a0, 0x20bf],
  [0x3041, 0x3096],
  [0x30a1, 0x30fa],
  [0x4e00, 0x9fff],
];

/** True when `code` never joins with a neighbour that is plain too, CR LF apart. */
export function isPlain(code: number): boolean {
  if (code <= 0x02ff) return true;
  for (const [first, last] of plainRanges) {
    if (code <= last) return code >= first;
  }
  return false;
}

/**
 * The last place in `(start, end]` where `text` may be cut; `end` must lie inside the text. A grapheme that
 * begins at or before `start` and does not fit is cut between code points, because it has to be cut somewhere;
 * `end - start` must be 2 or more so that a surrogate pair fits.
 */
export function lastCut(text: string, start: number, end: number): number {
  const before = text.charCodeAt(end - 1);
  const after = text.charCodeAt(end);
  if (isPlain(before) && isPlain(after)) {
    return before === carriageReturn && after === lineFeed && end - 1 > start ? end - 1 : end;
  }
  const grapheme = graphemes.segment(text).containing(end)?.index ?? end;
  if (grapheme > start) return grapheme;
  return isHighSurrogate(before) && isLowSurrogate(after) ? end - 1 : end;
}

function isHighSurrogate(code: number): boolean {
  return (code & 0xfc00) === 0xd800;
}

function isLowSurrogate(code: number): boolean {
  return (code & 0xfc00) === 0xdc00;
}
