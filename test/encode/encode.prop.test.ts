/** What holds for every batch: the handset shows what was meant, whatever the text and the long form. Pure. */
import fc from 'fast-check';
import smpp from 'smpp';
import { expect, test } from 'vitest';
import { composeText } from '../../src/text/alphabet.ts';
import { anyText, gsmText, latin1Text } from '../text/texts.ts';
import { framesOf, shownBy, taskOf } from './batch.ts';

const addresses = fc.stringMatching(/^[0-9]{5,15}$/);
// Separators and other controls are not part of a text, braces are syntax, and a text of spaces is refused as empty.
const text = fc
  .oneof(gsmText(), latin1Text(), anyText())
  .map((any) => `x${any.replace(/(?!\n|\r|\f)\p{Cc}|[{}]/gu, '')}`);
const carrier = fc.record({
  longMessages: fc.constantFrom('udh', 'sar', 'payload'),
  defaultAlphabet: fc.constantFrom('gsm', 'latin1'),
  segmentsMax: fc.constant(255),
});

/** GSM and Latin-1 carry a composed text; a text that goes as UCS-2 is composed as well. */
function meant(given: string): string[] {
  return [given, composeText(given)];
}

test('encode - a constant text arrives whole at every address', () => {
  fc.assert(
    fc.property(fc.array(addresses, { maxLength: 5 }), text, carrier, (to, fr, profile) => {
      const task = taskOf(
        to.map((address) => [address]),
        { content: { contents: { fr } }, profile },
      );
      const shown = shownBy(framesOf(task));
      expect([...shown.values()].map(({ destination }) => destination)).toEqual(to);
      for (const { text: arrived } of shown.values()) expect(meant(fr)).toContain(arrived);
    }),
  );
});

test('encode - a personalised text arrives with the values of its own recipient', () => {
  const recipients = fc.array(fc.tuple(addresses, text, text), { maxLength: 5 });
  fc.assert(
    fc.property(recipients, carrier, fc.nat(), (to, profile, firstOrdinal) => {
      const fr = 'a{{city}}b{{firstName}}';
      const other = { content: { contents: { fr }, fields: ['firstName', 'city'] }, profile, firstOrdinal };
      const frames = framesOf(taskOf(to, other));
      const shown = shownBy(frames);
      expect(shown.size + frames.refused.length).toBe(to.length);
      for (const [index, { destination, text: arrived }] of shown) {
        const [address, firstName, city] = to[index] ?? [];
        expect(destination).toBe(address);
        expect(meant(`a${city}b${firstName}`)).toContain(arrived);
      }
    }),
  );
});

test('encode - a subset of a batch is encoded as it is in the whole batch', () => {
  const recipients = fc.array(fc.tuple(addresses, text), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(recipients, carrier, fc.infiniteStream(fc.boolean()), (to, profile, choose) => {
      const only = to.map((_, index) => index).filter(() => choose.next().value === true);
      const whole = shownBy(framesOf(taskOf(to, { profile })));
      const part = shownBy(framesOf(taskOf(to, { profile, only })));
      expect([...part]).toEqual([...whole].filter(([index]) => only.includes(index)));
    }),
  );
});

test('encode - an implementation that we did not write reads the same address and text', () => {
  const form = fc.constantFrom('udh', 'sar');
  fc.assert(
    fc.property(addresses, fc.oneof(gsmText(400), anyText(200)), form, (address, any, longMessages) => {
      const fr = `x${any.replace(/[{}]/gu, '')}`;
      const task = taskOf([[address]], { content: { contents: { fr } }, profile: { longMessages, segmentsMax: 255 } });
      const { bytes, offsets, recipient } = framesOf(task);
      let arrived = '';
      for (let index = 0; index < recipient.length; index += 1) {
        const pdu = new smpp.PDU(bytes.subarray(offsets[index], offsets[index + 1]));
        expect(pdu).toMatchObject({ command: 'submit_sm', destination_addr: address, source_addr: 'Mairie' });
        if (longMessages === 'sar' && recipient.length > 1) {
          expect(pdu).toMatchObject({ sar_total_segments: recipient.length, sar_segment_seqnum: index + 1 });
        }
        arrived += (pdu['short_message'] as { message: string }).message;
      }
      expect(meant(fr)).toContain(arrived);
    }),
  );
});
