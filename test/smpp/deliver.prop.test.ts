/** Properties of deliver_sm and deliver_sm_resp, and of reading them as receipts. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import smpp from 'smpp';
import { receiptStateCodes } from '../../src/handoff.ts';
import {
  type DeliverFields,
  deliverRespBytes,
  deliverSmBytes,
  readDeliverSm,
  writeDeliverResp,
  writeDeliverSm,
} from '../../src/smpp/deliver.ts';
import { readReceipt } from '../../src/smpp/receipt.ts';

const plain: DeliverFields = {
  serviceType: '',
  sourceTon: 1,
  sourceNpi: 1,
  source: '33700900123',
  destinationTon: 5,
  destinationNpi: 0,
  destination: 'TOWN',
  esmClass: 4,
  protocolId: 0,
  priority: 0,
  scheduleDelivery: '',
  validityPeriod: '',
  registeredDelivery: 0,
  replaceIfPresent: 0,
  dataCoding: 0,
  shortMessage: new Uint8Array(0),
};

function written(fields: DeliverFields, sequence = 1): Buffer {
  const buffer = Buffer.alloc(deliverSmBytes(fields), 0xaa);
  expect(writeDeliverSm(buffer, 0, sequence, fields)).toBe(buffer.length);
  return buffer;
}

const octet = fc.integer({ min: 0, max: 255 });
const messageId = fc.stringMatching(/^[0-9A-Za-z-]{1,64}$/);
const state = fc.constantFrom(...(Object.entries(receiptStateCodes) as [keyof typeof receiptStateCodes, number][]));

test('deliver_sm - fields, TLVs and text are read back, also by an implementation that we did not write', () => {
  fc.assert(
    fc.property(
      messageId,
      state,
      fc.integer({ min: 1, max: 0xffff }),
      fc.uint8Array({ maxLength: 254 }),
      fc.integer({ min: 1, max: 0x7fffffff }),
      (id, [name, code], errorCode, shortMessage, sequence) => {
        const networkErrorCode = { networkType: 3, code: errorCode };
        const tlvs = { receiptedMessageId: id, messageState: code, networkErrorCode };
        const buffer = written({ ...plain, dataCoding: 4, shortMessage, tlvs }, sequence);
        const read = readDeliverSm(buffer, 0, buffer.length);
        expect(read).toMatchObject({ sequence, source: plain.source, destination: plain.destination, esmClass: 4 });
        expect(readReceipt(buffer, 0, buffer.length)).toMatchObject({
          kind: 'receipt',
          rawId: id,
          state: name,
          error: String(errorCode),
        });
        const theirs = new smpp.PDU(buffer);
        expect(theirs).toMatchObject({ command: 'deliver_sm', receipted_message_id: id, message_state: code });
      },
    ),
  );
});

test('deliver_sm - damaged or shortened bytes never lead outside the frame', () => {
  fc.assert(
    fc.property(
      messageId,
      fc.uint8Array({ maxLength: 254 }),
      fc.array(fc.tuple(fc.nat(400), octet), { maxLength: 10 }),
      fc.nat(400),
      (id, shortMessage, damages, cut) => {
        const frame = written({ ...plain, shortMessage, tlvs: { receiptedMessageId: id, messageState: 2 } });
        for (const [at, byte] of damages) frame[at % frame.length] = byte;
        const end = Math.min(frame.length, 16 + cut);
        const within = readReceipt(frame.subarray(0, end), 0, end);
        // What stands behind the frame changes nothing: it is not looked at.
        for (const filler of [0x00, 0x41, 0xff]) {
          const longer = Buffer.concat([frame.subarray(0, end), Buffer.alloc(300, filler)]);
          expect(readReceipt(longer, 0, end)).toEqual(within);
        }
        expect(readReceipt(frame, 0, frame.length + 1)).toEqual({ kind: 'unreadable' });
      },
    ),
  );
});

test('deliver_sm - a TLV of length 0 or beyond the PDU is passed over', () => {
  const text = Buffer.from('id:77 stat:DELIVRD');
  const head = written({ ...plain, shortMessage: text });
  for (const tlv of ['001e0000', '001effff41', '001e', '04270000', '0427000102001e0000']) {
    const buffer = Buffer.concat([head, Buffer.from(tlv, 'hex')]);
    expect(readReceipt(buffer, 0, buffer.length)).toMatchObject({ kind: 'receipt', rawId: '77', state: 'delivered' });
  }
});

test('deliver_sm_resp - many fit one after another into one buffer', () => {
  const sequences = [1, 2, 0x7fffffff];
  const buffer = Buffer.alloc(sequences.length * deliverRespBytes);
  let offset = 0;
  for (const sequence of sequences) offset = writeDeliverResp(buffer, offset, sequence, 0);
  expect(offset).toBe(buffer.length);
  const read = sequences.map((_, index) => {
    const pdu = new smpp.PDU(buffer.subarray(index * deliverRespBytes, (index + 1) * deliverRespBytes));
    return pdu.sequence_number;
  });
  expect(read).toEqual(sequences);
});
