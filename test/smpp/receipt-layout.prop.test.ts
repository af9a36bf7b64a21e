/** The quick reading of a receipt's text against the tolerant one: where it reads at all, it reads the same. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readReceiptText } from '../../src/smpp/receipt-layout.ts';
import { emptyReceiptText, scanReceiptText } from '../../src/smpp/receipt-text.ts';

const word = fc.oneof(
  fc.string({ minLength: 0, maxLength: 12 }),
  fc.stringMatching(/^[0-9]{1,14}$/),
  fc.constantFrom('000', '2611241530', '261124153059', '20261124153059', 'DELIVRD', 'id:1', 'a,', 'stat:X', 'é', ''),
);
const keys = ['id:', ' sub:', ' dlvrd:', ' submit date:', ' done date:', ' stat:', ' err:'];
const texts = fc
  .tuple(
    fc.array(word, { minLength: keys.length, maxLength: keys.length }),
    fc.constantFrom('', ' text:', ' Text:', ' text'),
    word,
  )
  .map(([words, tail, rest]) => keys.map((key, i) => `${key}${words[i]}`).join('') + tail + rest);
/** A text as it is, and one with an octet changed somewhere. */
const octets = fc.oneof(
  texts.map((text) => Buffer.from(text, 'latin1')),
  fc.tuple(texts, fc.nat(), fc.nat(255)).map(([text, at, value]) => {
    const bytes = Buffer.from(text, 'latin1');
    bytes[at % bytes.length] = value;
    return bytes;
  }),
);

test('receipt layout - whatever the text, the quick reading is what the tolerant one finds', () => {
  fc.assert(
    fc.property(octets, fc.nat(5), (bytes, before) => {
      const padded = Buffer.concat([Buffer.alloc(before, 0x20), bytes]);
      const [quick, tolerant] = [emptyReceiptText(), emptyReceiptText()];
      readReceiptText(padded, before, padded.length, quick, { id: true, stat: true });
      scanReceiptText(padded, before, padded.length, tolerant);
      expect(quick).toEqual(tolerant);
    }),
    { numRuns: 20_000 },
  );
});

test('receipt layout - what the TLVs said already is not read again', () => {
  const text = Buffer.from(
    'id:7f sub:001 dlvrd:001 submit date:2611241529 done date:2611241530 stat:EXPIRED err:012 text:x',
  );
  const into = emptyReceiptText();
  readReceiptText(text, 0, text.length, into, { id: false, stat: false });
  expect(into).toEqual({ id: '', stat: '', err: '012', doneAtSeconds: Date.UTC(2026, 10, 24, 15, 30) / 1000 });
});
