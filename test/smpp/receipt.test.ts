/** Receipts as carriers write them, by example and by property. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type DeliverFields, deliverSmBytes, writeDeliverSm } from '../../src/smpp/deliver.ts';
import { canonicalId, readReceipt } from '../../src/smpp/receipt.ts';
import { secondsOfDate } from '../../src/smpp/receipt-text.ts';

function receiptOf(text: string | Buffer, fields: Partial<DeliverFields> = {}) {
  const whole: DeliverFields = {
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
    shortMessage: typeof text === 'string' ? Buffer.from(text, 'latin1') : text,
    ...fields,
  };
  const buffer = Buffer.alloc(deliverSmBytes(whole));
  writeDeliverSm(buffer, 0, 1, whole);
  return readReceipt(buffer, 0, buffer.length);
}

const seconds = (text: string) => secondsOfDate(Buffer.from(text), 0, text.length);
const done = Date.UTC(2026, 10, 24, 5, 50) / 1000;

test.each([
  [
    'the form of the specification',
    'id:0123456789 sub:001 dlvrd:001 submit date:2611240549 done date:2611240550 stat:DELIVRD err:000 text:Hello',
    ['0123456789', 'delivered', '', done],
  ],
  [
    'upper case, other order',
    'STAT:UNDELIV ERR:0x0B ID:ABC DONE DATE:202611240550',
    ['ABC', 'undeliverable', '0x0B', done],
  ],
  [
    'underscores and joined words',
    'id:1 submit_date:2611240549 donedate:20261124055000 stat:EXPIRED',
    ['1', 'expired', '', done],
  ],
  ['spaces behind colons, an empty value', 'id: 9f-2 stat: REJECTD err: text: none', ['9f-2', 'rejected', '', 0]],
  ['commas', 'id:55, stat:ACCEPTD, err:012', ['55', 'accepted', '012', 0]],
  ['long state names', 'id:5 stat:DELIVERED', ['5', 'delivered', '', 0]],
  ['a state that nobody knows', 'id:5 stat:WHATEVR', ['5', 'unknown', '', 0]],
  ['no state', 'id:5', ['5', 'unknown', '', 0]],
  ['text first, then fields', 'text:id:666 stat:UNDELIV id:5 stat:DELIVRD', ['5', 'delivered', '', 0]],
  [
    'a message that looks like a receipt',
    'id:5 stat:UNDELIV err:1 text:id:666 stat:DELIVRD',
    ['5', 'undeliverable', '1', 0],
  ],
  ['lines', 'id:5\r\nstat:DELETED\r\n', ['5', 'deleted', '', 0]],
])('receipt text - %s', (_, text, [rawId, state, error, doneAtSeconds]) => {
  expect(receiptOf(text)).toEqual({ kind: 'receipt', rawId, state, error, doneAtSeconds });
});

test('receipt - TLVs win over the text', () => {
  const tlvs = { receiptedMessageId: 'abc', messageState: 5, networkErrorCode: { networkType: 3, code: 27 } };
  expect(receiptOf('id:7 stat:DELIVRD err:001 done date:2611240550', { tlvs })).toEqual({
    kind: 'receipt',
    rawId: 'abc',
    state: 'undeliverable',
    error: '27',
    doneAtSeconds: done,
  });
});

test('receipt - the text may stand in message_payload, behind a UDH, or in UCS-2', () => {
  const text = Buffer.from('id:7 stat:DELIVRD', 'latin1');
  const expected = { kind: 'receipt', rawId: '7', state: 'delivered' };
  expect(receiptOf('', { tlvs: { messagePayload: text } })).toMatchObject(expected);
  const withUdh = Buffer.concat([Buffer.from([5, 0, 3, 1, 1, 1]), text]);
  expect(receiptOf(withUdh, { esmClass: 0x44 })).toMatchObject(expected);
  const ucs2 = Buffer.from('id:7 stat:DELIVRD text:Été', 'utf16le').swap16();
  expect(receiptOf(ucs2, { dataCoding: 8 })).toMatchObject(expected);
});

test('receipt - what a handset writes is never taken for one', () => {
  for (const esmClass of [0x00, 0x03, 0x08, 0x10, 0x40]) {
    const read = receiptOf('id:7 stat:DELIVRD', { esmClass });
    expect(read).toMatchObject({
      kind: 'inbound',
      message: { source: '33700900123', destination: 'TOWN', dataCoding: 0, esmClass },
    });
    expect(read.kind === 'inbound' && read.message.body.toString()).toBe('id:7 stat:DELIVRD');
  }
});

test('receipt - TLVs alone make one where esm_class says nothing', () => {
  expect(receiptOf('', { esmClass: 0, tlvs: { receiptedMessageId: 'x', messageState: 2 } })).toMatchObject({
    kind: 'receipt',
    rawId: 'x',
    state: 'delivered',
  });
});

test('receipt - one that names no message is unreadable', () => {
  expect(receiptOf('stat:DELIVRD')).toEqual({ kind: 'unreadable' });
});

test('receipt text - order, case and missing fields do not matter', () => {
  const stats = { DELIVRD: 'delivered', EXPIRED: 'expired', UNDELIV: 'undeliverable', REJECTD: 'rejected' } as const;
  const id = fc.stringMatching(/^[0-9a-zA-Z-]{1,40}$/);
  const stat = fc.constantFrom(...(Object.keys(stats) as (keyof typeof stats)[]));
  const extras = fc.subarray(['sub:001', 'dlvrd:000', 'submit date:2611240549', 'done date:2611240550', 'err:041']);
  const cases = fc.constantFrom<(text: string) => string>(
    (text) => text,
    (text) => text.replace(/^[a-z ]+:/, (key) => key.toUpperCase()),
    (text) => text.replace(/^[a-z]/, (letter) => letter.toUpperCase()),
  );
  const parts = fc.tuple(id, stat, extras).chain(([value, state, others]) =>
    fc.tuple(
      fc.constant({ value, state, others }),
      fc.shuffledSubarray([`id:${value}`, `stat:${state}`, ...others], {
        minLength: others.length + 2,
        maxLength: others.length + 2,
      }),
      cases,
      fc.constantFrom('', ' text:', ' text:id:0 stat:DELIVRD err:999'),
    ),
  );
  fc.assert(
    fc.property(parts, ([{ value, state, others }, order, spelled, tail]) => {
      expect(receiptOf(order.map(spelled).join(' ') + tail)).toEqual({
        kind: 'receipt',
        rawId: value,
        state: stats[state],
        error: others.includes('err:041') ? '041' : '',
        doneAtSeconds: others.includes('done date:2611240550') ? done : 0,
      });
    }),
  );
});

test('receipt text - any octets are read without harm', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 254 }), octet(), octet(), (bytes, esmClass, dataCoding) => {
      const read = receiptOf(Buffer.from(bytes), { esmClass, dataCoding });
      if (read.kind !== 'receipt') return;
      expect(read.error.length).toBeLessThanOrEqual(16);
      expect(read.rawId.length).toBeGreaterThan(0);
    }),
  );
});

function octet() {
  return fc.integer({ min: 0, max: 255 });
}

test('done date - every instant is read back from 10, 12 and 14 digits', () => {
  const years = { min: new Date('2025-01-01T00:00:00Z'), max: new Date('2099-12-31T23:59:59Z'), noInvalidDate: true };
  fc.assert(
    fc.property(fc.date(years), (date) => {
      const digits = date
        .toISOString()
        .replaceAll(/[^0-9]/g, '')
        .slice(0, 14);
      const second = Math.floor(date.getTime() / 1000);
      const minute = second - (second % 60);
      expect(seconds(digits)).toBe(second);
      expect(seconds(digits.slice(2))).toBe(second);
      expect(seconds(digits.slice(0, 12))).toBe(minute);
      expect(seconds(digits.slice(2, 12))).toBe(minute);
    }),
  );
});

test('done date - what is no date gives none', () => {
  for (const text of ['', '0000000000', '2613240550', '2602300000', '261124055', '26112405501', 'x611240550', '-']) {
    expect(seconds(text)).toBe(0);
  }
  // No year of a receipt, and more seconds than the recorder is handed in 32 bits.
  for (const text of ['262611241529', '26261124152900', '19991231235959', '00000101000000']) {
    expect(seconds(text)).toBe(0);
  }
});

test('message id - each spelling brings both places to one form', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), fc.nat(6), fc.boolean(), (id, padding, upper) => {
      const zeros = '0'.repeat(padding);
      const hex = `${zeros}${upper ? id.toString(16).toUpperCase() : id.toString(16)}`;
      const decimal = `${zeros}${id}`;
      const same = (spelling: Parameters<typeof canonicalId>[1], response: string, receipt: string) =>
        expect(canonicalId(response, spelling, 'response')).toBe(canonicalId(receipt, spelling, 'receipt'));
      same('as-is', hex, hex);
      same('hexadecimal', hex, id.toString(16));
      same('hexadecimal', `0x${hex}`, hex.toLowerCase());
      same('decimal', decimal, String(id));
      same('hexadecimal-in-response', hex, decimal);
      same('decimal-in-response', decimal, hex);
    }),
  );
});

test('message id - a signed 32-bit decimal meets its hexadecimal', () => {
  expect(canonicalId('-2', 'decimal-in-response', 'response')).toBe(
    canonicalId('FFFFFFFE', 'decimal-in-response', 'receipt'),
  );
});

test('message id - one that is not spelled as agreed still matches itself', () => {
  for (const spelling of ['hexadecimal', 'decimal', 'hexadecimal-in-response', 'decimal-in-response'] as const) {
    for (const from of ['response', 'receipt'] as const) expect(canonicalId('a-Z_9', spelling, from)).toBe('a-Z_9');
  }
});
