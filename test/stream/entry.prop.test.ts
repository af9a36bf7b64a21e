/** Entries of streams: what is written is read back, and bytes that are cut or broken are a fault and nothing else. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Fault } from '../../src/fault.ts';
import {
  type Batch,
  type InboundMessage,
  type OutcomeKind,
  outcomeCodes,
  type Receipt,
  type ReceiptState,
  receiptStateCodes,
} from '../../src/handoff.ts';
import {
  batchHeader,
  entryVersion,
  OutcomeWriter,
  outcomeRows,
  packInbound,
  packReceipts,
  readBatch,
  readOutcomeEntry,
  readOutcomes,
  readReceiptEntry,
  readReceipts,
  receiptRows,
} from '../../src/stream/entry.ts';

const fieldsOf = (fields: Readonly<Record<string, string | Buffer>>): Buffer[] =>
  Object.entries(fields).flatMap(([name, value]) => [Buffer.from(name), Buffer.from(value)]);

const idArbitrary = fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }).map(String);
const latin1 = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((octets) => Buffer.from(octets).toString('latin1'));

const batchArbitrary: fc.Arbitrary<Batch> = fc
  .record({
    campaign: idArbitrary,
    organisation: idArbitrary,
    number: fc.integer({ min: 1, max: 1_000_000 }),
    attempt: fc.integer({ min: 1, max: 20 }),
    firstOrdinal: fc.nat(100_000_000),
    recipients: fc.integer({ min: 1, max: 2_000 }),
    language: fc.constantFrom('fr', 'de', 'oc'),
    only: fc.option(fc.uniqueArray(fc.nat(1_999)), { nil: undefined }),
    packed: fc.string({ unit: 'grapheme' }).map((text) => Buffer.from(text)),
  })
  .map(({ only, ...batch }) => (only === undefined ? batch : { ...batch, only }));

test('batch entry - reads back as it was, in any order of its fields', () => {
  fc.assert(
    fc.property(batchArbitrary, fc.boolean(), (batch, isTurned) => {
      const entries: [string, string | Buffer][] = [
        ['v', entryVersion],
        ['n', String(batch.recipients)],
        ['h', batchHeader(batch)],
        ['p', batch.packed],
      ];
      const fields = fieldsOf(Object.fromEntries(isTurned ? entries.reverse() : entries));
      expect(readBatch(fields)).toEqual(batch);
    }),
  );
});

const goodHeader = { campaign: '1', organisation: '2', number: 1, attempt: 1, firstOrdinal: 0, recipients: 1 };

test.each([
  ['another version', { v: '2', h: JSON.stringify({ ...goodHeader, language: 'fr' }), p: '' }],
  ['no version', { h: JSON.stringify({ ...goodHeader, language: 'fr' }), p: '' }],
  ['no header', { v: '1', p: '' }],
  ['a header that is not JSON', { v: '1', h: '{', p: '' }],
  ['a header that is null', { v: '1', h: 'null', p: '' }],
  ['a header that is a number', { v: '1', h: '7', p: '' }],
  ['no recipients', { v: '1', h: JSON.stringify({ ...goodHeader, language: 'fr' }) }],
  ['no language', { v: '1', h: JSON.stringify(goodHeader), p: '' }],
  ['a number as an id', { v: '1', h: JSON.stringify({ ...goodHeader, campaign: 1, language: 'fr' }), p: '' }],
  ['a negative count', { v: '1', h: JSON.stringify({ ...goodHeader, recipients: -1, language: 'fr' }), p: '' }],
  ['a broken selection', { v: '1', h: JSON.stringify({ ...goodHeader, only: ['x'], language: 'fr' }), p: '' }],
  ['nothing', {}],
])('batch entry - %s is unreadable', (_what, fields) => {
  expect(() => readBatch(fieldsOf(fields as Record<string, string>))).toThrow(
    expect.objectContaining({ code: 'unreadable' }),
  );
});

type OutcomeRow = readonly [
  index: number,
  count: number,
  segment: number,
  segments: number,
  kind: OutcomeKind,
  commandStatus: number,
  id: string,
];

const outcomeRow: fc.Arbitrary<OutcomeRow> = fc.tuple(
  fc.nat(0xffff),
  fc.integer({ min: 1, max: 0xffff }),
  fc.nat(255),
  fc.nat(255),
  fc.constantFrom(...(Object.keys(outcomeCodes) as OutcomeKind[])),
  fc.nat(0xffffffff),
  latin1(255),
);

function packedOutcomes(rows: readonly OutcomeRow[]): Buffer {
  const writer = new OutcomeWriter(0);
  for (const row of rows) writer.add(...row);
  expect(writer.records).toBe(rows.length);
  const packed = writer.take();
  expect(writer.records).toBe(0);
  return packed;
}

function rowsOf(packed: Buffer): unknown[] {
  const rows: unknown[] = [];
  readOutcomes(packed, (index, count, segment, segments, code, status, bytes, from, to) => {
    expect(to).toBeLessThanOrEqual(bytes.length);
    rows.push([index, count, segment, segments, code, status, bytes.toString('latin1', from, to)]);
  });
  return rows;
}

const codedOf = (rows: readonly OutcomeRow[]) =>
  rows.map(([index, count, segment, segments, kind, ...rest]) => [
    index,
    count,
    segment,
    segments,
    outcomeCodes[kind],
    ...rest,
  ]);

/** Calls `read` with every beginning of `packed`; it must fail as unreadable or give whole records from the first. */
function readEveryBeginning(packed: Buffer, all: readonly unknown[], read: (part: Buffer) => unknown[]): void {
  let whole = 0;
  for (let length = 0; length <= packed.length; length++) {
    try {
      const rows = read(Buffer.from(packed.subarray(0, length)));
      expect(rows).toEqual(all.slice(0, rows.length));
      whole++;
    } catch (error) {
      expect(error).toBeInstanceOf(Fault);
      expect(error).toMatchObject({ code: 'unreadable' });
    }
  }
  expect(whole).toBe(all.length + 1);
}

test('outcomes - read back as they were; cut anywhere they are whole records or unreadable', () => {
  fc.assert(
    fc.property(fc.array(outcomeRow, { maxLength: 8 }), (rows) => {
      const packed = packedOutcomes(rows);
      const entry = readOutcomeEntry(fieldsOf({ v: entryVersion, h: '{"campaign":"1"}', o: packed }));
      expect(rowsOf(entry.packed)).toEqual(codedOf(rows));
      readEveryBeginning(packed, codedOf(rows), rowsOf);
    }),
    { numRuns: 40 },
  );
});

test('outcomes - a writer that is used again begins anew, and an id of any length is cut to 255', () => {
  const writer = new OutcomeWriter(0);
  writer.add(1, 1, 0, 1, 'accepted', 0, 'x'.repeat(300));
  const first = writer.take();
  writer.add(2, 1, 0, 1, 'rejected', 11, '');
  expect(rowsOf(first)).toEqual([[1, 1, 0, 1, outcomeCodes.accepted, 0, 'x'.repeat(255)]]);
  expect(rowsOf(writer.take())).toEqual([[2, 1, 0, 1, outcomeCodes.rejected, 11, '']]);
});

const receiptArbitrary: fc.Arbitrary<Receipt> = fc.record({
  messageId: latin1(64),
  state: fc.constantFrom(...(Object.keys(receiptStateCodes) as ReceiptState[])),
  error: latin1(16),
  doneAtSeconds: fc.nat(0xffffffff),
});

function receiptsOf(packed: Buffer): unknown[] {
  const receipts: unknown[] = [];
  readReceipts(packed, (code, doneAtSeconds, bytes, idStart, idEnd, errorStart, errorEnd) => {
    expect(errorEnd).toBeLessThanOrEqual(bytes.length);
    receipts.push({
      messageId: bytes.toString('latin1', idStart, idEnd),
      state: Object.entries(receiptStateCodes).find((row) => row[1] === code)?.[0],
      error: bytes.toString('latin1', errorStart, errorEnd),
      doneAtSeconds,
    });
  });
  return receipts;
}

test('receipts - read back as they were; cut anywhere they are whole records or unreadable', () => {
  fc.assert(
    fc.property(fc.array(receiptArbitrary, { maxLength: 8 }), (receipts) => {
      const packed = packReceipts(receipts);
      const entry = readReceiptEntry(fieldsOf({ v: entryVersion, h: '{"atMs":5}', r: packed }));
      expect(entry).toMatchObject({ atMs: 5, inbound: [] });
      expect(receiptsOf(entry.packed)).toEqual(receipts);
      readEveryBeginning(packed, receipts, receiptsOf);
    }),
    { numRuns: 40 },
  );
});

const inboundArbitrary: fc.Arbitrary<InboundMessage> = fc.record({
  source: fc.string(),
  destination: fc.string(),
  dataCoding: fc.nat(255),
  esmClass: fc.nat(255),
  body: fc.uint8Array({ maxLength: 300 }).map((octets) => Buffer.from(octets)),
});

test('inbound messages - read back as they were', () => {
  fc.assert(
    fc.property(fc.array(inboundArbitrary), (inbound) => {
      const entry = readReceiptEntry(fieldsOf({ v: entryVersion, h: '{"atMs":5}', m: packInbound(inbound) }));
      expect(entry.inbound).toEqual(inbound);
      expect(entry.packed).toHaveLength(0);
    }),
  );
});

test('any bytes - are read within their bounds or are unreadable', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (octets) => {
      const bytes = Buffer.from(octets);
      for (const read of [
        () => rowsOf(bytes),
        () => receiptsOf(bytes),
        () => readBatch(fieldsOf({ v: '1', h: bytes, p: bytes })),
        () => readOutcomeEntry(fieldsOf({ v: '1', h: bytes, o: bytes })),
        () => readReceiptEntry(fieldsOf({ v: '1', h: '{"atMs":1}', m: bytes })),
      ]) {
        try {
          read();
        } catch (error) {
          expect(error).toMatchObject({ code: 'unreadable' });
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('entries - rows are counted as they are read', () => {
  const records = fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 1, max: 500 }), fc.string({ maxLength: 40 })));
  fc.assert(
    fc.property(records, (rows) => {
      const writer = new OutcomeWriter(16);
      for (const [index, count, id] of rows) writer.add(index, count, 0, 1, 'accepted', 0, id);
      const receipts = rows.map(([, , id]) => ({
        messageId: id,
        state: 'delivered' as const,
        error: id,
        doneAtSeconds: 1,
      }));
      expect(outcomeRows(writer.take())).toBe(rows.reduce((sum, [, count]) => sum + count, 0));
      expect(receiptRows(packReceipts(receipts))).toBe(rows.length);
    }),
  );
});
