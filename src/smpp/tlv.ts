/**
 * Optional parameters (TLVs, SMPP 3.4 §5.3) of messages and receipts: the few that we write, and a finder
 * for any. A length that is wrong ends the search; it never leads outside the PDU. Pure.
 */
import { readUint16 } from './message-fields.ts';

/** Tags of the optional parameters in use here (§5.3.2). */
export const tlvTag = {
  additional_status_info_text: 0x001d,
  receipted_message_id: 0x001e,
  user_message_reference: 0x0204,
  sar_msg_ref_num: 0x020c,
  sar_total_segments: 0x020e,
  sar_segment_seqnum: 0x020f,
  network_error_code: 0x0423,
  message_payload: 0x0424,
  message_state: 0x0427,
} as const;

/** Octets of a tag and a length. */
export const tlvHeaderBytes = 4;

/**
 * Offset of the value of the first TLV named `tag` between `from` and `end`, or -1 when there is none. Its
 * length is `tlvBytes(buffer, offset)`, and the value lies wholly before `end`.
 */
export function findTlv(buffer: Uint8Array, from: number, end: number, tag: number): number {
  let at = from;
  while (at + tlvHeaderBytes <= end) {
    const value = at + tlvHeaderBytes;
    const next = value + readUint16(buffer, at + 2);
    if (next > end) return -1;
    if (readUint16(buffer, at) === tag) return value;
    at = next;
  }
  return -1;
}

/** Length of the TLV value that `findTlv` found at `value`. */
export function tlvBytes(buffer: Uint8Array, value: number): number {
  return readUint16(buffer, value - 2);
}

/** An unsigned integer TLV of whatever length it has been given, or undefined when absent or empty. */
export function readTlvInteger(buffer: Uint8Array, from: number, end: number, tag: number): number | undefined {
  const value = findTlv(buffer, from, end, tag);
  if (value < 0) return undefined;
  const length = tlvBytes(buffer, value);
  if (length === 0 || length > 4) return undefined;
  let number = 0;
  for (let index = 0; index < length; index += 1) number = number * 256 + (buffer[value + index] ?? 0);
  return number;
}

/** Writes tag and length; returns where the value belongs. */
export function writeTlvHeader(buffer: Uint8Array, offset: number, tag: number, length: number): number {
  buffer[offset] = tag >>> 8;
  buffer[offset + 1] = tag;
  buffer[offset + 2] = length >>> 8;
  buffer[offset + 3] = length;
  return offset + tlvHeaderBytes;
}

/** Writes a TLV of one octet; returns the offset after it. */
export function writeTlvUint8(buffer: Uint8Array, offset: number, tag: number, number: number): number {
  const at = writeTlvHeader(buffer, offset, tag, 1);
  buffer[at] = number;
  return at + 1;
}

/** Writes a TLV of two octets; returns the offset after it. */
export function writeTlvUint16(buffer: Uint8Array, offset: number, tag: number, number: number): number {
  const at = writeTlvHeader(buffer, offset, tag, 2);
  buffer[at] = number >>> 8;
  buffer[at + 1] = number;
  return at + 2;
}

/** Writes a TLV of octets; returns the offset after it. */
export function writeTlvBytes(buffer: Uint8Array, offset: number, tag: number, bytes: Uint8Array): number {
  const at = writeTlvHeader(buffer, offset, tag, bytes.length);
  buffer.set(bytes, at);
  return at + bytes.length;
}
