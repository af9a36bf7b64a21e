/**
 * One spelling for the id that a carrier gives a message, so that a receipt finds its submission even where
 * the carrier writes it in hexadecimal here and in decimal there. Pure.
 */

/** How a carrier spells message ids; a setting of the carrier. */
export type MessageIdSpelling =
  /** The same text in both places. */
  | 'as-is'
  /** Hexadecimal in both, but case, padding or a `0x` may differ. */
  | 'hexadecimal'
  /** Decimal in both, but padding may differ. */
  | 'decimal'
  /** Hexadecimal in submit_sm_resp, decimal in the receipt. */
  | 'hexadecimal-in-response'
  /** Decimal in submit_sm_resp, hexadecimal in the receipt. */
  | 'decimal-in-response';

/**
 * The canonical form of `raw`, as it came in a submit_sm_resp or in a receipt. An id that is not spelled
 * as the setting says is kept as it is: it can still match itself.
 */
export function canonicalId(raw: string, spelling: MessageIdSpelling, from: 'response' | 'receipt'): string {
  switch (spelling) {
    case 'as-is':
      return raw;
    case 'hexadecimal':
      return hexadecimal.test(raw) ? raw.replace(/^(0[xX])?0*(?=.)/, '').toLowerCase() : raw;
    case 'decimal':
      return decimalOf(raw);
    case 'hexadecimal-in-response':
      return from === 'response' ? decimalOfHexadecimal(raw) : decimalOf(raw);
    case 'decimal-in-response':
      return from === 'response' ? decimalOf(raw) : decimalOfHexadecimal(raw);
  }
}

const hexadecimal = /^(0[xX])?[0-9a-fA-F]{1,64}$/;
const decimal = /^-?\d{1,65}$/;
const digitsSafe = 15;
const hexDigitsSafe = 13;

function decimalOf(raw: string): string {
  if (!decimal.test(raw)) return raw;
  // Some carriers print a 32-bit id as a signed number.
  if (raw.startsWith('-')) return String(BigInt.asUintN(32, BigInt(raw)));
  return raw.length <= digitsSafe ? String(Number(raw)) : String(BigInt(raw));
}

function decimalOfHexadecimal(raw: string): string {
  if (!hexadecimal.test(raw)) return raw;
  const digits = raw.replace(/^0[xX]/, '');
  return digits.length <= hexDigitsSafe ? String(Number.parseInt(digits, 16)) : String(BigInt(`0x${digits}`));
}
