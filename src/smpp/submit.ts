/**
 * submit_sm and submit_sm_resp (SMPP 3.4 §4.4), the hot PDUs of sending, to and from bytes. Encoding
 * threads write submit_sm, the worker's main thread reads responses, the simulator does the reverse.
 * Must never read outside its frame, and never allocate more than it returns. Pure.
 */
import assert from 'node:assert';
import { commandId, headerBytes, sequenceOffset } from './command.ts';
import {
  emptySpans,
  fieldsOf,
  finishPdu,
  type MessageFields,
  type MessageHead,
  messageHeadBytes,
  readUint32,
  scanMessage,
  writeMessageHead,
  writePduHeader,
  writeShortMessage,
  writeUint32,
} from './message-fields.ts';
import {
  findTlv,
  readTlvInteger,
  tlvBytes,
  tlvHeaderBytes,
  tlvTag,
  writeTlvBytes,
  writeTlvUint16,
  writeTlvUint8,
} from './tlv.ts';

export { finishPdu, type MessageHead, messageHeadBytes, shortMessageBytesMax } from './message-fields.ts';

/** A part of a long message as told by the SAR TLVs (§5.3.2.22 to 24). */
export type SarFields = {
  /** The same for all parts, 16 bits. */
  readonly reference: number;
  /** Parts in all. */
  readonly total: number;
  /** From 1. */
  readonly part: number;
};

/** The optional parameters that we send. */
export type SubmitTlvs = {
  readonly userMessageReference?: number;
  readonly sar?: SarFields;
  /** A whole long text, at most 65,535 octets; `shortMessage` is empty then. */
  readonly messagePayload?: Uint8Array;
};

/** All of a submit_sm but its sequence_number. */
export type SubmitFields = MessageFields & { readonly tlvs?: SubmitTlvs };

/** A submit_sm that was read. `shortMessage` and `messagePayload` are views into the buffer read. */
export type DecodedSubmit = MessageFields & {
  readonly sequence: number;
  readonly shortMessage: Buffer;
  readonly tlvs: SubmitTlvs & { readonly messagePayload?: Buffer };
};

/** Octets that `writeSubmitSm` will write. */
export function submitSmBytes(fields: SubmitFields): number {
  const bytes = messageHeadBytes(fields) + 1 + fields.shortMessage.length;
  const tlvs = fields.tlvs;
  if (tlvs === undefined) return bytes;
  return (
    bytes +
    (tlvs.userMessageReference === undefined ? 0 : tlvHeaderBytes + 2) +
    (tlvs.sar === undefined ? 0 : 3 * tlvHeaderBytes + 4) +
    (tlvs.messagePayload === undefined ? 0 : tlvHeaderBytes + tlvs.messagePayload.length)
  );
}

/** Offset of the first character of destination_addr from the start of the frame, for patching. */
export function destinationOffset(fields: Pick<MessageHead, 'serviceType' | 'source'>): number {
  return headerBytes + fields.serviceType.length + 1 + 2 + fields.source.length + 1 + 2;
}

/**
 * Writes a submit_sm up to sm_default_msg_id, with sequence_number 0 and command_length 0; returns the
 * offset where sm_length belongs. For an encoder that puts text into the frame itself; it must end with
 * `finishPdu(buffer, offset, end)`.
 */
export function writeSubmitHead(buffer: Uint8Array, offset: number, fields: MessageHead): number {
  return writeMessageHead(buffer, writePduHeader(buffer, offset, commandId.submit_sm, 0, 0), fields);
}

/** Writes the TLVs of a submit_sm; returns the offset after them. */
export function writeSubmitTlvs(buffer: Uint8Array, offset: number, tlvs: SubmitTlvs): number {
  let at = offset;
  if (tlvs.userMessageReference !== undefined) {
    at = writeTlvUint16(buffer, at, tlvTag.user_message_reference, tlvs.userMessageReference);
  }
  if (tlvs.sar !== undefined) {
    at = writeTlvUint16(buffer, at, tlvTag.sar_msg_ref_num, tlvs.sar.reference);
    at = writeTlvUint8(buffer, at, tlvTag.sar_total_segments, tlvs.sar.total);
    at = writeTlvUint8(buffer, at, tlvTag.sar_segment_seqnum, tlvs.sar.part);
  }
  if (tlvs.messagePayload !== undefined) {
    assert(tlvs.messagePayload.length <= 0xffff, 'message_payload is longer than 65,535 octets');
    at = writeTlvBytes(buffer, at, tlvTag.message_payload, tlvs.messagePayload);
  }
  return at;
}

/**
 * Writes a complete submit_sm with sequence_number 0 (patch it at `sequenceOffset`); returns the offset
 * after it. Fields that cannot be written as they are (NUL inside, too long) fail an assertion.
 */
export function writeSubmitSm(buffer: Uint8Array, offset: number, fields: SubmitFields): number {
  let at = writeSubmitHead(buffer, offset, fields);
  at = writeShortMessage(buffer, at, fields.shortMessage);
  if (fields.tlvs !== undefined) at = writeSubmitTlvs(buffer, at, fields.tlvs);
  return finishPdu(buffer, offset, at);
}

/** Puts a sequence_number into the frame that starts at `offset`. */
export function writeSequence(buffer: Uint8Array, offset: number, sequence: number): void {
  writeUint32(buffer, offset + sequenceOffset, sequence);
}

/** The submit_sm in `[start, end)`, or `unreadable` when its mandatory fields do not fit. */
export function readSubmitSm(buffer: Buffer, start: number, end: number): DecodedSubmit | 'unreadable' {
  const spans = emptySpans();
  if (end > buffer.length || !scanMessage(buffer, start, end, spans)) return 'unreadable';
  return {
    ...fieldsOf(buffer, start, spans),
    sequence: readUint32(buffer, start + sequenceOffset),
    tlvs: readSubmitTlvs(buffer, spans.messageEnd, end),
  };
}

function readSubmitTlvs(buffer: Buffer, from: number, end: number): DecodedSubmit['tlvs'] {
  const tlvs: { userMessageReference?: number; sar?: SarFields; messagePayload?: Buffer } = {};
  const userMessageReference = readTlvInteger(buffer, from, end, tlvTag.user_message_reference);
  if (userMessageReference !== undefined) tlvs.userMessageReference = userMessageReference;
  const reference = readTlvInteger(buffer, from, end, tlvTag.sar_msg_ref_num);
  const total = readTlvInteger(buffer, from, end, tlvTag.sar_total_segments);
  const part = readTlvInteger(buffer, from, end, tlvTag.sar_segment_seqnum);
  if (reference !== undefined && total !== undefined && part !== undefined) tlvs.sar = { reference, total, part };
  const payload = findTlv(buffer, from, end, tlvTag.message_payload);
  if (payload >= 0) tlvs.messagePayload = buffer.subarray(payload, payload + tlvBytes(buffer, payload));
  return tlvs;
}

/**
 * The message_id of the submit_sm_resp in `[start, end)`; empty when it has none, as a refusal may. A
 * missing NUL is tolerated. command_status and sequence_number stand in the header.
 */
export function readSubmitResp(buffer: Buffer, start: number, end: number): string {
  const from = start + headerBytes;
  let to = from;
  while (to < end && buffer[to] !== 0) to += 1;
  return to <= from ? '' : buffer.toString('latin1', from, to);
}

/** Octets that `writeSubmitResp` will write for an id of `idBytes` octets. */
export function submitRespBytes(status: number, idBytes: number): number {
  return status === 0 ? headerBytes + idBytes + 1 : headerBytes;
}

/** Writes a submit_sm_resp; returns the offset after it. A `status` other than 0 has no body (§4.4.2). */
export function writeSubmitResp(
  buffer: Uint8Array,
  offset: number,
  sequence: number,
  status: number,
  messageId: string,
): number {
  return writeSubmitRespOctets(buffer, offset, sequence, status, Buffer.from(messageId, 'latin1'), messageId.length);
}

/** The same with the first `idBytes` octets of `id` as message_id, without making a string. */
export function writeSubmitRespOctets(
  buffer: Uint8Array,
  offset: number,
  sequence: number,
  status: number,
  id: Uint8Array,
  idBytes: number,
): number {
  let at = writePduHeader(buffer, offset, commandId.submit_sm_resp, status, sequence);
  if (status === 0) {
    for (let index = 0; index < idBytes; index += 1) buffer[at + index] = id[index] ?? 0;
    at += idBytes;
    buffer[at] = 0;
    at += 1;
  }
  return finishPdu(buffer, offset, at);
}
