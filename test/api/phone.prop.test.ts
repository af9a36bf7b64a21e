/** Telephone numbers: the short cut against the library, and what is refused. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readAnyPhone, readPhone } from '../../src/api/phone.ts';

const digit = fc.constantFrom(...'0123456789');
/** French numbers in spellings near those of the short cut, and near misses of them. */
const spelling = fc
  .record({
    prefix: fc.constantFrom('+33', '0', '0033', '33', '', '+33 ', '0.', '+33(0)'),
    first: fc.constantFrom('6', '7', '1', '9', '8'),
    digits: fc.array(digit, { minLength: 7, maxLength: 9 }),
    separator: fc.constantFrom('', ' ', '.', '-', '  ', '/'),
  })
  .map(({ prefix, first, digits, separator }) => {
    const body = first + digits.join('');
    return prefix + (separator === '' ? body : (body.match(/.{1,2}/gu) ?? []).join(separator));
  });

test('phone - the short cut for French mobiles reads as libphonenumber does', () => {
  fc.assert(
    fc.property(spelling, fc.constantFrom('FR', 'BE', 'US', 'RE'), (text, country) => {
      expect(readPhone(text, country)).toEqual(readAnyPhone(text, country));
    }),
    { numRuns: 20_000 },
  );
});

test('phone - what people write becomes E.164 with the channel that reaches it', () => {
  const cases: [string, string, string][] = [
    ['06 12 34 56 78', '+33612345678', 'sms'],
    ['06.39.98.00.01', '+33639980001', 'sms'],
    ['+33639980001', '+33639980001', 'sms'],
    ['0033 6 12 34 56 78', '+33612345678', 'sms'],
    ['+33 (0)6 12 34 56 78', '+33612345678', 'sms'],
    ['07-30-00-00-00', '+33730000000', 'sms'],
    ['05 46 00 00 00', '+33546000000', 'voice'],
    ['09 39 00 00 00', '+33939000000', 'voice'],
    ['0692 12 34 56', '+262692123456', 'sms'],
    ['+262692123456', '+262692123456', 'sms'],
    ['+44 7911 123456', '+447911123456', 'sms'],
  ];
  for (const [text, address, channel] of cases) {
    const country = address.startsWith('+262') ? 'RE' : 'FR';
    expect(readPhone(text, country), text).toEqual({ kind: 'number', address, channel });
  }
});

test('phone - what is no number, or none for messages, is refused', () => {
  for (const text of [
    '',
    '12',
    'abc',
    '0000000000',
    '3639',
    '0890123456',
    '+33612345678 ext 4',
    '0612345678 or 0712345678',
    '1'.repeat(33),
    '+999123456789',
  ]) {
    expect(readPhone(text, 'FR'), text).toMatchObject({ kind: 'refused' });
  }
});
