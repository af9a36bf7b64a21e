/**
 * deliver_sm → delivery receipt or message from a handset, on the worker's main thread. Optional
 * parameters are believed first, then the text of SMPP 3.4 appendix B, read tolerantly by
 * `receipt-text.ts`. Must never take a handset's message for a receipt: anybody could then forge one. Pure.
 */
import { type InboundMessage, type ReceiptState, receiptStateCodes } from '../handoff.ts';
import { emptySpans, type MessageSpans, scanMessage } from './message-fields.ts';
import { readReceiptText, type Wanted } from './receipt-layout.ts';
import { emptyReceiptText, type ReceiptText, scanReceiptText, stateOfText } from './receipt-text.ts';
import { findTlv, readTlvInteger, tlvBytes, tlvTag } from './tlv.ts';

export { canonicalId, type MessageIdSpelling } from './message-id.ts';

/** What a deliver_sm turned out to be. */
export type DeliveredPdu =
  | {
      readonly kind: 'receipt';
      /** As this carrier spelled it in the receipt; `canonicalId` makes it comparable. */
      readonly rawId: string;
      readonly state: ReceiptState;
      /** The carrier's error code, at most 16 characters; empty when none or zero. */
      readonly error: string;
      /** Epoch seconds of the done date, read as UTC because receipts carry no zone; 0 when it has none. */
      readonly doneAtSeconds: number;
    }
  | { readonly kind: 'inbound'; readonly message: InboundMessage }
  /** It does not fit into its frame, or it is a receipt that names no message. */
  | { readonly kind: 'unreadable' };

/** esm_class bits 5 to 2: the message type (§5.2.12). */
const messageTypeBits = 0x3c;
const typeReceipt = 0x04;
const typeIntermediate = 0x20;
const udhIndicator = 0x40;
const dataCodingUcs2 = 8;

const states = Object.entries(receiptStateCodes) as [ReceiptState, number][];
const stateByCode: readonly (ReceiptState | undefined)[] = Array.from(
  { length: 10 },
  (_, code) => states.find(([, known]) => known === code)?.[0],
);

const unreadable: DeliveredPdu = { kind: 'unreadable' };
// Filled anew for every PDU: this runs to completion on one thread, and receipts come by the million.
const spans: MessageSpans = emptySpans();
const text: ReceiptText = emptyReceiptText();

/** Reads the deliver_sm in `[start, end)`. Nothing returned points into `buffer`. */
export function readReceipt(buffer: Buffer, start: number, end: number): DeliveredPdu {
  if (end > buffer.length || !scanMessage(buffer, start, end, spans)) return unreadable;
  const tlvs = spans.messageEnd;
  const tlvId = receiptedId(buffer, tlvs, end);
  const tlvState = stateByCode[readTlvInteger(buffer, tlvs, end, tlvTag.message_state) ?? 0];
  const type = spans.esmClass & messageTypeBits;
  // A handset cannot set TLVs, so both together are a receipt even where a carrier leaves esm_class 0.
  const isReceipt = type === typeReceipt || type === typeIntermediate || (tlvId !== '' && tlvState !== undefined);
  if (!isReceipt) return { kind: 'inbound', message: inbound(buffer, end) };
  scanText(buffer, end, { id: tlvId === '', stat: tlvState === undefined });
  const rawId = tlvId === '' ? text.id : tlvId;
  if (rawId === '') return unreadable;
  const state = tlvState ?? stateByCode[stateOfText(text.stat)] ?? 'unknown';
  return { kind: 'receipt', rawId, state, error: errorOf(buffer, tlvs, end), doneAtSeconds: text.doneAtSeconds };
}

function receiptedId(buffer: Buffer, from: number, end: number): string {
  const value = findTlv(buffer, from, end, tlvTag.receipted_message_id);
  if (value < 0) return '';
  const limit = value + tlvBytes(buffer, value);
  let to = value;
  while (to < limit && buffer[to] !== 0) to += 1;
  return buffer.toString('latin1', value, to).trim();
}

/** Where the text stands: short_message, or else message_payload. */
function textSpan(buffer: Buffer, end: number): { from: number; to: number } {
  if (spans.messageEnd > spans.messageStart) return { from: spans.messageStart, to: spans.messageEnd };
  const payload = findTlv(buffer, spans.messageEnd, end, tlvTag.message_payload);
  return payload < 0 ? { from: 0, to: 0 } : { from: payload, to: payload + tlvBytes(buffer, payload) };
}

function scanText(buffer: Buffer, end: number, wanted: Wanted): void {
  const span = textSpan(buffer, end);
  const { to } = span;
  let { from } = span;
  if ((spans.esmClass & udhIndicator) !== 0 && from < to) from = Math.min(to, from + 1 + (buffer[from] ?? 0));
  if (spans.dataCoding !== dataCodingUcs2) {
    readReceiptText(buffer, from, to, text, wanted);
    return;
  }
  // Only the low octets matter: keys and values are ASCII, and anything else ends a word all the same.
  const narrow = Buffer.alloc((to - from) >> 1);
  for (let index = 0; index < narrow.length; index += 1) {
    const high = buffer[from + 2 * index] ?? 0;
    narrow[index] = high === 0 ? (buffer[from + 2 * index + 1] ?? 0) : 0x3f;
  }
  scanReceiptText(narrow, 0, narrow.length, text);
}

function errorOf(buffer: Buffer, from: number, end: number): string {
  const value = findTlv(buffer, from, end, tlvTag.network_error_code);
  const code = value >= 0 && tlvBytes(buffer, value) === 3 ? buffer.readUInt16BE(value + 1) : 0;
  if (code !== 0) return String(code);
  return text.err === '' || text.err === '000' || /^0*$/.test(text.err) ? '' : text.err.slice(0, 16);
}

function inbound(buffer: Buffer, end: number): InboundMessage {
  const { from, to } = textSpan(buffer, end);
  return {
    source: buffer.toString('latin1', spans.sourceStart, spans.sourceEnd),
    destination: buffer.toString('latin1', spans.destinationStart, spans.destinationEnd),
    dataCoding: spans.dataCoding,
    esmClass: spans.esmClass,
    body: Buffer.from(buffer.subarray(from, to)),
  };
}
