/** Cold PDUs by example: fields that cannot be sent, and bytes that cannot be read. */
import { expect, test } from 'vitest';
import { commandId } from '../../src/smpp/command.ts';
import { decodeBind, decodePdu, encodeBind, readHeader, unsendableBindField } from '../../src/smpp/pdu.ts';
import { golden } from '../support/golden.ts';

const bind = {
  type: 'transceiver',
  systemId: 'tocsin',
  password: 's3cret',
  systemType: '',
  addrTon: 0,
  addrNpi: 0,
  addressRange: '',
} as const;

test('pdu - a bind field that would shift the next one is named, and never sent', () => {
  expect(unsendableBindField(bind)).toBeUndefined();
  expect(unsendableBindField({ ...bind, systemId: 'a\0b' })).toBe('systemId');
  expect(unsendableBindField({ ...bind, password: 'clé' })).toBe('password');
  expect(unsendableBindField({ ...bind, systemType: 'x'.repeat(13) })).toBe('systemType');
  expect(() => encodeBind({ ...bind, addressRange: '\0' }, 1)).toThrow(/addressRange/);
});

test('pdu - what is not exactly one PDU of a known command is unreadable and says why', () => {
  const bytes = golden('bind_transceiver');
  expect(decodePdu(bytes.subarray(0, 10))).toEqual({ kind: 'unreadable', reason: 'length' });
  expect(decodePdu(Buffer.concat([bytes, Buffer.alloc(1)]))).toEqual({ kind: 'unreadable', reason: 'length' });
  const unknown = Buffer.from(bytes);
  unknown.writeUInt32BE(0x00010200, 4);
  expect(decodePdu(unknown)).toEqual({ kind: 'unreadable', reason: 'command' });
});

test('pdu - a TLV that ends before its value is unreadable, not an exception', () => {
  const bytes = golden('bind_transceiver_resp');
  const cut = Buffer.from(bytes.subarray(0, bytes.length - 1));
  cut.writeUInt32BE(cut.length, 0);
  expect(decodePdu(cut)).toMatchObject({ kind: 'unreadable', reason: 'body' });
});

test('pdu - a bind without all its fields is none', () => {
  const bytes = golden('bind_transceiver');
  const cut = Buffer.from(bytes.subarray(0, 30));
  cut.writeUInt32BE(cut.length, 0);
  expect(decodeBind(cut)).toBeUndefined();
  expect(decodeBind(golden('enquire_link'))).toBeUndefined();
});

test('pdu - the header is unsigned and read where it lies', () => {
  const bytes = Buffer.concat([Buffer.alloc(3, 0xff), golden('submit_sm_resp_throttled')]);
  expect(readHeader(bytes, 3)).toEqual({
    length: 16,
    commandId: commandId.submit_sm_resp,
    status: 0x58,
    sequence: 513,
  });
});

test('pdu - nothing of the bytes is kept: a frame may be overwritten after reading', () => {
  const bytes = Buffer.from(golden('deliver_sm_receipt'));
  const decoded = decodePdu(bytes);
  bytes.fill(0);
  expect(decoded).toMatchObject({ fields: { network_error_code: Buffer.of(3, 0, 0) } });
});
