/** Cold PDUs as properties: what goes in comes out, and no bytes make reading throw. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commandId } from '../../src/smpp/command.ts';
import { type BindType, decodeBind, decodePdu, encodeBind } from '../../src/smpp/pdu.ts';
import { golden, goldenNames } from '../support/golden.ts';

const bindFields = fc.record({
  type: fc.constantFrom<BindType>('transceiver', 'transmitter', 'receiver'),
  systemId: fc.string({ unit: 'grapheme-ascii', maxLength: 15 }),
  password: fc.string({ unit: 'grapheme-ascii', maxLength: 8 }),
  systemType: fc.string({ unit: 'grapheme-ascii', maxLength: 12 }),
  addrTon: fc.nat(255),
  addrNpi: fc.nat(255),
  addressRange: fc.string({ unit: 'grapheme-ascii', maxLength: 40 }),
});

test('pdu - a bind comes back as it went', () => {
  fc.assert(
    fc.property(bindFields, fc.integer({ min: 1, max: 0x7fffffff }), (fields, sequence) => {
      expect(decodeBind(encodeBind(fields, sequence))).toEqual({ ...fields, sequence, interfaceVersion: 0x34 });
    }),
  );
});

/** A body of any bytes under a true header. */
const anyPdu = fc
  .tuple(fc.constantFrom(...Object.values(commandId)), fc.constantFrom(0, 0x45), fc.uint8Array({ maxLength: 120 }))
  .map(([id, status, body]) => {
    const bytes = Buffer.concat([Buffer.alloc(16), body]);
    bytes.writeUInt32BE(bytes.length, 0);
    bytes.writeUInt32BE(id, 4);
    bytes.writeUInt32BE(status, 8);
    return bytes;
  });

/** A good frame with one octet changed or its end cut off. */
const spoiltPdu = fc
  .record({ name: fc.constantFrom(...goldenNames()), at: fc.nat(), octet: fc.nat(255), cut: fc.nat(40) })
  .map(({ name, at, octet, cut }) => {
    const whole = golden(name);
    const bytes = Buffer.from(whole.subarray(0, Math.max(16, whole.length - cut)));
    if (bytes.length > 16) bytes[16 + (at % (bytes.length - 16))] = octet;
    bytes.writeUInt32BE(bytes.length, 0);
    return bytes;
  });

test('pdu - no bytes whatever make reading throw', () => {
  fc.assert(
    fc.property(fc.oneof(anyPdu, spoiltPdu, fc.uint8Array({ maxLength: 64 })), (bytes) => {
      expect(['pdu', 'unreadable']).toContain(decodePdu(Buffer.from(bytes)).kind);
    }),
    { numRuns: 2000 },
  );
});
