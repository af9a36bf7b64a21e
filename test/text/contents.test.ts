/** What an author is told about texts before they are sent. Pure. */
import { expect, test } from 'vitest';
import { contentProblems, fieldsUsed, previewContents, previewText } from '../../src/text/contents.ts';

function found(contents: Record<string, string>, defaultLanguage = 'fr'): [string, string][] {
  return contentProblems(contents, defaultLanguage).map(({ path, reason }) => [path, reason]);
}

test('contents - texts that may be sent have no problem', () => {
  expect(found({ fr: 'Bonjour {{firstName|voisin}}\r\nà 8h', en: 'Hello 🔥' })).toEqual([]);
});

test('contents - every problem of every text is named by its path', () => {
  expect(found({})).toEqual([['contents', 'no-contents']]);
  expect(found({ fr: ' \n', en: '{{name}} {{city', 'de-CH': 'Grüezi' }, 'it')).toEqual([
    ['contents.fr', 'empty-text'],
    ['contents.en', 'unknown-placeholder'],
    ['contents.en', 'unclosed-placeholder'],
    ['contents.de-CH', 'language-tag'],
    ['defaultLanguage', 'default-language-missing'],
  ]);
  expect(found({ fr: 'a\tb \ud83d' })).toEqual([
    ['contents.fr', 'control-character'],
    ['contents.fr', 'broken-character'],
  ]);
  expect(found({ fr: 'a\u001fb' }, 'constructor')).toEqual([
    ['contents.fr', 'control-character'],
    ['defaultLanguage', 'default-language-missing'],
  ]);
});

test('contents - a problem says where it is and what may be used instead', () => {
  const [problem] = contentProblems({ fr: 'Bonjour {{prenom}}' }, 'fr');
  expect(problem).toMatchObject({ path: 'contents.fr', position: 8 });
  expect(problem?.message).toContain('firstName, lastName, street, postcode, city');
});

test('preview - encoding, segments and what forces UCS-2, as an ordinary recipient gets it', () => {
  expect(previewText('Bonjour {{firstName}}, forêt fermée', { longMessages: 'udh' })).toEqual({
    kind: 'preview',
    text: 'Bonjour Camille, forêt fermée',
    personalised: true,
    encoding: 'ucs2',
    segments: 1,
    units: 29,
    unitsPerSegment: 70,
    forcesUcs2: ['ê'],
    worst: { encoding: 'ucs2', segments: 1 },
  });
});

test('preview - the worst case tells of names that make a text longer or need another alphabet', () => {
  const text = `{{firstName}} ${'a'.repeat(140)}`;
  expect(previewText(text, { longMessages: 'udh' })).toMatchObject({
    encoding: 'gsm',
    segments: 1,
    worst: { encoding: 'ucs2', segments: 3 },
  });
  expect(previewText('a'.repeat(160), { longMessages: 'udh' })).toMatchObject({
    personalised: false,
    worst: { encoding: 'gsm', segments: 1 },
  });
  const fallback = `{{firstName|${'b'.repeat(170)}}}`;
  expect(previewText(fallback, { longMessages: 'udh' })).toMatchObject({ segments: 1, worst: { segments: 2 } });
});

test('preview - own values, a carrier of Latin-1, and texts with problems', () => {
  const options = { longMessages: 'sar', defaultAlphabet: 'latin1' } as const;
  const previews = previewContents({ fr: 'Bonjour {{firstName}}', en: 'Hello {{' }, options, { firstName: 'Loïc' });
  expect(previews['fr']).toMatchObject({ text: 'Bonjour Loïc', encoding: 'latin1' });
  expect(previews['en']).toMatchObject({ kind: 'error', problems: [{ reason: 'unclosed-placeholder' }] });
});

test('contents - the fields that recipients have to carry are those that any text uses', () => {
  expect(fieldsUsed({ fr: '{{city}} {{firstName|x}}', en: '{{city}}', de: 'Hallo {{' })).toEqual(['firstName', 'city']);
});
