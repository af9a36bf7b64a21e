/**
 * Telephone numbers as people write them → E.164 and the channel that reaches them. libphonenumber decides;
 * French mobiles in common spellings take a short cut that a property test holds equal to it. Pure.
 */
import type { CountryCode, NumberType } from 'libphonenumber-js/max';
import { isSupportedCountry, parsePhoneNumberFromString } from 'libphonenumber-js/max';
import type { Channel } from '../db/residents.ts';

/** A number, or why it is none that messages can go to. */
export type PhoneReading =
  | { readonly kind: 'number'; readonly address: string; readonly channel: Channel }
  | { readonly kind: 'refused'; readonly because: string };

/** A country whose national numbers are understood. */
export type Country = CountryCode;

/** True for an ISO 3166-1 alpha-2 code whose numbering plan is known. */
export function isCountry(code: string): code is Country {
  return isSupportedCountry(code);
}

/** A French mobile in the spellings that lists mostly have; 1: international, 2: the nine digits. */
const frenchMobile = /^(?:(\+33)|0)[ .]?([67](?:[ .-]?\d){8})$/u;
/** Mobile numbers of France: libphonenumber's pattern, and ARCEP's range for fiction (06 39 98), which it lacks. */
const frenchMobileDigits = /^(?:6(?:[0-24-8]\d|3[0-8]|9[589])\d{6}|7[3-9]\d{7}|63998\d{4})$/u;
const fictionMobile = /^\+3363998\d{4}$/u;

/** Reads `text`; a national number is one of `country`. At most 32 characters. */
export function readPhone(text: string, country: Country): PhoneReading {
  const french = frenchMobile.exec(text);
  if (french?.[2] !== undefined && (french[1] !== undefined || country === 'FR')) {
    const digits = french[2].length === 9 ? french[2] : french[2].replace(/[ .-]/gu, '');
    if (frenchMobileDigits.test(digits)) return { kind: 'number', address: `+33${digits}`, channel: 'sms' };
  }
  return readAnyPhone(text, country);
}

/** `readPhone` without its short cut. */
export function readAnyPhone(text: string, country: Country): PhoneReading {
  if (text.length > 32) return refused('a telephone number has at most 32 characters');
  const number = parsePhoneNumberFromString(text, { defaultCountry: country, extract: false });
  if (number === undefined) return refused('this is not a telephone number');
  if (number.ext !== undefined) return refused('a number with an extension cannot be reached');
  if (fictionMobile.test(number.number)) return { kind: 'number', address: number.number, channel: 'sms' };
  if (!number.isValid()) return refused('there is no such number in its numbering plan');
  const channel = channelOf(number.getType());
  if (channel === undefined) return refused('this is a premium or shared-cost number');
  return { kind: 'number', address: number.number, channel };
}

function channelOf(type: NumberType): Channel | undefined {
  switch (type) {
    case 'MOBILE':
    case 'FIXED_LINE_OR_MOBILE':
      return 'sms';
    case 'PREMIUM_RATE':
    case 'SHARED_COST':
    case 'PAGER':
      return undefined;
    default:
      return 'voice';
  }
}

function refused(because: string): PhoneReading {
  return { kind: 'refused', because };
}
