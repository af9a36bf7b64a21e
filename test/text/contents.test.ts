/** What an author is told about texts before they are sent. Pure. */
import { expect, test } from 'vitest';
import { contentProblems, previewText, segmentsForEach } from '../../src/text/contents.ts';

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
  });
});

test('preview - own values, a carrier of Latin-1, and texts with problems', () => {
  const options = { longMessages: 'sar', defaultAlphabet: 'latin1' } as const;
  const preview = previewText('Bonjour {{firstName}}', options, { firstName: 'Loïc' });
  expect(preview).toMatchObject({ text: 'Bonjour Loïc', encoding: 'latin1' });
  expect(previewText('a'.repeat(140), options)).toMatchObject({ personalised: false, segments: 1 });
  const broken = previewText('Hello {{', options);
  expect(broken).toMatchObject({ kind: 'error', problems: [{ reason: 'unclosed-placeholder' }] });
});

test('preview - segments for many readers are those of their texts one by one', () => {
  const options = { longMessages: 'udh' } as const;
  const fields = ['lastName', 'city'] as const;
  const readers = [
    ['Durand', 'Lille'],
    ['', ''],
    ['Ê', 'Lille'],
    ['x'.repeat(80), '€'.repeat(40)],
    ['e\u0301', 'x'.repeat(115)],
  ];
  for (const text of [
    '{{lastName|voisin}} à {{city}}: crue, évitez la rivière 😀',
    `{{lastName}} {{city}} ${'x'.repeat(40)}`,
  ]) {
    const counts = segmentsForEach(text, options, fields, readers);
    const one = readers.map(([lastName, city]) => previewText(text, options, { lastName: lastName!, city: city! }));
    expect(counts).toEqual(one.map((preview) => preview.kind === 'preview' && preview.segments));
  }
  expect(segmentsForEach('Hello {{', options, fields, readers)).toEqual([]);
});
