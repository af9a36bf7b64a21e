/**
 * The mandatory fields that submit_sm and deliver_sm share (SMPP 3.4 §4.4.1, §4.6.1), written to and
 * found in bytes. Runs on the worker's main thread, in encoding threads and in the simulator. Must
 * never read outside `[start, end)`, whatever the bytes say. Pure.
 */
import assert from 'node:assert';
import { headerBytes, sequenceOffset } from './command.ts';

/** Longest short_message; anything longer goes into the TLV message_payload (§5.2.22). */
export const shortMessageBytesMax = 254;
/** Longest address with its NUL (§5.2.8, §5.2.9). */
export const addressBytesMax = 21;

/** The mandatory fields, in the wire's order. Strings are ASCII without NUL. */
export type MessageFields = {
  readonly serviceType: string;
  readonly sourceTon: number;
  readonly sourceNpi: number;
  readonly source: string;
  readonly destinationTon: number;
  readonly destinationNpi: number;
  readonly destination: string;
  readonly esmClass: number;
  readonly protocolId: number;
  readonly priority: number;
  /** Empty, or 16 characters of §7.1.1. */
  readonly scheduleDelivery: string;
  /** Empty, or 16 characters of §7.1.1. */
  readonly validityPeriod: string;
  readonly registeredDelivery: number;
  readonly replaceIfPresent: number;
  readonly dataCoding: number;
  /** User data header included when esm_class says so. At most `shortMessageBytesMax` octets. */
  readonly shortMessage: Uint8Array;
};

/** Every mandatory field but the text: what stands before sm_length. */
export type MessageHead = Omit<MessageFields, 'shortMessage'>;

/** Octets from the start of a frame to its sm_length, that octet not included. */
export function messageHeadBytes(fields: MessageHead): number {
  return (
    headerBytes +
    16 +
    fields.serviceType.length +
    fields.source.length +
    fields.destination.length +
    fields.scheduleDelivery.length +
    fields.validityPeriod.length
  );
}

/** Writes a big-endian unsigned 32-bit integer; returns the offset after it. */
export function writeUint32(buffer: Uint8Array, offset: number, value: number): number {
  buffer[offset] = value >>> 24;
  buffer[offset + 1] = value >>> 16;
  buffer[offset + 2] = value >>> 8;
  buffer[offset + 3] = value;
  return offset + 4;
}

/** Reads a big-endian unsigned 32-bit integer; octets outside the buffer read as 0. */
export function readUint32(buffer: Uint8Array, offset: number): number {
  const high = ((buffer[offset] ?? 0) << 8) | (buffer[offset + 1] ?? 0);
  const low = ((buffer[offset + 2] ?? 0) << 8) | (buffer[offset + 3] ?? 0);
  return high * 0x10000 + low;
}

/** Reads a big-endian unsigned 16-bit integer; octets outside the buffer read as 0. */
export function readUint16(buffer: Uint8Array, offset: number): number {
  return ((buffer[offset] ?? 0) << 8) | (buffer[offset + 1] ?? 0);
}

/** Writes a PDU header with command_length 0, which `finishPdu` sets; returns the offset after it. */
export function writePduHeader(
  buffer: Uint8Array,
  offset: number,
  commandId: number,
  status: number,
  sequence: number,
): number {
  writeUint32(buffer, offset, 0);
  writeUint32(buffer, offset + 4, commandId);
  writeUint32(buffer, offset + 8, status);
  return writeUint32(buffer, offset + sequenceOffset, sequence);
}

/** Sets command_length of the PDU that stands in `[start, end)`; returns `end`. */
export function finishPdu(buffer: Uint8Array, start: number, end: number): number {
  // A write beyond the end of a typed array is silently dropped, so it has to be caught here.
  assert(end <= buffer.length, 'the buffer is too small for the PDU');
  writeUint32(buffer, start, end - start);
  return end;
}

/**
 * Writes a C-octet string of at most `charactersMax` characters; returns the offset after its NUL. A
 * NUL or a non-ASCII character inside is a bug of the caller: it would shift every later field.
 */
export function writeCString(buffer: Uint8Array, offset: number, text: string, charactersMax: number): number {
  const length = text.length;
  if (length > charactersMax) assert.fail(`a field of ${length} characters, ${charactersMax} are allowed`);
  for (let index = 0; index < length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === 0 || code > 0x7f) assert.fail('a C-octet string must be ASCII without NUL');
    buffer[offset + index] = code;
  }
  buffer[offset + length] = 0;
  return offset + length + 1;
}

/** Writes the fields from service_type to sm_default_msg_id; returns where sm_length belongs. */
export function writeMessageHead(buffer: Uint8Array, offset: number, fields: MessageHead): number {
  let at = writeCString(buffer, offset, fields.serviceType, 5);
  buffer[at] = fields.sourceTon;
  buffer[at + 1] = fields.sourceNpi;
  at = writeCString(buffer, at + 2, fields.source, addressBytesMax - 1);
  buffer[at] = fields.destinationTon;
  buffer[at + 1] = fields.destinationNpi;
  at = writeCString(buffer, at + 2, fields.destination, addressBytesMax - 1);
  buffer[at] = fields.esmClass;
  buffer[at + 1] = fields.protocolId;
  buffer[at + 2] = fields.priority;
  at = writeCString(buffer, at + 3, fields.scheduleDelivery, 16);
  at = writeCString(buffer, at, fields.validityPeriod, 16);
  buffer[at] = fields.registeredDelivery;
  buffer[at + 1] = fields.replaceIfPresent;
  buffer[at + 2] = fields.dataCoding;
  buffer[at + 3] = 0;
  return at + 4;
}

/** Writes sm_length and short_message; returns the offset after them. */
export function writeShortMessage(buffer: Uint8Array, offset: number, text: Uint8Array): number {
  assert(text.length <= shortMessageBytesMax, 'short_message is longer than 254 octets');
  buffer[offset] = text.length;
  if (text.length > 0) buffer.set(text, offset + 1);
  return offset + 1 + text.length;
}

/**
 * Where the fields of one PDU stand in its buffer, as absolute offsets; ends exclude the NUL. Meant to be
 * made once and filled again and again by `scanMessage`.
 */
export type MessageSpans = {
  serviceTypeEnd: number;
  sourceTon: number;
  sourceNpi: number;
  sourceStart: number;
  sourceEnd: number;
  destinationTon: number;
  destinationNpi: number;
  destinationStart: number;
  destinationEnd: number;
  esmClass: number;
  protocolId: number;
  priority: number;
  scheduleStart: number;
  scheduleEnd: number;
  validityStart: number;
  validityEnd: number;
  registeredDelivery: number;
  replaceIfPresent: number;
  dataCoding: number;
  /** short_message: may be empty when the text stands in message_payload. */
  messageStart: number;
  messageEnd: number;
};

/** Spans to be filled by `scanMessage`. */
export function emptySpans(): MessageSpans {
  return {
    serviceTypeEnd: 0,
    sourceTon: 0,
    sourceNpi: 0,
    sourceStart: 0,
    sourceEnd: 0,
    destinationTon: 0,
    destinationNpi: 0,
    destinationStart: 0,
    destinationEnd: 0,
    esmClass: 0,
    protocolId: 0,
    priority: 0,
    scheduleStart: 0,
    scheduleEnd: 0,
    validityStart: 0,
    validityEnd: 0,
    registeredDelivery: 0,
    replaceIfPresent: 0,
    dataCoding: 0,
    messageStart: 0,
    messageEnd: 0,
  };
}

/** Index of the NUL that ends a C-octet string, or -1 when there is none before `end` or `bytesMax`. */
export function findNul(buffer: Uint8Array, from: number, end: number, bytesMax: number): number {
  const limit = Math.min(end, from + bytesMax);
  for (let at = from; at < limit; at += 1) if (buffer[at] === 0) return at;
  return -1;
}

/**
 * Finds the mandatory fields of the submit_sm or deliver_sm in `[start, end)`. False when they do not fit
 * into the frame; the spans are then meaningless. Field limits are tolerated generously (64 octets)
 * because peers exceed them, but never the frame.
 */
export function scanMessage(buffer: Uint8Array, start: number, end: number, spans: MessageSpans): boolean {
  const bytesMax = 65;
  let at = findNul(buffer, start + headerBytes, end, bytesMax);
  if (at < 0 || at + 3 > end) return false;
  spans.serviceTypeEnd = at;
  spans.sourceTon = buffer[at + 1] ?? 0;
  spans.sourceNpi = buffer[at + 2] ?? 0;
  spans.sourceStart = at + 3;
  at = findNul(buffer, at + 3, end, bytesMax);
  if (at < 0 || at + 3 > end) return false;
  spans.sourceEnd = at;
  spans.destinationTon = buffer[at + 1] ?? 0;
  spans.destinationNpi = buffer[at + 2] ?? 0;
  spans.destinationStart = at + 3;
  at = findNul(buffer, at + 3, end, bytesMax);
  if (at < 0 || at + 4 > end) return false;
  spans.destinationEnd = at;
  spans.esmClass = buffer[at + 1] ?? 0;
  spans.protocolId = buffer[at + 2] ?? 0;
  spans.priority = buffer[at + 3] ?? 0;
  spans.scheduleStart = at + 4;
  at = findNul(buffer, at + 4, end, bytesMax);
  if (at < 0) return false;
  spans.scheduleEnd = at;
  spans.validityStart = at + 1;
  at = findNul(buffer, at + 1, end, bytesMax);
  if (at < 0 || at + 6 > end) return false;
  spans.validityEnd = at;
  spans.registeredDelivery = buffer[at + 1] ?? 0;
  spans.replaceIfPresent = buffer[at + 2] ?? 0;
  spans.dataCoding = buffer[at + 3] ?? 0;
  spans.messageStart = at + 6;
  spans.messageEnd = at + 6 + (buffer[at + 5] ?? 0);
  return spans.messageEnd <= end;
}

/** The fields of a scanned PDU as values; `shortMessage` is a view, not a copy. */
export function fieldsOf(buffer: Buffer, start: number, spans: MessageSpans): MessageFields & { shortMessage: Buffer } {
  const text = (from: number, to: number) => (from === to ? '' : buffer.toString('latin1', from, to));
  return {
    serviceType: text(start + headerBytes, spans.serviceTypeEnd),
    sourceTon: spans.sourceTon,
    sourceNpi: spans.sourceNpi,
    source: text(spans.sourceStart, spans.sourceEnd),
    destinationTon: spans.destinationTon,
    destinationNpi: spans.destinationNpi,
    destination: text(spans.destinationStart, spans.destinationEnd),
    esmClass: spans.esmClass,
    protocolId: spans.protocolId,
    priority: spans.priority,
    scheduleDelivery: text(spans.scheduleStart, spans.scheduleEnd),
    validityPeriod: text(spans.validityStart, spans.validityEnd),
    registeredDelivery: spans.registeredDelivery,
    replaceIfPresent: spans.replaceIfPresent,
    dataCoding: spans.dataCoding,
    shortMessage: buffer.subarray(spans.messageStart, spans.messageEnd),
  };
}
