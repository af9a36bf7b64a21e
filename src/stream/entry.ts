/**
 * Values that stages hand over ↔ fields of stream entries. Every entry starts with a version, so that
 * a later format is set aside by an older process instead of being misread. Pure.
 */
import { Buffer } from 'node:buffer';
import { Fault } from '../fault.ts';
import {
  type Batch,
  type InboundMessage,
  type OutcomeHeader,
  type OutcomeKind,
  outcomeCodes,
  type Receipt,
  receiptStateCodes,
} from '../handoff.ts';

/** Version of all entry formats written here. */
export const entryVersion = '1';

/** Fields of an entry, name and value by turns, as Redis gives them. */
export type EntryFields = readonly Buffer[];

/** The value of a field; undefined when the entry has none. */
export function fieldOf(fields: EntryFields, name: string): Buffer | undefined {
  for (let i = 0; i + 1 < fields.length; i += 2) if (fields[i]?.toString('latin1') === name) return fields[i + 1];
  return undefined;
}

function headerOf(fields: EntryFields): Record<string, unknown> {
  const version = fieldOf(fields, 'v')?.toString('latin1');
  const header = fieldOf(fields, 'h');
  if (version !== entryVersion || header === undefined)
    throw new Fault(
      'unreadable',
      `a stream entry has version ${version ?? 'none'}; this process reads ${entryVersion}`,
    );
  return objectOf(header);
}

function objectOf(header: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(header.toString('utf8'));
  } catch (cause) {
    throw new Fault('unreadable', 'the header of a stream entry is not JSON', { cause });
  }
  if (typeof value !== 'object' || value === null) throw new Fault('unreadable', 'the header of an entry is no object');
  return value as Record<string, unknown>;
}

// ── batches ─────────────────────────────────────────────────────────────────────────────────────

/** Header of a batch entry: everything but the packed recipients. */
export function batchHeader(batch: Batch): string {
  const { packed: _, ...header } = batch;
  return JSON.stringify(header);
}

/**
 * Batch of an entry's fields.
 * @throws Fault `unreadable` for another version or a broken header.
 */
export function readBatch(fields: EntryFields): Batch {
  const header = headerOf(fields) as Partial<Omit<Batch, 'packed'>>;
  const packed = fieldOf(fields, 'p');
  if (
    packed === undefined ||
    typeof header.campaign !== 'string' ||
    typeof header.organisation !== 'string' ||
    !isCount(header.number) ||
    !isCount(header.attempt) ||
    !isCount(header.firstOrdinal) ||
    !isCount(header.recipients) ||
    !(header.only === undefined || (Array.isArray(header.only) && header.only.every(isCount))) ||
    typeof header.language !== 'string'
  )
    throw new Fault('unreadable', 'a batch entry lacks a field');
  return { ...(header as Omit<Batch, 'packed'>), packed };
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

// ── outcomes ────────────────────────────────────────────────────────────────────────────────────

/** Octets of an outcome record before its message id. */
export const outcomeFixedBytes = 12;

/** Grows by doubling; the caller takes `bytes()` and clears. */
export class OutcomeWriter {
  #buffer: Buffer;
  #end = 0;
  /** Records written since the last clear. */
  records = 0;

  /** `bytesExpected`: size to start with. */
  constructor(bytesExpected: number) {
    this.#buffer = Buffer.allocUnsafe(Math.max(64, bytesExpected));
  }

  /**
   * Adds one record: `count` recipients from `index` on that share an outcome (1 unless the outcome has
   * no message id). `messageId` is canonical, at most 255 Latin-1 characters.
   */
  add(
    index: number,
    count: number,
    segment: number,
    segments: number,
    kind: OutcomeKind,
    commandStatus: number,
    messageId: string,
  ): void {
    const idBytes = Math.min(messageId.length, 255);
    this.#room(outcomeFixedBytes + idBytes);
    const b = this.#buffer;
    let at = this.#end;
    b[at++] = index >>> 8;
    b[at++] = index & 0xff;
    b[at++] = count >>> 8;
    b[at++] = count & 0xff;
    b[at++] = segment;
    b[at++] = segments;
    b[at++] = outcomeCodes[kind];
    at = b.writeUInt32BE(commandStatus >>> 0, at);
    b[at++] = idBytes;
    for (let i = 0; i < idBytes; i++) b[at++] = messageId.charCodeAt(i) & 0xff;
    this.#end = at;
    this.records++;
  }

  /** What was written since the last clear; a copy, so that writing may go on. */
  take(): Buffer {
    const bytes = Buffer.from(this.#buffer.subarray(0, this.#end));
    this.#end = 0;
    this.records = 0;
    return bytes;
  }

  #room(bytes: number): void {
    if (this.#end + bytes <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#end + bytes));
    this.#buffer.copy(grown, 0, 0, this.#end);
    this.#buffer = grown;
  }
}

/** Takes one outcome record; `id` lies in `bytes[idStart, idEnd)`, Latin-1. */
export type OutcomeVisitor = (
  index: number,
  count: number,
  segment: number,
  segments: number,
  outcomeCode: number,
  commandStatus: number,
  bytes: Buffer,
  idStart: number,
  idEnd: number,
) => void;

/** Header and packed records of an outcome entry. */
export type OutcomeEntry = { readonly header: OutcomeHeader; readonly packed: Buffer };

/**
 * Reads the fields of an outcome entry.
 * @throws Fault `unreadable`.
 */
export function readOutcomeEntry(fields: EntryFields): OutcomeEntry {
  const header = headerOf(fields) as unknown as OutcomeHeader;
  const packed = fieldOf(fields, 'o');
  if (packed === undefined || typeof header.campaign !== 'string')
    throw new Fault('unreadable', 'an outcome entry lacks a field');
  return { header, packed };
}

/**
 * Calls `visit` for each record.
 * @throws Fault `unreadable` when the records end in the middle of one.
 */
export function readOutcomes(packed: Buffer, visit: OutcomeVisitor): void {
  let at = 0;
  while (at < packed.length) {
    const idStart = at + outcomeFixedBytes;
    const idEnd = idStart + (packed[idStart - 1] ?? 0);
    if (idEnd > packed.length) throw new Fault('unreadable', 'an outcome entry ends in the middle of a record');
    visit(
      packed.readUInt16BE(at),
      packed.readUInt16BE(at + 2),
      packed[at + 4] as number,
      packed[at + 5] as number,
      packed[at + 6] as number,
      packed.readUInt32BE(at + 7),
      packed,
      idStart,
      idEnd,
    );
    at = idEnd;
  }
}

/**
 * Recipients × segments that the records of an outcome entry speak of; 0 from a record on that is cut off, which
 * `readOutcomes` refuses.
 */
export function outcomeRows(packed: Buffer): number {
  let rows = 0;
  for (let at = 0; at + outcomeFixedBytes <= packed.length; at += outcomeFixedBytes + (packed[at + 11] as number))
    rows += packed.readUInt16BE(at + 2);
  return rows;
}

/** Records of a receipts entry. */
export function receiptRows(packed: Buffer): number {
  let rows = 0;
  for (let at = 0; at < packed.length; rows++) {
    const idEnd = at + 6 + (packed[at + 5] ?? 0);
    at = idEnd + 1 + (packed[idEnd] ?? 0);
  }
  return rows;
}

// ── receipts ────────────────────────────────────────────────────────────────────────────────────

/** Packs receipts: state, done date, id, error. */
export function packReceipts(receipts: readonly Receipt[]): Buffer {
  let size = 0;
  for (const r of receipts) size += 7 + Math.min(255, r.messageId.length) + Math.min(255, r.error.length);
  const packed = Buffer.allocUnsafe(size);
  let at = 0;
  for (const r of receipts) {
    packed[at++] = receiptStateCodes[r.state];
    at = packed.writeUInt32BE(r.doneAtSeconds >>> 0, at);
    const id = r.messageId.slice(0, 255);
    packed[at++] = id.length;
    at += packed.write(id, at, 'latin1');
    const error = r.error.slice(0, 255);
    packed[at++] = error.length;
    at += packed.write(error, at, 'latin1');
  }
  return packed;
}

/** Takes one receipt record; id and error lie in `bytes`, Latin-1. */
export type ReceiptVisitor = (
  stateCode: number,
  doneAtSeconds: number,
  bytes: Buffer,
  idStart: number,
  idEnd: number,
  errorStart: number,
  errorEnd: number,
) => void;

/** Time, packed receipts and inbound messages of a receipts entry. */
export type ReceiptEntry = {
  /** Epoch milliseconds at which the worker had them. */
  readonly atMs: number;
  readonly packed: Buffer;
  readonly inbound: readonly InboundMessage[];
};

/**
 * Reads the fields of a receipts entry.
 * @throws Fault `unreadable`.
 */
export function readReceiptEntry(fields: EntryFields): ReceiptEntry {
  const header = headerOf(fields);
  const packed = fieldOf(fields, 'r') ?? Buffer.alloc(0);
  const inbound = fieldOf(fields, 'm');
  if (typeof header.atMs !== 'number') throw new Fault('unreadable', 'a receipts entry lacks a field');
  return { atMs: header.atMs, packed, inbound: inbound === undefined ? [] : readInbound(inbound) };
}

/**
 * Calls `visit` for each record.
 * @throws Fault `unreadable` when the records end in the middle of one.
 */
export function readReceipts(packed: Buffer, visit: ReceiptVisitor): void {
  let at = 0;
  while (at < packed.length) {
    const idStart = at + 6;
    const idEnd = idStart + (packed[idStart - 1] ?? 0);
    const errorStart = idEnd + 1;
    const errorEnd = errorStart + (packed[idEnd] ?? 0);
    if (errorEnd > packed.length) throw new Fault('unreadable', 'a receipts entry ends in the middle of a record');
    visit(packed[at] as number, packed.readUInt32BE(at + 1), packed, idStart, idEnd, errorStart, errorEnd);
    at = errorEnd;
  }
}

/** Inbound messages as the `m` field. */
export function packInbound(messages: readonly InboundMessage[]): string {
  return JSON.stringify(messages.map((m) => ({ ...m, body: m.body.toString('base64') })));
}

function readInbound(field: Buffer): InboundMessage[] {
  try {
    const messages = JSON.parse(field.toString('utf8')) as (Omit<InboundMessage, 'body'> & { body: string })[];
    return messages.map((m) => ({ ...m, body: Buffer.from(m.body, 'base64') }));
  } catch (cause) {
    throw new Fault('unreadable', 'the inbound messages of an entry are not JSON', { cause });
  }
}
