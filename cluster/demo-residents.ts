/**
 * The residents of the demonstration: a fictional French town, the same at every start. Numbers come from the ranges
 * that the numbering plan keeps for fiction, so that no message could ever reach a person. Pure.
 */

/** Residents of the town. */
export const demoResidents = 19_000;
/** Those with a mobile; the others only have a landline, which SMS cannot reach. */
export const demoMobiles = 10_000;

const firstNames = [
  'Camille',
  'Léa',
  'Manon',
  'Chloé',
  'Inès',
  'Zoé',
  'Hélène',
  'Françoise',
  'Aïcha',
  'Noémie',
  'Louis',
  'Gabriel',
  'Raphaël',
  'Jules',
  'Adrien',
  'Théo',
  'Mathéo',
  'Étienne',
  'Loïc',
  'François',
  'Mehdi',
  'Benoît',
  'Gaël',
  'Rémi',
];
const lastNames = [
  'Martin',
  'Bernard',
  'Dubois',
  'Thomas',
  'Robert',
  'Richard',
  'Petit',
  'Durand',
  'Leroy',
  'Moreau',
  'Lefèvre',
  'Fournier',
  'Girard',
  'Bonnet',
  'Mercier',
  'Boyer',
  'Guérin',
  'Rousseau',
  'Gauthier',
  'Chevalier',
  'Masson',
  'Noël',
  'Perrin',
  'Béranger',
];
const streets = [
  'rue de la Mairie',
  'rue des Écoles',
  'rue du Lavoir',
  'avenue de la République',
  'place du Marché',
  'chemin des Vignes',
  'rue de l’Église',
  'impasse des Tilleuls',
  'quai de la Rivière',
  'rue du Moulin',
  'allée des Platanes',
  'route de la Forêt',
  'rue Haute',
  'rue Basse',
  'boulevard du Midi',
];
/** One resident in so many reads English. */
const englishEvery = 7;

/** The header and all residents as a CSV file, piece by piece. */
export function* demoCsv(): Generator<string> {
  yield 'externalReference,firstName,lastName,language,street,postcode,city,mobile,landline\n';
  const piece = 500;
  for (let first = 0; first < demoResidents; first += piece) {
    const last = Math.min(first + piece, demoResidents);
    yield Array.from({ length: last - first }, (_, i) => line(first + i)).join('');
  }
}

function line(index: number): string {
  const pick = (values: readonly string[], salt: number) => values[mixed(index, salt) % values.length] as string;
  const hasMobile = index < demoMobiles;
  const fields = [
    `V-${String(index + 1).padStart(5, '0')}`,
    pick(firstNames, 1),
    pick(lastNames, 2),
    mixed(index, 3) % englishEvery === 0 ? 'en' : 'fr',
    `${1 + (mixed(index, 4) % 120)} ${pick(streets, 5)}`,
    '99100',
    'Valmont-sur-Lys',
    hasMobile ? `+3363998${String(index).padStart(4, '0')}` : '',
    hasMobile ? '' : `+3319900${String(index - demoMobiles).padStart(4, '0')}`,
  ];
  return `${fields.join(',')}\n`;
}

/** A number that looks random and is always the same for the same `index` and `salt`. */
function mixed(index: number, salt: number): number {
  let hash = Math.imul(index + 1, 0x9e3779b1) ^ Math.imul(salt, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return (hash ^ (hash >>> 15)) >>> 0;
}
