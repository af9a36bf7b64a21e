/** Senders, lengths of texts, and what a campaign takes. */
import { expect, test } from 'vitest';
import { campaignProblems, isSender } from '../../src/campaign/content.ts';
import { previewCampaign } from '../../src/campaign/preview.ts';

test('sender - names of 11 GSM characters and numbers of 15 digits are accepted', () => {
  for (const sender of ['MAIRIE', 'A', 'St-Jean 33', '12345678901', '381', '123456789012345', "L'Isle"]) {
    expect(isSender(sender), sender).toBe(true);
  }
});

test('sender - what carriers cannot show is refused', () => {
  const bad = [
    '',
    ' ',
    '12',
    '1234567890123456',
    'MAIRIE PARIS',
    'Évry',
    ' A',
    'A ',
    'A[1]',
    'A~',
    'A\u0000',
    '+33612345678',
    '12-34',
  ];
  for (const sender of bad) expect(isSender(sender), sender).toBe(false);
});

test('content - a text is as long as the form with the least room says', () => {
  const text = (length: number) => ({ sender: 'A', contents: { fr: 'x'.repeat(length) }, defaultLanguage: 'fr' });
  expect(campaignProblems(text(152 * 3), 3)).toEqual([]);
  expect(campaignProblems(text(152 * 3 + 1), 3)).toMatchObject([{ field: 'contents.fr', reason: 'text-too-long' }]);
});

test('preview - an audience of nobody takes nothing', () => {
  const preview = previewCampaign({ fr: 'Bonjour' }, [], [], { fields: [], samples: [] });
  expect(preview).toEqual({
    segments: 0,
    expectedSeconds: 0,
    groups: [],
    carriers: [],
    examples: [{ language: 'fr', text: 'Bonjour' }],
  });
});

test('preview - carriers work side by side, so the slowest decides', () => {
  const carrier = (name: string, ratePerSecond: number) =>
    ({ name, ratePerSecond, longMessages: 'udh', defaultAlphabet: 'gsm' }) as const;
  const group = (name: string, recipients: number) => ({ carrier: name, language: 'fr', recipients });
  const preview = previewCampaign(
    { fr: 'x'.repeat(161) },
    [group('a', 100), group('b', 10)],
    [carrier('a', 50), carrier('b', 1)],
    { fields: [], samples: [] },
  );
  expect(preview.segments).toBe(220);
  expect(preview.carriers.map(({ seconds }) => seconds)).toEqual([4, 20]);
  expect(preview.expectedSeconds).toBe(20);
});
