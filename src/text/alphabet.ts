/**
 * Which alphabet a text is sent in, how many units it takes there, and its bytes. Library, used in encoder
 * threads, the API and the carrier simulator. Never substitutes a character: a text that the carrier's default
 * alphabet cannot say goes out as UCS-2. Pure.
 *
 * A unit is a septet in `gsm`, an octet in `latin1` and a UTF-16 unit (two octets) in `ucs2`. UCS-2 carries
 * surrogate pairs as UTF-16 does: every handset made in this century shows them as one character.
 */

import { charactersOutsideGsm, decodeGsm, gsmSeptets, writeGsm } from './gsm7.ts';

/** What `data_coding` 0 means to a carrier. */
export type DefaultAlphabet = 'gsm' | 'latin1';
/** How a text's characters become bytes. */
export type Encoding = DefaultAlphabet | 'ucs2';

/**
 * The text with combining marks joined to their letters (Unicode NFC) where there are such marks. Text that
 * was typed on one system and pasted on another often has them, and would be sent as UCS-2 for nothing.
 */
export function composeText(text: string): string {
  return /[\u0300-\u036f]/u.test(text) ? text.normalize('NFC') : text;
}

/**
 * Units that `text` takes in a carrier's default alphabet, or `undefined` when it has to go out as UCS-2.
 * Hot: allocates nothing.
 */
export function unitsInDefault(text: string, alphabet: DefaultAlphabet): number | undefined {
  if (alphabet === 'gsm') return gsmSeptets(text);
  for (let index = 0; index < text.length; index += 1) {
    if (!isLatin1(text.charCodeAt(index))) return undefined;
  }
  return text.length;
}

/** Printable ISO 8859-1 and line breaks. The euro sign is not in it (ISO 8859-15 has it, but no data_coding does). */
function isLatin1(code: number): boolean {
  if (code < 0x7f) return code >= 0x20 || code === 0x0a || code === 0x0d;
  return code >= 0xa0 && code <= 0xff;
}

/** Octets that `units` of an encoding take in a PDU's message field. */
export function octetsOf(units: number, encoding: Encoding): number {
  return encoding === 'ucs2' ? units * 2 : units;
}

/**
 * Writes `text[start, end)` in `encoding` at `offset` and returns the offset behind it. The text must be
 * encodable in it and the room must be there. Hot: allocates nothing.
 */
export function writeText(
  text: string,
  encoding: Encoding,
  buffer: Uint8Array,
  offset: number,
  start = 0,
  end = text.length,
): number {
  if (encoding === 'gsm') return writeGsm(text, buffer, offset, start, end);
  let at = offset;
  for (let index = start; index < end; index += 1) {
    const code = text.charCodeAt(index);
    if (encoding === 'ucs2') {
      buffer[at] = code >> 8;
      at += 1;
    }
    buffer[at] = code & 0xff;
    at += 1;
  }
  return at;
}

/** Text of the bytes of a message field. An odd last byte of UCS-2 is dropped. */
export function decodeText(bytes: Uint8Array, encoding: Encoding): string {
  if (encoding === 'gsm') return decodeGsm(bytes);
  let text = '';
  const step = encoding === 'ucs2' ? 2 : 1;
  for (let index = 0; index + step <= bytes.length; index += step) {
    const first = bytes[index] ?? 0;
    text += String.fromCharCode(step === 2 ? (first << 8) | (bytes[index + 1] ?? 0) : first);
  }
  return text;
}

/** Each different character of `text` that a carrier's default alphabet does not have, in order of appearance. */
export function charactersOutside(text: string, alphabet: DefaultAlphabet): string[] {
  if (alphabet === 'gsm') return charactersOutsideGsm(text);
  return [...new Set(text)].filter((character) => unitsInDefault(character, alphabet) === undefined);
}
