/** Reads `results.csv`, as the API exports it, row by row. */
import { createReadStream } from 'node:fs';
import { CsvReader, type CsvRecord, type CsvRefusal } from '../../src/api/csv.ts';
import { Fault } from '../../src/fault.ts';
import { type MessageState, messageStateCodes } from '../../src/handoff.ts';
import type { FileLine } from '../../src/report/verify.ts';

const lineBytesMax = 16_384;
const needed = ['ordinal', 'resident', 'address', 'carrier', 'language', 'state'] as const;

/**
 * The lines of the file at `path`.
 * @throws Fault `input` when it cannot be read, `unreadable` when it is something else.
 */
export async function* resultsFile(path: string): AsyncGenerator<FileLine, void, void> {
  const reader = new CsvReader(lineBytesMax);
  const rows = new Rows(path);
  for await (const chunk of chunksOf(path)) yield* rows.read(reader.push(chunk));
  yield* rows.read(reader.end());
  rows.finish();
}

async function* chunksOf(path: string): AsyncGenerator<Buffer, void, void> {
  try {
    for await (const chunk of createReadStream(path)) yield chunk as Buffer;
  } catch (cause) {
    throw new Fault('input', `${path} cannot be read`, { cause });
  }
}

class Rows {
  readonly #path: string;
  #places: Readonly<Record<(typeof needed)[number], number>> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  *read(records: readonly CsvRecord[] | CsvRefusal): Generator<FileLine, void, void> {
    if (typeof records === 'string') throw this.#otherFile();
    for (const record of records) {
      if (record.kind === 'broken') yield record;
      else if (this.#places === undefined) this.#readHeading(record.cells);
      else yield this.#row(record.line, record.cells, this.#places);
    }
  }

  finish(): void {
    if (this.#places === undefined) throw this.#otherFile();
  }

  #readHeading(cells: readonly string[]): void {
    const place = (name: string) => cells.indexOf(name);
    if (needed.some((name) => place(name) < 0)) throw this.#otherFile();
    const [ordinal, resident, address, carrier, language, state] = needed.map(place) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    this.#places = { ordinal, resident, address, carrier, language, state };
  }

  #row(line: number, cells: readonly string[], places: Readonly<Record<(typeof needed)[number], number>>): FileLine {
    const cell = (name: (typeof needed)[number]) => cells[places[name]] ?? '';
    const [number, state] = [cell('ordinal'), cell('state')];
    if (!/^\d{1,10}$/.test(number)) return { kind: 'broken', line, message: 'it has no ordinal' };
    if (!isState(state)) return { kind: 'broken', line, message: 'it has no state' };
    const [resident, address, carrier, language] = [
      cell('resident'),
      cell('address'),
      cell('carrier'),
      cell('language'),
    ];
    return { kind: 'row', line, row: { ordinal: Number(number), resident, address, carrier, language, state } };
  }

  #otherFile(): Fault {
    return new Fault(
      'unreadable',
      `${this.#path} is no file of results: its first line must name ${needed.join(', ')}`,
    );
  }
}

function isState(text: string): text is MessageState {
  return Object.hasOwn(messageStateCodes, text);
}
