/**
 * deliver_sm and deliver_sm_resp (SMPP 3.4 §4.6) to and from bytes: receipts and messages from handsets.
 * The worker's main thread reads deliver_sm and writes many responses into one buffer; the simulator
 * does the reverse. Must never read outside its frame. Pure.
 */
import { commandId, headerBytes, sequenceOffset } from './command.ts';
import {
  emptySpans,
  fieldsOf,
  finishPdu,
  type MessageFields,
  messageHeadBytes,
  readUint32,
  scanMessage,
  writeCString,
  writeMessageHead,
  writePduHeader,
  writeShortMessage,
} from './message-fields.ts';
import { tlvHeaderBytes, tlvTag, writeTlvBytes, writeTlvHeader, writeTlvUint8 } from './tlv.ts';

/** The optional parameters that a receipt may carry. */
export type DeliverTlvs = {
  /** The message_id of submit_sm_resp, at most 64 characters (§5.3.2.12). */
  readonly receiptedMessageId?: string;
  /** §5.2.28. */
  readonly messageState?: number;
  /** Kind of network (3 is GSM) and its code (§5.3.2.31). */
  readonly networkErrorCode?: { readonly networkType: number; readonly code: number };
  readonly messagePayload?: Uint8Array;
};

/** All of a deliver_sm but its sequence_number. */
export type DeliverFields = MessageFields & { readonly tlvs?: DeliverTlvs };

/** The mandatory fields of a deliver_sm; `shortMessage` is a view. Its TLVs are read by `receipt.ts`. */
export type DecodedDeliver = MessageFields & { readonly sequence: number; readonly shortMessage: Buffer };

/** Octets of every deliver_sm_resp: its message_id is unused and empty (§4.6.2). */
export const deliverRespBytes = headerBytes + 1;

/** Octets that `writeDeliverSm` will write. */
export function deliverSmBytes(fields: DeliverFields): number {
  const bytes = messageHeadBytes(fields) + 1 + fields.shortMessage.length;
  const tlvs = fields.tlvs;
  if (tlvs === undefined) return bytes;
  return (
    bytes +
    (tlvs.receiptedMessageId === undefined ? 0 : tlvHeaderBytes + tlvs.receiptedMessageId.length + 1) +
    (tlvs.messageState === undefined ? 0 : tlvHeaderBytes + 1) +
    (tlvs.networkErrorCode === undefined ? 0 : tlvHeaderBytes + 3) +
    (tlvs.messagePayload === undefined ? 0 : tlvHeaderBytes + tlvs.messagePayload.length)
  );
}

/** Writes a complete deliver_sm; returns the offset after it. */
export function writeDeliverSm(buffer: Uint8Array, offset: number, sequence: number, fields: DeliverFields): number {
  let at = writePduHeader(buffer, offset, commandId.deliver_sm, 0, sequence);
  at = writeMessageHead(buffer, at, fields);
  at = writeShortMessage(buffer, at, fields.shortMessage);
  if (fields.tlvs !== undefined) at = writeDeliverTlvs(buffer, at, fields.tlvs);
  return finishPdu(buffer, offset, at);
}

function writeDeliverTlvs(buffer: Uint8Array, offset: number, tlvs: DeliverTlvs): number {
  let at = offset;
  if (tlvs.receiptedMessageId !== undefined) {
    at = writeTlvHeader(buffer, at, tlvTag.receipted_message_id, tlvs.receiptedMessageId.length + 1);
    at = writeCString(buffer, at, tlvs.receiptedMessageId, 64);
  }
  if (tlvs.messageState !== undefined) at = writeTlvUint8(buffer, at, tlvTag.message_state, tlvs.messageState);
  if (tlvs.networkErrorCode !== undefined) {
    const { networkType, code } = tlvs.networkErrorCode;
    at = writeTlvBytes(buffer, at, tlvTag.network_error_code, Uint8Array.of(networkType, code >>> 8, code));
  }
  if (tlvs.messagePayload !== undefined) {
    at = writeTlvBytes(buffer, at, tlvTag.message_payload, tlvs.messagePayload);
  }
  return at;
}

/** The mandatory fields of the deliver_sm in `[start, end)`, or `unreadable` when they do not fit. */
export function readDeliverSm(buffer: Buffer, start: number, end: number): DecodedDeliver | 'unreadable' {
  const spans = emptySpans();
  if (end > buffer.length || !scanMessage(buffer, start, end, spans)) return 'unreadable';
  return { ...fieldsOf(buffer, start, spans), sequence: readUint32(buffer, start + sequenceOffset) };
}

/** Writes a deliver_sm_resp of `deliverRespBytes` octets; returns the offset after it. */
export function writeDeliverResp(buffer: Uint8Array, offset: number, sequence: number, status: number): number {
  const at = writePduHeader(buffer, offset, commandId.deliver_sm_resp, status, sequence);
  buffer[at] = 0;
  return finishPdu(buffer, offset, at + 1);
}
