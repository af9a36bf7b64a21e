/**
 * Reads a simulator's log while it is being written or afterwards: every event in order, and long messages put
 * together again from 8 and 16-bit UDHs, SAR TLVs or message_payload. For tests, benches and the
 * demonstration. Must judge by the bytes received alone.
 */
import { createReadStream } from 'node:fs';
import type { SubmitTlvs } from '../smpp/submit.ts';
import { readSubmitSm } from '../smpp/submit.ts';
import { decodeText, type DefaultAlphabet } from '../text/alphabet.ts';
import { logHeadBytes, logKind, notAnswered } from './log.ts';

/** One submit_sm as it arrived. */
export type LoggedSegment = {
  readonly kind: 'segment';
  /** Epoch microseconds of its arrival. */
  readonly atMicros: number;
  /** Number of the connection within the simulator, from 1. */
  readonly bind: number;
  readonly sequence: number;
  /** The command_status decided on; 0 for a segment that was taken, be it answered or not. */
  readonly status: number;
  /** False when it was taken and left without an answer on purpose. */
  readonly answered: boolean;
  /** As spelled in submit_sm_resp; empty when refused. */
  readonly messageId: string;
  readonly sourceTon: number;
  readonly sourceNpi: number;
  readonly source: string;
  readonly destinationTon: number;
  readonly destinationNpi: number;
  readonly destination: string;
  readonly serviceType: string;
  readonly esmClass: number;
  readonly priority: number;
  readonly validityPeriod: string;
  readonly registeredDelivery: number;
  readonly dataCoding: number;
  /** What marks parts of one message: `udh8:5`, `udh16:4711`, `sar:4711`; empty for a message of one part. */
  readonly reference: string;
  /** From 1. */
  readonly part: number;
  readonly parts: number;
  /** Octets of the text without its user data header. */
  readonly body: Buffer;
  readonly text: string;
  /** The whole PDU. */
  readonly raw: Buffer;
};

/** Something else that the simulator noted, for judging what was promised to it. */
export type LoggedEvent =
  | LoggedSegment
  /** An answer to a receipt; `messageId` as in submit_sm_resp, `state` the message_state that it reported. */
  | {
      readonly kind: 'receipt-answer';
      readonly atMicros: number;
      readonly bind: number;
      readonly sequence: number;
      readonly status: number;
      readonly messageId: string;
      readonly state: number;
    }
  | { readonly kind: 'bind-opened'; readonly atMicros: number; readonly bind: number; readonly systemId: string }
  | { readonly kind: 'bind-closed'; readonly atMicros: number; readonly bind: number; readonly systemId: string }
  /** A submit_sm whose fields could not be read; it was refused. */
  | { readonly kind: 'unreadable'; readonly atMicros: number; readonly bind: number; readonly raw: Buffer };

/** A message put together from the segments that were taken. */
export type LoggedMessage = {
  readonly source: string;
  readonly destination: string;
  /** Missing parts leave nothing. */
  readonly text: string;
  readonly reference: string;
  readonly parts: number;
  /** False when some part has not arrived. */
  readonly complete: boolean;
  /** By part number. */
  readonly segments: readonly LoggedSegment[];
  /** Parts that came again before the message was complete. */
  readonly repeated: readonly LoggedSegment[];
};

/** Every event of the log at `path`, in order. An entry cut off at the end is left out. */
export async function* readEvents(path: string, alphabet: DefaultAlphabet = 'gsm'): AsyncGenerator<LoggedEvent> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    held = held.length === 0 ? (chunk as Buffer) : Buffer.concat([held, chunk as Buffer]);
    let at = 0;
    while (held.length - at >= 4) {
      const end = at + 4 + held.readUInt32BE(at);
      if (end > held.length) break;
      yield eventOf(held, at, end, alphabet);
      at = end;
    }
    held = held.subarray(at);
  }
}

/** Every segment of the log at `path`, in the order of arrival, refused ones included. */
export async function* readLog(path: string, alphabet: DefaultAlphabet = 'gsm'): AsyncGenerator<LoggedSegment> {
  for await (const event of readEvents(path, alphabet)) if (event.kind === 'segment') yield event;
}

function eventOf(buffer: Buffer, at: number, end: number, alphabet: DefaultAlphabet): LoggedEvent {
  const kind = buffer[at + 4] ?? 0;
  const bind = buffer.readUInt32BE(at + 5);
  const sequence = buffer.readUInt32BE(at + 9);
  const status = buffer.readUInt32BE(at + 13);
  const atMicros = buffer.readDoubleBE(at + 17);
  const from = at + logHeadBytes + (buffer[at + 25] ?? 0);
  const id = buffer.toString('latin1', at + logHeadBytes, from);
  switch (kind) {
    case logKind.receiptAnswer:
      return { kind: 'receipt-answer', atMicros, bind, sequence, status, messageId: id, state: buffer[from] ?? 0 };
    case logKind.bindOpened:
      return { kind: 'bind-opened', atMicros, bind, systemId: id };
    case logKind.bindClosed:
      return { kind: 'bind-closed', atMicros, bind, systemId: id };
    default:
      return segmentOf({ bind, sequence, status, atMicros, id }, Buffer.from(buffer.subarray(from, end)), alphabet);
  }
}

type Head = { bind: number; sequence: number; status: number; atMicros: number; id: string };

function segmentOf(head: Head, raw: Buffer, alphabet: DefaultAlphabet): LoggedEvent {
  const { bind, sequence, atMicros } = head;
  const submit = readSubmitSm(raw, 0, raw.length);
  if (submit === 'unreadable') return { kind: 'unreadable', atMicros, bind, raw };
  const { shortMessage, tlvs, protocolId: _, scheduleDelivery: __, replaceIfPresent: ___, ...fields } = submit;
  const octets = shortMessage.length === 0 ? (tlvs.messagePayload ?? shortMessage) : shortMessage;
  const { body, ...place } = placeOf(octets, fields.esmClass, tlvs);
  const answered = head.status !== notAnswered;
  return {
    kind: 'segment',
    ...fields,
    atMicros,
    bind,
    sequence,
    status: answered ? head.status : 0,
    answered,
    messageId: head.id,
    ...place,
    body,
    text: decodeText(body, encodingOf(fields.dataCoding, alphabet)),
    raw,
  };
}

function encodingOf(dataCoding: number, alphabet: DefaultAlphabet): DefaultAlphabet | 'ucs2' {
  if (dataCoding === 8) return 'ucs2';
  return dataCoding === 0 ? alphabet : 'latin1';
}

type Place = { reference: string; part: number; parts: number; body: Buffer };

/** Which part of what these octets are (3GPP TS 23.040 §9.2.3.24.1 and .8; SMPP 3.4 §5.3.2.22 to 24). */
function placeOf(octets: Buffer, esmClass: number, tlvs: SubmitTlvs): Place {
  const whole = { reference: '', part: 1, parts: 1 };
  const udhBytes = (esmClass & 0x40) === 0 ? 0 : Math.min(octets.length, 1 + (octets[0] ?? 0));
  const body = octets.subarray(udhBytes);
  const { sar } = tlvs;
  if (sar !== undefined) return { reference: `sar:${sar.reference}`, part: sar.part, parts: sar.total, body };
  let at = 1;
  while (at + 2 <= udhBytes) {
    const element = octets[at] ?? 0;
    const length = octets[at + 1] ?? 0;
    const value = octets.subarray(at + 2, Math.min(udhBytes, at + 2 + length));
    if (element === 0 && value.length === 3) {
      return { reference: `udh8:${value[0]}`, parts: value[1] ?? 1, part: value[2] ?? 1, body };
    }
    if (element === 8 && value.length === 4) {
      return { reference: `udh16:${value.readUInt16BE(0)}`, parts: value[2] ?? 1, part: value[3] ?? 1, body };
    }
    at += 2 + length;
  }
  return { ...whole, body };
}

type Open = { segments: (LoggedSegment | undefined)[]; repeated: LoggedSegment[]; missing: number };

/**
 * Every message of the log at `path`, each when its last part has come; at the end those that stayed incomplete.
 * Only segments that the simulator took are looked at. A message that was sent twice comes twice, and a
 * part that was sent twice is in `repeated` or in an incomplete message of its own.
 */
export async function* readMessages(path: string, alphabet: DefaultAlphabet = 'gsm'): AsyncGenerator<LoggedMessage> {
  const open = new Map<string, Open>();
  for await (const segment of readLog(path, alphabet)) {
    if (segment.status !== 0) continue;
    if (segment.reference === '') {
      yield messageOf({ segments: [segment], repeated: [], missing: 0 });
      continue;
    }
    const key = [segment.source, segment.destination, segment.reference, segment.parts].join(' ');
    const message = open.get(key) ?? { segments: [], repeated: [], missing: segment.parts };
    open.set(key, message);
    if (message.segments[segment.part - 1] === undefined) {
      message.segments[segment.part - 1] = segment;
      message.missing -= 1;
    } else {
      message.repeated.push(segment);
    }
    if (message.missing > 0) continue;
    open.delete(key);
    yield messageOf(message);
  }
  for (const message of open.values()) yield messageOf(message);
}

function messageOf(open: Open): LoggedMessage {
  const segments = open.segments.filter((segment) => segment !== undefined);
  const first = segments[0] ?? open.repeated[0];
  return {
    source: first?.source ?? '',
    destination: first?.destination ?? '',
    text: segments.map(({ text }) => text).join(''),
    reference: first?.reference ?? '',
    parts: first?.parts ?? 1,
    complete: open.missing === 0,
    segments,
    repeated: open.repeated,
  };
}
