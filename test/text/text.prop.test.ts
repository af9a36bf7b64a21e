/** What holds for every text: alphabets go there and back, and cuts tear nothing. Pure. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { composeText, decodeText, type Encoding, octetsOf, writeText } from '../../src/text/alphabet.ts';
import { gsmSeptets } from '../../src/text/gsm7.ts';
import { segmentText, unitsPerPart, unitsWhole } from '../../src/text/segment.ts';
import { anyText, gsmText, latin1Text } from './texts.ts';

const longForm = fc.constantFrom('udh', 'sar', 'payload');
const alphabet = fc.constantFrom('gsm', 'latin1');
const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });

function bytesOf(text: string, encoding: Encoding): Uint8Array {
  const buffer = new Uint8Array(text.length * 2);
  return buffer.subarray(0, writeText(text, encoding, buffer, 0));
}

test('text - GSM goes there and back, in as many octets as counted septets', () => {
  fc.assert(
    fc.property(gsmText(), (text) => {
      const bytes = bytesOf(text, 'gsm');
      expect(decodeText(bytes, 'gsm')).toBe(text);
      expect(bytes).toHaveLength(gsmSeptets(text) ?? -1);
    }),
  );
});

test('text - Latin-1 and UCS-2 go there and back as Node spells them', () => {
  fc.assert(
    fc.property(latin1Text(), anyText(), (latin1, any) => {
      expect(Buffer.from(bytesOf(latin1, 'latin1')).toString('latin1')).toBe(latin1);
      expect(decodeText(bytesOf(latin1, 'latin1'), 'latin1')).toBe(latin1);
      expect(Buffer.from(bytesOf(any, 'ucs2')).swap16().toString('utf16le')).toBe(any);
      expect(decodeText(bytesOf(any, 'ucs2'), 'ucs2')).toBe(any);
    }),
  );
});

test('text - segments joined are the composed text, and each fits into an SMS', () => {
  fc.assert(
    fc.property(fc.oneof(gsmText(), latin1Text(), anyText()), longForm, alphabet, (text, form, defaultAlphabet) => {
      const layout = segmentText(text, form, defaultAlphabet);
      const pieces = layout.ends.map((end, index) => layout.text.slice(layout.ends[index - 1] ?? 0, end));
      expect(pieces.join('')).toBe(layout.text);
      expect([text, composeText(text)]).toContain(layout.text);
      const most = pieces.length === 1 ? unitsWhole(layout.encoding) : unitsPerPart(layout.encoding, form);
      for (const piece of pieces) {
        expect(bytesOf(piece, layout.encoding).length).toBeLessThanOrEqual(octetsOf(most, layout.encoding));
      }
    }),
  );
});

test('text - every cut lies between two graphemes', () => {
  fc.assert(
    fc.property(fc.oneof(gsmText(), anyText()), longForm, (text, form) => {
      const { text: sent, ends } = segmentText(text, form);
      const whole = [...graphemes.segment(sent)];
      // A grapheme that no segment can hold has to be cut; it is tested by itself.
      fc.pre(whole.every(({ segment }) => segment.length <= 60));
      const boundaries = new Set([...whole.map(({ index }) => index), sent.length]);
      for (const end of ends) expect(boundaries.has(end), `cut at ${end} of ${JSON.stringify(sent)}`).toBe(true);
    }),
  );
});

test('text - no segment is empty and none could take the next grapheme as well', () => {
  fc.assert(
    fc.property(fc.oneof(gsmText(700, 161), anyText(300, 161)), longForm, (text, form) => {
      const { text: sent, encoding, ends } = segmentText(text, form);
      expect(ends.length).toBeGreaterThan(1);
      const most = octetsOf(unitsPerPart(encoding, form), encoding);
      for (const [index, end] of ends.slice(0, -1).entries()) {
        const start = ends[index - 1] ?? 0;
        expect(end).toBeGreaterThan(start);
        const next = graphemes.segment(sent).containing(end)?.segment ?? '';
        expect(bytesOf(sent.slice(start, end) + next, encoding).length).toBeGreaterThan(most);
      }
    }),
  );
});
