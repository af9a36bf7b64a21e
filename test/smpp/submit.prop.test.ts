/** Properties of submit_sm and submit_sm_resp: what is written is read back, and damaged bytes stay harmless. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import smpp from 'smpp';
import { readUint32 } from '../../src/smpp/message-fields.ts';
import {
  destinationOffset,
  finishPdu,
  readSubmitResp,
  readSubmitSm,
  type SubmitFields,
  submitRespBytes,
  submitSmBytes,
  writeSequence,
  writeSubmitHead,
  writeSubmitResp,
  writeSubmitSm,
} from '../../src/smpp/submit.ts';

const octet = fc.integer({ min: 0, max: 255 });
const ascii = (maxLength: number) =>
  fc.string({ unit: fc.integer({ min: 1, max: 127 }).map((code) => String.fromCharCode(code)), maxLength });
const tlvs = fc.record(
  {
    userMessageReference: fc.integer({ min: 0, max: 0xffff }),
    sar: fc.record({ reference: fc.integer({ min: 0, max: 0xffff }), total: octet, part: octet }),
    messagePayload: fc.uint8Array({ maxLength: 2000 }),
  },
  { requiredKeys: [] },
);
const fields: fc.Arbitrary<SubmitFields> = fc.record(
  {
    serviceType: ascii(5),
    sourceTon: octet,
    sourceNpi: octet,
    source: ascii(20),
    destinationTon: octet,
    destinationNpi: octet,
    destination: ascii(20),
    esmClass: octet,
    protocolId: octet,
    priority: octet,
    scheduleDelivery: ascii(16),
    validityPeriod: ascii(16),
    registeredDelivery: octet,
    replaceIfPresent: octet,
    dataCoding: octet,
    shortMessage: fc.uint8Array({ maxLength: 254 }),
    tlvs,
  },
  {
    requiredKeys: [
      'serviceType',
      'sourceTon',
      'sourceNpi',
      'source',
      'destinationTon',
      'destinationNpi',
      'destination',
      'esmClass',
      'protocolId',
      'priority',
      'scheduleDelivery',
      'validityPeriod',
      'registeredDelivery',
      'replaceIfPresent',
      'dataCoding',
      'shortMessage',
    ],
  },
);

function written(value: SubmitFields, offset = 0): Buffer {
  const buffer = Buffer.alloc(offset + submitSmBytes(value), 0xaa);
  expect(writeSubmitSm(buffer, offset, value)).toBe(buffer.length);
  return buffer;
}

test('submit_sm - every field written is read back, at any offset', () => {
  fc.assert(
    fc.property(fields, fc.nat(50), fc.integer({ min: 1, max: 0x7fffffff }), (value, offset, sequence) => {
      const buffer = written(value, offset);
      writeSequence(buffer, offset, sequence);
      const read = readSubmitSm(buffer, offset, buffer.length);
      if (read === 'unreadable') throw new Error('unreadable');
      const { tlvs: optional, shortMessage, ...rest } = value;
      expect(read).toMatchObject({ ...rest, sequence });
      expect([...read.shortMessage]).toEqual([...shortMessage]);
      const { messagePayload, ...others } = optional ?? {};
      const { messagePayload: payloadRead, ...othersRead } = read.tlvs;
      expect(othersRead).toEqual(others);
      expect(payloadRead && [...payloadRead]).toEqual(messagePayload && [...messagePayload]);
    }),
  );
});

test('submit_sm - an implementation that we did not write reads the same fields', () => {
  // It turns dates, texts and UDHs into values of its own, so those are left plain here.
  const theirs = { esmClass: 0, dataCoding: 4, scheduleDelivery: '', validityPeriod: '' };
  fc.assert(
    fc.property(fields, (value) => {
      const pdu = new smpp.PDU(written({ ...value, ...theirs }));
      expect(pdu).toMatchObject({
        command: 'submit_sm',
        service_type: value.serviceType,
        source_addr_ton: value.sourceTon,
        source_addr: value.source,
        dest_addr_npi: value.destinationNpi,
        destination_addr: value.destination,
        protocol_id: value.protocolId,
        priority_flag: value.priority,
        registered_delivery: value.registeredDelivery,
      });
      const sar = value.tlvs?.sar;
      if (sar !== undefined) {
        const { reference, total, part } = sar;
        expect(pdu).toMatchObject({ sar_msg_ref_num: reference, sar_total_segments: total, sar_segment_seqnum: part });
      }
    }),
  );
});

test('submit_sm - the destination can be patched where destinationOffset says', () => {
  fc.assert(
    fc.property(fields, fc.stringMatching(/^\d{11}$/), (value, destination) => {
      const buffer = written({ ...value, destination: '00000000000' });
      buffer.write(destination, destinationOffset(value), 'latin1');
      expect(readSubmitSm(buffer, 0, buffer.length)).toMatchObject({ destination });
    }),
  );
});

test('submit_sm - damaged, shortened or foreign bytes are read inside their frame or refused', () => {
  fc.assert(
    fc.property(
      fields,
      fc.array(fc.tuple(fc.nat(4000), octet), { maxLength: 12 }),
      fc.nat(4000),
      (value, damages, cut) => {
        const frame = written(value);
        for (const [at, byte] of damages) frame[at % frame.length] = byte;
        const end = Math.min(frame.length, 16 + cut);
        // Text after the frame that must not be seen.
        const buffer = Buffer.concat([frame.subarray(0, end), Buffer.alloc(300, 0x5a)]);
        const read = readSubmitSm(buffer, 0, end);
        if (read === 'unreadable') return;
        for (const view of [read.shortMessage, read.tlvs.messagePayload ?? Buffer.alloc(0)]) {
          if (view.length === 0) continue;
          const start = view.byteOffset - buffer.byteOffset;
          expect(start).toBeGreaterThanOrEqual(16);
          expect(start + view.length).toBeLessThanOrEqual(end);
        }
      },
    ),
  );
});

test('submit_sm - a NUL or a foreign character inside a field is never written', () => {
  const base = fc.sample(fields, { numRuns: 1, seed: 7 })[0] as SubmitFields;
  for (const source of ['ACME\0\x01\x01999', 'Zürich', 'A'.repeat(21)]) {
    expect(() => written({ ...base, source })).toThrow();
  }
});

test('submit_sm - a buffer that is too small fails instead of cutting the PDU', () => {
  fc.assert(
    fc.property(fields, (value) => {
      const buffer = Buffer.alloc(submitSmBytes(value) - 1);
      expect(() => writeSubmitSm(buffer, 0, value)).toThrow();
    }),
  );
});

test('submit_sm - a head and a text put in by hand are the same as the whole', () => {
  fc.assert(
    fc.property(fields, (value) => {
      const { tlvs: _, ...plain } = value;
      const whole = written(plain);
      const byHand = Buffer.alloc(whole.length);
      const at = writeSubmitHead(byHand, 0, plain);
      byHand[at] = plain.shortMessage.length;
      byHand.set(plain.shortMessage, at + 1);
      finishPdu(byHand, 0, at + 1 + plain.shortMessage.length);
      expect(byHand.equals(whole)).toBe(true);
    }),
  );
});

test('submit_sm_resp - id, status and sequence are read back; a refusal has no body', () => {
  fc.assert(
    fc.property(
      ascii(64),
      fc.nat(0xff),
      fc.integer({ min: 1, max: 0x7fffffff }),
      fc.nat(9),
      (id, status, sequence, offset) => {
        const buffer = Buffer.alloc(offset + submitRespBytes(status, id.length), 0x41);
        expect(writeSubmitResp(buffer, offset, sequence, status, id)).toBe(buffer.length);
        expect(readUint32(buffer, offset)).toBe(buffer.length - offset);
        expect(readUint32(buffer, offset + 8)).toBe(status);
        expect(readUint32(buffer, offset + 12)).toBe(sequence);
        expect(readSubmitResp(buffer, offset, buffer.length)).toBe(status === 0 ? id : '');
      },
    ),
  );
});

test('submit_sm_resp - a missing NUL ends with the frame', () => {
  const buffer = Buffer.alloc(16 + 4 + 8, 0x41);
  expect(readSubmitResp(buffer, 0, 20)).toBe('AAAA');
});
