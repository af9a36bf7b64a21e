/**
 * A CSV file of residents as town halls export them: mobile numbers in several spellings, accents, quotes now and then,
 * and a bad line every so often. Numbers are of the range that ARCEP keeps for fiction (06 39 98 xx xx), so residents
 * share them. The same rows for the same size.
 */
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';

/** What a file holds. */
export type ResidentFile = { readonly rows: number; readonly bad: number; readonly bytes: number };

const header = 'externalReference;firstName;lastName;language;street;postcode;city;mobile\n';
const firstNames = ['Anne', 'Bruno', 'Chloé', 'Denis', 'Élise', 'Fatima', 'Gaël', 'Hélène', 'Ivan', 'Jeanne-Marie'];
/** Every so-manyth line has a number that is none. */
const badEach = 500;
/** Every so-manyth line has its street in quotes, with the delimiter in it. */
const quotedEach = 100;
/** Numbers of the range for fiction. */
const numbers = 10_000;
const linesPerWrite = 5_000;

/** Writes a file of `rows` lines and a header. */
export async function writeResidents(path: string, rows: number): Promise<ResidentFile> {
  const out = createWriteStream(path);
  out.write(header);
  for (let from = 0; from < rows; from += linesPerWrite) {
    let text = '';
    for (let row = from; row < Math.min(rows, from + linesPerWrite); row++) text += lineOf(row);
    if (!out.write(text)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
  return { rows, bad: Math.ceil(rows / badEach), bytes: out.bytesWritten };
}

function lineOf(row: number): string {
  const street =
    row % quotedEach === 1 ? `"${row % 200} rue des Essais; bâtiment ""B"""` : `${row % 200} rue des Essais`;
  const language = row % 4 === 3 ? 'en' : 'fr';
  const name = firstNames[row % firstNames.length] ?? '';
  return `R${row};${name};Résident${row};${language};${street};59190;Essais;${numberOf(row)}\n`;
}

function numberOf(row: number): string {
  if (row % badEach === 0) return '06 39';
  const four = String(row % numbers).padStart(4, '0');
  const [high, low] = [four.slice(0, 2), four.slice(2)];
  if (row % 3 === 0) return `+33639 98${high}${low}`.replace(' ', '');
  return row % 3 === 1 ? `06 39 98 ${high} ${low}` : `063998${high}${low}`;
}
