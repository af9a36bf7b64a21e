/** Records of an import → residents, or what is wrong with them. Pure. */
import type { ImportColumns, ImportedResident } from '../db/import-chunk.ts';
import type { CsvRecord } from './csv.ts';
import type { Country } from './phone.ts';
import { readPhone } from './phone.ts';

/** One thing wrong with one line. */
export type LineError = { readonly line: number; readonly field: string; readonly message: string };

const textColumns = {
  externalReference: 100,
  firstName: 100,
  lastName: 100,
  street: 200,
  postcode: 16,
  city: 100,
} as const satisfies Readonly<Record<string, number>>;
type TextColumn = keyof typeof textColumns;
const numberColumns = ['phone', 'mobile', 'landline'] as const;

/** Names that the header may have. Case, spaces, dashes and underscores do not matter. */
export const importColumns = [...(Object.keys(textColumns) as TextColumn[]), 'language', ...numberColumns] as const;
type Column = (typeof importColumns)[number];

/** A header that was understood, or what is wrong with it. */
export type Header =
  | { readonly kind: 'header'; readonly columns: readonly Column[]; readonly given: ImportColumns }
  | { readonly kind: 'refused'; readonly because: string };

/** Reads the first record of a file. */
export function readHeader(record: CsvRecord): Header {
  if (record.kind === 'broken') return { kind: 'refused', because: `The header cannot be read: ${record.message}.` };
  const columns: Column[] = [];
  for (const cell of record.cells) {
    const column = columnNamed(cell);
    if (column === undefined) {
      const known = importColumns.join(', ');
      const shown = JSON.stringify(cell.slice(0, 40));
      return { kind: 'refused', because: `The header has a column ${shown}; there are ${known}.` };
    }
    if (columns.includes(column)) return { kind: 'refused', because: `The header has the column ${column} twice.` };
    columns.push(column);
  }
  const has = (column: Column) => columns.includes(column);
  const given = {
    firstName: has('firstName'),
    lastName: has('lastName'),
    language: has('language'),
    street: has('street'),
    postcode: has('postcode'),
    city: has('city'),
    contacts: numberColumns.some(has),
  };
  return { kind: 'header', columns, given };
}

function columnNamed(cell: string): Column | undefined {
  const bare = (name: string) => name.replace(/[\s_-]/gu, '').toLowerCase();
  return importColumns.find((column) => bare(column) === bare(cell));
}

/** The resident of a record; what is wrong is added to `errors` and gives undefined. */
export function readRow(
  record: CsvRecord,
  columns: readonly Column[],
  country: Country,
  errors: LineError[],
): ImportedResident | undefined {
  const { line } = record;
  if (record.kind === 'broken') {
    errors.push({ line, field: '', message: record.message });
    return undefined;
  }
  if (record.cells.length !== columns.length) {
    const message = `the line has ${record.cells.length} fields and the header ${columns.length}`;
    errors.push({ line, field: '', message });
    return undefined;
  }
  const before = errors.length;
  const row = new Row();
  for (let index = 0; index < columns.length; index += 1) {
    const column = columns[index];
    const message = column === undefined ? undefined : row.take(column, (record.cells[index] ?? '').trim(), country);
    if (message !== undefined) errors.push({ line, field: column ?? '', message });
  }
  if (errors.length > before) return undefined;
  if (!row.isEmpty()) return row;
  errors.push({ line, field: '', message: 'the line has neither a name nor a reference nor a number' });
  return undefined;
}

/** A resident while its cells are read. */
class Row implements ImportedResident {
  externalReference: string | null = null;
  firstName = '';
  lastName = '';
  language = '';
  street = '';
  postcode = '';
  city = '';
  contacts: ImportedResident['contacts'][number][] = [];

  /** Takes one cell; says what is wrong with it. */
  take(column: Column, cell: string, country: Country): string | undefined {
    if (cell === '') return undefined;
    switch (column) {
      case 'phone':
      case 'mobile':
      case 'landline':
        return this.takeNumber(cell, country);
      case 'language':
        this.language = cell.toLowerCase();
        return /^[a-z]{2,3}$/u.test(this.language) ? undefined : 'a language is two or three letters, such as fr';
      default:
        this[column] = cell;
        return textError(cell, textColumns[column]);
    }
  }

  private takeNumber(cell: string, country: Country): string | undefined {
    const number = readPhone(cell, country);
    if (number.kind === 'refused') return number.because;
    const { channel, address } = number;
    if (!this.contacts.some((contact) => contact.address === address)) this.contacts.push({ channel, address });
    return undefined;
  }

  isEmpty(): boolean {
    return this.externalReference === null && `${this.firstName}${this.lastName}` === '' && this.contacts.length === 0;
  }
}

const control = /\p{Control}/u;

function textError(cell: string, charactersMax: number): string | undefined {
  if (cell.length > charactersMax) return `the text has more than ${charactersMax} characters`;
  return control.test(cell) ? 'the text holds a control character' : undefined;
}
