/**
 * The GSM 7 bit default alphabet and its extension table, one septet per byte as SMPP carries it.
 * Library, used in encoder threads, the API and the carrier simulator. The counting and writing functions
 * are hot: they allocate nothing. Never substitutes a character: text is either encodable or it is not. Pure.
 *
 * Source: 3GPP TS 23.038 §6.2.1 (default alphabet) and §6.2.1.1 (extension table).
 */

/** The default alphabet in septet order; U+001B stands at the place of the escape to the extension table. */
const defaultAlphabet =
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u001bÆæßÉ' +
  ' !"#¤%&\'()*+,-./0123456789:;<=>?' +
  '¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§' +
  '¿abcdefghijklmnopqrstuvwxyzäöñüà';

/** The extension table: septet after the escape, and its character. */
const extension: readonly (readonly [number, string])[] = [
  [0x0a, '\f'],
  [0x14, '^'],
  [0x28, '{'],
  [0x29, '}'],
  [0x2f, '\\'],
  [0x3c, '['],
  [0x3d, '~'],
  [0x3e, ']'],
  [0x40, '|'],
  [0x65, '€'],
];

const escapeSeptet = 0x1b;
/** In `septetOf`: the character is in neither table. */
const absent = 0xff;
/** In `septetOf`: the character is in the extension table; the low seven bits follow the escape. */
const extended = 0x80;

/** Septet by UTF-16 code. It has a place for every code, so that no read is out of bounds. */
const septetOf = new Uint8Array(0x10000).fill(absent);
/** Character by septet, and by septet after an escape. */
const characterOf: string[] = [...defaultAlphabet];
const extendedCharacterOf: (string | undefined)[] = new Array<string | undefined>(128).fill(undefined);

for (const [septet, character] of characterOf.entries()) {
  if (septet !== escapeSeptet) septetOf[character.charCodeAt(0)] = septet;
}
for (const [septet, character] of extension) {
  septetOf[character.charCodeAt(0)] = extended | septet;
  extendedCharacterOf[septet] = character;
}

/** Septets that the UTF-16 unit `code` takes: 1, 2 (escape pair), or 0 when neither table has it. */
export function gsmSeptetsOfCode(code: number): 0 | 1 | 2 {
  const septet = septetOf[code] ?? absent;
  if (septet < extended) return 1;
  return septet === absent ? 0 : 2;
}

/** Septets that `text` takes, escapes counted; `undefined` when a character is in neither table. */
export function gsmSeptets(text: string): number | undefined {
  const length = text.length;
  let septets = length;
  for (let index = 0; index < length; index += 1) {
    const septet = septetOf[text.charCodeAt(index)] ?? absent;
    if (septet >= extended) {
      if (septet === absent) return undefined;
      septets += 1;
    }
  }
  return septets;
}

/**
 * Writes `text[start, end)` as unpacked septets at `offset` and returns the offset behind them. The text
 * must be encodable (`gsmSeptets`) and the room must be there: neither is checked here.
 */
export function writeGsm(text: string, buffer: Uint8Array, offset: number, start = 0, end = text.length): number {
  let at = offset;
  for (let index = start; index < end; index += 1) {
    const septet = septetOf[text.charCodeAt(index)] ?? absent;
    if (septet >= extended) {
      buffer[at] = escapeSeptet;
      at += 1;
    }
    buffer[at] = septet & 0x7f;
    at += 1;
  }
  return at;
}

/**
 * Text of unpacked septets. As TS 23.038 §6.2.1.1 asks of a receiver, an escape before a septet without an
 * extension reads as the default character; an escape before another or at the end reads as a space.
 * Bytes above 0x7F are no septets and read as U+FFFD.
 */
export function decodeGsm(bytes: Uint8Array): string {
  let text = '';
  for (let index = 0; index < bytes.length; index += 1) {
    const septet = bytes[index] ?? 0;
    if (septet !== escapeSeptet) {
      text += characterOf[septet] ?? '\ufffd';
      continue;
    }
    index += 1;
    const next = bytes[index] ?? escapeSeptet;
    text += next === escapeSeptet ? ' ' : (extendedCharacterOf[next] ?? characterOf[next] ?? '\ufffd');
  }
  return text;
}

/** Each different character (code point) of `text` that neither table has, in order of appearance. */
export function charactersOutsideGsm(text: string): string[] {
  const outside = new Set<string>();
  for (const character of text) {
    if (character.length > 1 || gsmSeptetsOfCode(character.charCodeAt(0)) === 0) outside.add(character);
  }
  return [...outside];
}
