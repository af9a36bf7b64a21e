/**
 * What a sender's name or number is to SMPP: type of number, numbering plan and source_addr. Runs in encoder
 * threads, once a batch. Pure.
 */

import type { EncodeProfile } from '../handoff.ts';

/** A source address as submit_sm carries it. */
export type SourceAddress = { readonly ton: number; readonly npi: number; readonly address: string };

/** SMPP 3.4 §5.2.5. */
const ton = { international: 1, networkSpecific: 3, alphanumeric: 5 } as const;
/** SMPP 3.4 §5.2.6: numbering plan unknown, the only one that fits names and short codes. */
const npiUnknown = 0;
/** Longest short code; numbers with a country code are longer. */
const shortCodeDigitsMax = 8;
/** 3GPP TS 23.040 §9.1.2.5: an alphanumeric address has room for 11 septets. */
const nameCharactersMax = 11;
/** SMPP 3.4 §4.4.1: source_addr is at most 21 octets with its NUL. */
const numberDigitsMax = 20;

/**
 * The source address of `sender` under a carrier's profile, or `undefined` when no carrier could show it: a
 * number (`+` allowed) of at most 20 digits, else a name of at most 11 printable ASCII characters with a letter
 * or digit among them. With `sourceTon: 'auto'` a name goes as alphanumeric, a short code as network specific, a
 * number as international.
 */
export function sourceAddress(
  sender: string,
  profile: Pick<EncodeProfile, 'sourceTon' | 'sourceNpi'>,
): SourceAddress | undefined {
  const address = sender.startsWith('+') ? sender.slice(1) : sender;
  const isNumber = /^\d+$/u.test(address);
  if (isNumber ? address.length > numberDigitsMax : !isName(sender)) return undefined;
  if (profile.sourceTon !== 'auto') {
    return { ton: profile.sourceTon, npi: profile.sourceNpi, address: isNumber ? address : sender };
  }
  if (!isNumber) return { ton: ton.alphanumeric, npi: npiUnknown, address: sender };
  if (address.length <= shortCodeDigitsMax && address === sender) {
    return { ton: ton.networkSpecific, npi: npiUnknown, address };
  }
  return { ton: ton.international, npi: profile.sourceNpi, address };
}

function isName(sender: string): boolean {
  return sender.length <= nameCharactersMax && /^[\u0020-\u007e]+$/u.test(sender) && /[A-Za-z0-9]/u.test(sender);
}
