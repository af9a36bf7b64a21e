/**
 * Receipts as no carrier should write them: reading them never throws, never looks outside of the PDU, never takes a
 * handset's message for a receipt, and what it gives can be kept.
 */
import assert from 'node:assert';
import fc from 'fast-check';
import { test } from 'vitest';
import { receiptStateCodes } from '../../src/handoff.ts';
import { deliverSmBytes, writeDeliverSm } from '../../src/smpp/deliver.ts';
import { canonicalId, type DeliveredPdu, type MessageIdSpelling, readReceipt } from '../../src/smpp/receipt.ts';
import { packReceipts, readReceipts, receiptRows } from '../../src/stream/entry.ts';
import { changed, someChanges } from './bytes.ts';
import { fuzzed, fuzzTimeoutMs, keepingNothing } from './runs.ts';

const spellings: readonly MessageIdSpelling[] = [
  'as-is',
  'hexadecimal',
  'decimal',
  'hexadecimal-in-response',
  'decimal-in-response',
];
const usual =
  'id:0123456789 sub:001 dlvrd:001 submit date:2611241529 done date:2611241530 stat:DELIVRD err:000 text:Bonjour';
const keys = ['id:', 'ID :', 'id', 'stat:', 'Stat:', 'err:', 'done date:', 'done_date:', 'donedate:', 'sub:', 'text:'];
const values = ['0', '1', '0x7F', '-1', 'DELIVRD', 'UNDELIV', 'é', '000', ' ', '  ', ',', ';', '\0', '\r\n'];
const dates = [
  '2611241530',
  '261124153059',
  '20261124153059',
  '202611241530',
  '9999999999',
  '0000000000',
  '2613321561',
];
const words = fc.constantFrom(...keys, ...values, ...dates);
const texts = fc
  .oneof(
    { weight: 3, arbitrary: fc.tuple(fc.constant(usual), someChanges(4)) },
    {
      weight: 2,
      arbitrary: fc.tuple(
        fc.array(words, { maxLength: 24 }).map((all) => all.join('')),
        someChanges(2),
      ),
    },
  )
  .map(([text, all]) => changed(Buffer.from(text, 'latin1'), all));

/** A deliver_sm: its text in short_message or message_payload, in any coding, with TLVs or without, then changed. */
const pdus = fc
  .record({
    text: texts,
    esmClass: fc.constantFrom(0, 4, 4, 4, 0x20, 0x08, 0x44, 0x40, 0xff),
    dataCoding: fc.constantFrom(0, 0, 0, 1, 3, 4, 8, 0xf5),
    isPayload: fc.boolean(),
    id: fc.option(fc.string({ unit: 'binary-ascii', maxLength: 63 }).map((id) => id.replaceAll('\0', ''))),
    state: fc.option(fc.nat(255)),
    network: fc.option(fc.nat(0xffff)),
    all: someChanges(2),
  })
  .map(({ text, esmClass, dataCoding, isPayload, id, state, network, all }) => {
    const body = dataCoding === 8 ? Buffer.from(text.toString('latin1'), 'utf16le').swap16() : text;
    const hasPayload = isPayload || body.length > 254;
    const fields = {
      serviceType: '',
      sourceTon: 1,
      sourceNpi: 1,
      source: '33639980001',
      destinationTon: 5,
      destinationNpi: 0,
      destination: 'MAIRIE',
      esmClass,
      protocolId: 0,
      priority: 0,
      scheduleDelivery: '',
      validityPeriod: '',
      registeredDelivery: 0,
      replaceIfPresent: 0,
      dataCoding,
      shortMessage: hasPayload ? Buffer.alloc(0) : body,
      tlvs: {
        ...(id === null ? {} : { receiptedMessageId: id }),
        ...(state === null ? {} : { messageState: state }),
        ...(network === null ? {} : { networkErrorCode: { networkType: 3, code: network } }),
        ...(hasPayload ? { messagePayload: body.subarray(0, 0xffff) } : {}),
      },
    };
    const bytes = Buffer.alloc(deliverSmBytes(fields));
    writeDeliverSm(bytes, 0, 1, fields);
    const isForged = (esmClass & 0x3c) === 0 && id === null;
    return { bytes: changed(bytes, all), isHandset: isForged && all.length === 0 };
  });

/** Reads the PDU with something else on both sides of it. */
function readBeside(bytes: Buffer, other: Buffer): DeliveredPdu {
  return readReceipt(Buffer.concat([other, bytes, other]), other.length, other.length + bytes.length);
}

const nothing = Buffer.alloc(64);
const another = Buffer.from(
  ' id:77777 stat:EXPIRED err:999 done date:2601010101 text:\0\x00\x1e\x00\x0577777\0',
  'latin1',
);

test(
  'fuzz - whatever a receipt looks like, it is read from its own octets, or refused',
  async () => {
    let receipts = 0;
    await keepingNothing(() =>
      fc.assert(
        fc.property(pdus, fc.constantFrom(...spellings), ({ bytes, isHandset }, spelling) => {
          const read = readBeside(bytes, nothing);
          assert.deepEqual(readBeside(bytes, another), read, 'it depends on what stands beside it');
          if (isHandset) assert(read.kind !== 'receipt', "a handset's message was taken for a receipt");
          if (read.kind !== 'receipt') return;
          receipts++;
          const messageId = canonicalId(read.rawId, spelling, 'receipt');
          assert(messageId !== '' && read.state in receiptStateCodes && read.error.length <= 16, 'it cannot be kept');
          assert(Number.isInteger(read.doneAtSeconds) && read.doneAtSeconds >= 0 && read.doneAtSeconds < 2 ** 32);
          const { state, error, doneAtSeconds } = read;
          keeps([{ messageId, state, error, doneAtSeconds }, usualReceipt]);
        }),
        fuzzed(),
      ),
    );
    process.stdout.write(`fuzz: ${receipts} spoilt receipts were read\n`);
  },
  fuzzTimeoutMs,
);

const usualReceipt = { messageId: 'next', state: 'delivered', error: '', doneAtSeconds: 1 } as const;

/** Receipts come out of an entry of the stream as they went in, and the one behind is not touched. */
function keeps(receipts: Parameters<typeof packReceipts>[0]): void {
  const packed = packReceipts(receipts);
  assert(receiptRows(packed) === receipts.length);
  let at = 0;
  readReceipts(packed, (code, doneAtSeconds, bytes, idStart, idEnd, errorStart, errorEnd) => {
    const { messageId, state, error, doneAtSeconds: done } = receipts[at++] as (typeof receipts)[number];
    assert(code === receiptStateCodes[state] && doneAtSeconds === done);
    assert(bytes.toString('latin1', idStart, idEnd) === messageId.slice(0, 255));
    assert(bytes.toString('latin1', errorStart, errorEnd) === error);
  });
}
