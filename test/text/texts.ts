/** Texts for property tests: of the GSM alphabet, of Latin-1, and of anything that people send. */
import fc from 'fast-check';

const gsmCharacters = [
  ...'@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCXYZÄÖÑÜ§¿abcxyzäöñüà',
  ...'\f^{}\\[~]|€',
];

/** Lengths are spread over the whole range on purpose: fast-check by itself prefers texts that never need a cut. */
const spread = { size: 'max' } as const;

/** Text that the GSM alphabet has, with a good share of escapes. */
export const gsmText = (lengthMax = 700, lengthMin = 0) =>
  fc.string({ unit: fc.constantFrom(...gsmCharacters), minLength: lengthMin, maxLength: lengthMax, ...spread });

/** Printable Latin-1. */
export const latin1Text = (lengthMax = 500) =>
  fc.string({
    unit: fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0xa0, max: 0xff })).map(String.fromCharCode),
    maxLength: lengthMax,
    ...spread,
  });

const clusters = [
  '👩‍👩‍👧‍👦',
  '👍🏽',
  '🇫🇷',
  '🇧🇪',
  'é',
  'e\u0301\u0323',
  '\r\n',
  '각',
  'क्षि',
  '🏴󠁧󠁢󠁥󠁮󠁧󠁿',
  '…',
  '漢',
  'ш',
  'م',
  '1️⃣',
  '€',
  '{',
];

/** Any well-formed text, rich in characters that must not be torn. */
export const anyText = (lengthMax = 300, lengthMin = 0) =>
  fc.string({
    unit: fc.oneof(fc.constantFrom(...clusters), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 })),
    minLength: lengthMin,
    maxLength: lengthMax,
    ...spread,
  });
