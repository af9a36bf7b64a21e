/** Limits of segments, at their edges. Pure. */
import { expect, test } from 'vitest';
import { isPlain } from '../../src/text/grapheme.ts';
import { describeText, type LongForm, segmentText } from '../../src/text/segment.ts';

const longForms: readonly LongForm[] = ['udh', 'sar', 'payload'];

function segmentLengths(text: string, longForm: LongForm, alphabet?: 'latin1'): number[] {
  const { ends } = segmentText(text, longForm, alphabet);
  return ends.map((end, index) => end - (ends[index - 1] ?? 0));
}

test.each(longForms)('segment - 160 septets, 140 octets or 70 units are one segment (%s)', (longForm) => {
  expect(segmentLengths('a'.repeat(160), longForm)).toEqual([160]);
  expect(segmentLengths('€'.repeat(80), longForm)).toEqual([80]);
  expect(segmentLengths('ê'.repeat(70), longForm)).toEqual([70]);
  expect(segmentLengths('ê'.repeat(140), longForm, 'latin1')).toEqual([140]);
});

test('segment - a user data header of seven octets leaves 152 septets, 133 octets or 66 units', () => {
  expect(segmentLengths('a'.repeat(161), 'udh')).toEqual([152, 9]);
  expect(segmentLengths('ê'.repeat(71), 'udh')).toEqual([66, 5]);
  expect(segmentLengths('ê'.repeat(141), 'udh', 'latin1')).toEqual([133, 8]);
});

test.each(['sar', 'payload'] as const)('segment - the header of a carrier leaves 153, 134 or 67 (%s)', (longForm) => {
  expect(segmentLengths('a'.repeat(161), longForm)).toEqual([153, 8]);
  expect(segmentLengths('ê'.repeat(71), longForm)).toEqual([67, 4]);
  expect(segmentLengths('ê'.repeat(141), longForm, 'latin1')).toEqual([134, 7]);
});

test('segment - an escape pair at the edge moves to the next segment', () => {
  expect(segmentLengths(`${'a'.repeat(151)}€${'a'.repeat(20)}`, 'udh')).toEqual([151, 21]);
  expect(segmentLengths(`${'a'.repeat(152)}€${'a'.repeat(20)}`, 'sar')).toEqual([152, 21]);
});

test('segment - an emoji, a flag and a line break at the edge stay whole', () => {
  expect(segmentLengths(`${'ê'.repeat(65)}🔥${'ê'.repeat(20)}`, 'udh')).toEqual([65, 22]);
  expect(segmentLengths(`${'ê'.repeat(63)}🇫🇷${'ê'.repeat(20)}`, 'udh')).toEqual([63, 24]);
  expect(segmentLengths(`${'a'.repeat(151)}\r\n${'a'.repeat(20)}`, 'udh')).toEqual([151, 22]);
});

test('segment - a grapheme longer than a segment is cut between code points', () => {
  const lengths = segmentLengths(`👩${'\u200d👩'.repeat(40)}`, 'udh');
  expect(lengths.reduce((sum, length) => sum + length)).toBe(122);
  expect(Math.max(...lengths)).toBeLessThanOrEqual(66);
});

test('segment - the empty text is one empty segment', () => {
  expect(segmentText('', 'udh')).toEqual({ text: '', encoding: 'gsm', units: 0, ends: [0] });
});

test('segment - combining marks are joined before the alphabet is chosen', () => {
  expect(segmentText('Fermé', 'udh')).toEqual({ text: 'Fermé', encoding: 'gsm', units: 5, ends: [5] });
});

test('segment - what forces UCS-2 depends on the default alphabet of the carrier', () => {
  const text = 'Forêt : 5 €';
  expect(describeText(text, 'udh')).toMatchObject({ encoding: 'ucs2', forcesUcs2: ['ê'], unitsPerSegment: 70 });
  expect(describeText(text, 'udh', 'latin1')).toMatchObject({ encoding: 'ucs2', forcesUcs2: ['€'] });
  expect(describeText('Forêt', 'udh', 'latin1')).toMatchObject({ encoding: 'latin1', forcesUcs2: [] });
  expect(describeText('a€'.repeat(80), 'udh')).toEqual({
    encoding: 'gsm',
    segments: 2,
    units: 240,
    unitsPerSegment: 152,
    forcesUcs2: [],
  });
});

test('segment - characters called plain never join with a neighbour, asked of ICU one by one', () => {
  const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });
  const joined: number[] = [];
  for (let code = 0; code < 0x10000; code += 1) {
    if (!isPlain(code) || code === 0x0a || code === 0x0d) continue;
    const character = String.fromCharCode(code);
    if ([...graphemes.segment(`a${character}${character}a`)].length !== 4) joined.push(code);
  }
  expect(joined).toEqual([]);
});
