/**
 * A town of these tests: its residents as a CSV file, and, worked out from the same rows without any code of the
 * product, who must get which text. Numbers are of ranges that are reserved for fiction.
 */
import { readPhone } from '../../src/api/phone.ts';

/** A resident; fields as in the CSV file. */
export type Resident = {
  readonly externalReference: string;
  readonly firstName: string;
  readonly lastName: string;
  readonly language: string;
  readonly street: string;
  readonly mobile: string;
  readonly landline: string;
};

/** What must arrive at a number. */
export type Expected = {
  readonly carrier: 'north' | 'south';
  readonly language: 'fr' | 'en';
  readonly text: string;
  readonly resident: Resident;
};

/** Texts of a campaign by language; French is the default. */
export type Texts = { readonly fr: string; readonly en: string };

/** Numbers with 33 are of the north; those with 1 and then one of these are of the south; others nobody serves. */
export const prefixes = { north: ['33639'], south: ['12', '13', '14', '15', '16', '17', '18'] };

/** Residents with a French mobile, with another one, with a landline only, with a number that nobody serves. */
export const counts = { north: 10_000, south: 9_000, landlines: 60, unserved: 40, duplicates: 25 };

const firstNames = ['Ada', 'Chloé', 'Gaël', 'Zoë', 'Jean-Éric', 'Françoise', "N'Golo", 'Łukasz', '', 'Åsa', 'Maé {€}'];
const lastNames = ['Durand', 'Lefèvre', 'Noël', 'O’Brien', 'Béranger', 'de la Tour', 'Smith, Jr.', 'Ng'];
const streets = [
  'rue du Lavoir',
  'place de l’Église',
  'chemin "des Vignes"',
  '',
  'quai [Nord]',
  'allée des 🌳🌲',
  'A^B\\C~D',
];
/** Only two of these have a text; the others, and none, get the default. */
const languages = ['fr', 'en', 'fr', '', 'de', 'en'];

/** All residents, always the same. */
export function residents(): Resident[] {
  const all: Resident[] = [];
  const add = (mobile: string, landline: string) => {
    const i = all.length;
    const pick = (values: readonly string[], salt: number) => values[mixed(i, salt) % values.length] ?? '';
    const street = pick(streets, 3);
    all.push({
      externalReference: `R-${i}`,
      firstName: pick(firstNames, 1),
      lastName: pick(lastNames, 5),
      language: pick(languages, 1),
      street: street === '' ? '' : `${1 + (i % 90)} ${street}`,
      mobile,
      landline,
    });
  };
  const american = americanAreas();
  for (let i = 0; i < counts.north; i++) add(`+3363998${String(i).padStart(4, '0')}`, '');
  for (let i = 0; i < counts.south; i++) add(`+1${american[Math.trunc(i / 100)]}5550${100 + (i % 100)}`, '');
  for (let i = 0; i < counts.landlines; i++) add('', `+331990000${String(i).padStart(2, '0')}`);
  for (let i = 0; i < counts.unserved; i++) add(`+19075550${100 + i}`, '');
  for (let i = 0; i < counts.duplicates; i++) add(all[i * 11]?.mobile ?? '', '');
  return all;
}

/** A number that looks random and is always the same for the same `index` and `salt`. */
function mixed(index: number, salt: number): number {
  return Math.imul(Math.imul(index + 1, 0x9e3779b1) ^ (salt * 0x85ebca6b), 0x2c1b3c6d) >>> 12;
}

/** Area codes with a range for fiction, 555-0100 to 555-0199. */
function americanAreas(): number[] {
  const areas: number[] = [];
  for (let area = 200; areas.length < counts.south / 100; area++) {
    const reading = readPhone(`+1${area}5550100`, 'FR');
    if (reading.kind === 'number' && reading.channel === 'sms') areas.push(area);
  }
  return areas;
}

/** The file to import. */
export function csvOf(all: readonly Resident[]): string {
  const columns = ['externalReference', 'firstName', 'lastName', 'language', 'street', 'mobile', 'landline'] as const;
  const cell = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const lines = all.map((resident) => columns.map((column) => cell(resident[column])).join(','));
  return `${[columns.join(','), ...lines].join('\r\n')}\r\n`;
}

/** What must arrive, by number without plus. The first of several residents with one number gets it. */
export function expectedOf(all: readonly Resident[], texts: Texts): Map<string, Expected> {
  const expected = new Map<string, Expected>();
  for (const resident of all) {
    const number = resident.mobile.slice(1);
    const carrier = (['north', 'south'] as const).find((name) => prefixes[name].some((p) => number.startsWith(p)));
    if (number === '' || carrier === undefined || expected.has(number)) continue;
    const language = resident.language === 'en' ? 'en' : 'fr';
    const text = texts[language].replaceAll(
      /\{\{(\w+)(?:\|([^}]*))?\}\}/g,
      (_, field: keyof Resident, fallback: string = '') => (resident[field] === '' ? fallback : resident[field]),
    );
    expected.set(number, { carrier, language, text, resident });
  }
  return expected;
}
