/**
 * A receipt that is still to be delivered, as a few octets: millions may wait. Written when a message is
 * accepted, turned into a deliver_sm when it is due. Pure.
 */
import { Buffer } from 'node:buffer';
import { commandId, headerBytes } from '../smpp/command.ts';
import { finishPdu, type MessageSpans, readUint32, writePduHeader, writeUint32 } from '../smpp/message-fields.ts';
import { tlvTag, writeTlvHeader, writeTlvUint8 } from '../smpp/tlv.ts';
import type { Behaviour } from './behaviour.ts';
import { messageIdBytesMax, type MessageIds } from './message-ids.ts';

/*
 * counter (4), bind (4), seconds of the submission (4), state (1), octets of the addresses (1), octets of the text (1),
 * then the addresses as they stand in the submit_sm from source_addr_ton to the NUL of destination_addr, then the text.
 */
const headBytes = 15;
/** Where the final state stands in a record, as an octet. */
export const recordStateOffset = 12;
const textBytesMax = 20;
/** Most octets that one record takes. */
export const recordBytesMax = headBytes + 140 + textBytesMax;
/** Most octets that a receipt's PDU takes. */
export const receiptPduBytesMax = 512;

/** Writes the record of the scanned submit_sm in `pdu`; returns the offset after it. */
export function writeRecord(
  into: Buffer,
  offset: number,
  counter: number,
  bind: number,
  seconds: number,
  state: number,
  pdu: Buffer,
  spans: MessageSpans,
): number {
  writeUint32(into, offset, counter);
  writeUint32(into, offset + 4, bind);
  writeUint32(into, offset + 8, seconds);
  into[offset + recordStateOffset] = state;
  let at = offset + headBytes;
  at += pdu.copy(into, at, spans.sourceStart - 2, spans.destinationEnd + 1);
  into[offset + 13] = at - offset - headBytes;
  const textEnd = Math.min(spans.messageEnd, spans.messageStart + textBytesMax);
  into[offset + 14] = textEnd - spans.messageStart;
  for (let from = spans.messageStart; from < textEnd; from += 1) {
    const octet = pdu[from] ?? 0;
    into[at] = octet >= 0x20 && octet < 0x7f ? octet : 0x3f;
    at += 1;
  }
  return at;
}

/** Octets of the record at `offset`. */
export function recordBytes(records: Buffer, offset: number): number {
  return headBytes + (records[offset + 13] ?? 0) + (records[offset + 14] ?? 0);
}

/** Number of the message that a record belongs to. */
export function recordCounter(record: Buffer): number {
  return readUint32(record, 0);
}

/** The bind that its message was submitted on. */
export function recordBind(record: Buffer): number {
  return readUint32(record, 4);
}

const stats = ['', 'ENROUTE', 'DELIVRD', 'EXPIRED', 'DELETED', 'UNDELIV', 'ACCEPTD', 'UNKNOWN', 'REJECTD'];
const idKey = Buffer.from('id:');
const submitKeys = Buffer.from(' sub:001 dlvrd:001 submit date:');
const failedSubmitKeys = Buffer.from(' sub:001 dlvrd:000 submit date:');
const doneKey = Buffer.from(' done date:');
const statKeys = stats.map((stat, state) =>
  Buffer.from(` stat:${stat} err:${state === 2 ? '000' : `0${state + 10}`} text:`),
);

/** Writes YYMMDDhhmm in UTC, remembering the last minute asked for. */
class MinuteText {
  #minute = -1;
  #digits = Buffer.alloc(10);

  write(into: Buffer, offset: number, seconds: number): number {
    const minute = Math.trunc(seconds / 60);
    if (minute !== this.#minute) {
      this.#minute = minute;
      const digits = new Date(minute * 60_000).toISOString().replaceAll(/[^0-9]/g, '');
      this.#digits = Buffer.from(digits.slice(2, 12));
    }
    into.set(this.#digits, offset);
    return offset + 10;
  }
}
const submitMinute = new MinuteText();
const doneMinute = new MinuteText();
const scratchId = Buffer.alloc(messageIdBytesMax);

/** Writes a record as deliver_sm (SMPP 3.4 appendix B); returns the offset after it. */
export function writeReceipt(
  into: Buffer,
  offset: number,
  record: Buffer,
  sequence: number,
  seconds: number,
  ids: MessageIds,
  behaviour: Behaviour,
): number {
  const state = record[recordStateOffset] ?? 0;
  const addresses = record[13] ?? 0;
  writePduHeader(into, offset, commandId.deliver_sm, 0, sequence);
  let at = offset + headerBytes;
  into[at] = 0;
  at = writeSwapped(into, at + 1, record, headBytes, headBytes + addresses);
  into.fill(0, at, at + 9);
  into[at] = 0x04;
  at += 9;
  const sizeAt = at;
  at += 1;
  const idBytes = ids.write(scratchId, 0, recordCounter(record), behaviour.messageIds, 'receipt');
  if (behaviour.receiptForm !== 'tlv') {
    at = put(into, at, idKey, idKey.length);
    at = put(into, at, scratchId, idBytes);
    at = put(into, at, state === 2 ? submitKeys : failedSubmitKeys, submitKeys.length);
    at = submitMinute.write(into, at, readUint32(record, 8));
    at = put(into, at, doneKey, doneKey.length);
    at = doneMinute.write(into, at, seconds);
    const keys = statKeys[state] ?? idKey;
    at = put(into, at, keys, keys.length);
    at += record.copy(into, at, headBytes + addresses);
  }
  into[sizeAt] = at - sizeAt - 1;
  if (behaviour.receiptForm !== 'text') {
    at = writeTlvHeader(into, at, tlvTag.receipted_message_id, idBytes + 1);
    at = put(into, at, scratchId, idBytes);
    into[at] = 0;
    at = writeTlvUint8(into, at + 1, tlvTag.message_state, state);
  }
  return finishPdu(into, offset, at);
}

function put(into: Buffer, offset: number, from: Buffer, bytes: number): number {
  for (let index = 0; index < bytes; index += 1) into[offset + index] = from[index] ?? 0;
  return offset + bytes;
}

/** A receipt comes from the handset: the submission's destination is its source. */
function writeSwapped(into: Buffer, offset: number, record: Buffer, from: number, to: number): number {
  let middle = from + 2;
  while (record[middle] !== 0 && middle < to) middle += 1;
  middle += 1;
  const at = offset + record.copy(into, offset, middle, to);
  return at + record.copy(into, at, from, middle);
}
