/**
 * How many segments a text takes and where it is cut. Library, used in encoder threads and the API's preview.
 * Never cuts an escape pair, a surrogate pair or a grapheme. Pure.
 *
 * An SMS carries 140 octets of user data, its header included (3GPP TS 23.040 §9.2.3.24). Whole: 160 septets,
 * 140 octets or 70 UTF-16 units. Parts lose what the header takes:
 * - `udh`: we write the concatenation element with a 16-bit reference (§9.2.3.24.8), 7 octets in all, which
 *   leaves 152 septets, 133 octets or 66 units. (The often quoted 153 and 67 belong to the 8-bit reference; with
 *   them the last septet of each part would not fit and the carrier would refuse or cut it.)
 * - `sar`, `payload`: the carrier writes the header, commonly of 6 octets (8-bit reference, §9.2.3.24.1), which
 *   leaves 153 septets, 134 octets or 67 units. For `payload` the carrier also cuts: then the count is a forecast.
 */

import type { DefaultAlphabet, Encoding } from './alphabet.ts';
import { charactersOutside, composeText, unitsInDefault } from './alphabet.ts';
import { lastCut } from './grapheme.ts';
import { gsmSeptetsOfCode } from './gsm7.ts';

/** How a message of several segments travels to the carrier. */
export type LongForm = 'udh' | 'sar' | 'payload';

/** A text laid out in segments. */
export type Segmentation = {
  /** The text that is sent: the given one with combining marks joined to their letters. */
  readonly text: string;
  readonly encoding: Encoding;
  /** Units of the whole text: septets, octets or UTF-16 units. */
  readonly units: number;
  /** Where each segment ends in `text`, as UTF-16 offsets in order; one, perhaps 0, at least. */
  readonly ends: readonly number[];
};

/** What an author has to know of a text before it is sent. */
export type TextDescription = {
  readonly encoding: Encoding;
  readonly segments: number;
  /** Units of the whole text: septets, octets or UTF-16 units. */
  readonly units: number;
  /** Units that one segment of this message holds. */
  readonly unitsPerSegment: number;
  /** Each character that makes the message UCS-2, in order of appearance; empty when it is not. */
  readonly forcesUcs2: readonly string[];
};

const userDataOctets = 140;
const headerOctets: Readonly<Record<LongForm, number>> = { udh: 7, sar: 6, payload: 6 };

/** Most units of `encoding` in a message of one segment: 160, 140 or 70. */
export function unitsWhole(encoding: Encoding): number {
  return unitsIn(userDataOctets, encoding);
}

/** Most units of `encoding` in each part of a longer message. */
export function unitsPerPart(encoding: Encoding, longForm: LongForm): number {
  return unitsIn(userDataOctets - headerOctets[longForm], encoding);
}

function unitsIn(octets: number, encoding: Encoding): number {
  switch (encoding) {
    case 'gsm':
      return Math.floor((octets * 8) / 7);
    case 'latin1':
      return octets;
    case 'ucs2':
      return octets >> 1;
  }
}

/** The end of the longest piece from `start` that takes at most `septetsMax`, escape pairs kept whole. */
function septetsEnd(text: string, start: number, septetsMax: number): number {
  let septets = 0;
  for (let index = start; index < text.length; index += 1) {
    septets += gsmSeptetsOfCode(text.charCodeAt(index));
    if (septets > septetsMax) return index;
  }
  return text.length;
}

/** Lays out `text` in the carrier's default alphabet if it can be said there, else in UCS-2. */
export function segmentText(text: string, longForm: LongForm, alphabet: DefaultAlphabet = 'gsm'): Segmentation {
  let sent = text;
  let inDefault = unitsInDefault(text, alphabet);
  if (inDefault === undefined) {
    sent = composeText(text);
    if (sent !== text) inDefault = unitsInDefault(sent, alphabet);
  }
  const encoding = inDefault === undefined ? 'ucs2' : alphabet;
  const units = inDefault ?? sent.length;
  if (units <= unitsWhole(encoding)) return { text: sent, encoding, units, ends: [sent.length] };
  return { text: sent, encoding, units, ends: cut(sent, units, unitsPerPart(encoding, longForm)) };
}

/** Ends of pieces of at most `unitsMax` each. Only escapes make a text of more units than characters. */
function cut(text: string, units: number, unitsMax: number): number[] {
  const hasEscapes = units > text.length;
  const ends: number[] = [];
  for (let start = 0; start < text.length; ) {
    const end = hasEscapes ? septetsEnd(text, start, unitsMax) : Math.min(start + unitsMax, text.length);
    start = end === text.length ? end : lastCut(text, start, end);
    ends.push(start);
  }
  return ends;
}

/** What sending `text` takes. The encoder lays texts out by the same function. */
export function describeText(text: string, longForm: LongForm, alphabet: DefaultAlphabet = 'gsm'): TextDescription {
  const { text: sent, encoding, units, ends } = segmentText(text, longForm, alphabet);
  return {
    encoding,
    segments: ends.length,
    units,
    unitsPerSegment: ends.length === 1 ? unitsWhole(encoding) : unitsPerPart(encoding, longForm),
    forcesUcs2: encoding === 'ucs2' ? charactersOutside(sent, alphabet) : [],
  };
}
