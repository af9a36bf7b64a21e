/**
 * Whether a campaign's exported results say what the database says: every recipient once, of the same resident, and in
 * a state that the message can have had. States only rise, so a file may be behind the database, and never ahead of
 * it. Reads two sorted streams side by side and keeps neither. Run by the operator's command.
 */
import { messageStates } from '../db/fold.ts';
import type { ResultRow } from '../db/results.ts';
import type { MessageState } from '../handoff.ts';

/** What a file says of a recipient; other columns are of the resident as it was then. */
export type FileRow = Pick<ResultRow, 'ordinal' | 'resident' | 'address' | 'carrier' | 'language' | 'state'>;

/** A line of the file, counted from 1. */
export type FileLine =
  | { readonly kind: 'row'; readonly line: number; readonly row: FileRow }
  | { readonly kind: 'broken'; readonly line: number; readonly message: string };

/** One thing in which the two differ. Never holds a phone number or a name. */
export type Difference =
  /** The database has the recipient, the file has not. */
  | { readonly kind: 'missing'; readonly ordinal: number }
  /** The file has a recipient that the campaign has not. */
  | { readonly kind: 'unknown'; readonly ordinal: number; readonly line: number }
  /** The recipient stands there a second time, or out of order. */
  | { readonly kind: 'doubled'; readonly ordinal: number; readonly line: number }
  /** The message cannot have been in the file's state and be in the database's now. */
  | {
      readonly kind: 'state';
      readonly ordinal: number;
      readonly line: number;
      readonly file: MessageState;
      readonly database: MessageState;
    }
  | { readonly kind: 'field'; readonly ordinal: number; readonly line: number; readonly field: ComparedField }
  | { readonly kind: 'broken'; readonly line: number; readonly message: string };

const comparedFields = ['resident', 'address', 'carrier', 'language'] as const;
type ComparedField = (typeof comparedFields)[number];

/** How many messages are in each state; states without any are left out. */
export type StateCounts = Partial<Record<MessageState, number>>;

/** What came of it. */
export type Verdict = {
  readonly rows: { readonly file: number; readonly database: number };
  readonly states: { readonly file: StateCounts; readonly database: StateCounts };
  /** Messages whose state has risen since the file was made. */
  readonly movedOn: number;
  /** How many differences there are, and the first of them. */
  readonly differing: number;
  readonly differences: readonly Difference[];
};

/** Differences that are kept. */
const differencesMax = 100;

/** Compares `file` with `database`, which comes in order of ordinals, in parts. */
export async function verifyResults(
  file: AsyncIterable<FileLine>,
  database: AsyncIterable<readonly ResultRow[]>,
): Promise<Verdict> {
  const tally = new Tally();
  const rows = rowsOf(database);
  let next = await rows.next();
  let last = -1;
  for await (const entry of file) {
    if (entry.kind === 'broken') {
      tally.differ(entry);
      continue;
    }
    const { line, row } = entry;
    tally.sawFile(row.state);
    if (row.ordinal <= last) {
      tally.differ({ kind: 'doubled', ordinal: row.ordinal, line });
      continue;
    }
    last = row.ordinal;
    for (; next.done !== true && next.value.ordinal < row.ordinal; next = await rows.next()) tally.missing(next.value);
    if (next.done !== true && next.value.ordinal === row.ordinal) {
      tally.compare(line, row, next.value);
      next = await rows.next();
    } else tally.differ({ kind: 'unknown', ordinal: row.ordinal, line });
  }
  for (; next.done !== true; next = await rows.next()) tally.missing(next.value);
  return tally.verdict();
}

/** Whether a message that was once in the state `before` can be in the state `after` now, or was never in another. */
export function mayBecome(before: MessageState, after: MessageState): boolean {
  // `failed` has two ranks: refused by the carrier, which a late answer may correct, and not delivered.
  return messageStates.indexOf(before) <= messageStates.lastIndexOf(after);
}

async function* rowsOf(parts: AsyncIterable<readonly ResultRow[]>): AsyncGenerator<ResultRow, void, void> {
  for await (const part of parts) yield* part;
}

class Tally {
  readonly #states: { file: StateCounts; database: StateCounts } = { file: {}, database: {} };
  readonly #rows = { file: 0, database: 0 };
  readonly #differences: Difference[] = [];
  #differing = 0;
  #movedOn = 0;

  sawFile(state: MessageState): void {
    this.#rows.file++;
    this.#states.file[state] = (this.#states.file[state] ?? 0) + 1;
  }

  differ(difference: Difference): void {
    this.#differing++;
    if (this.#differences.length < differencesMax) this.#differences.push(difference);
  }

  missing(row: ResultRow): void {
    this.#sawDatabase(row.state);
    this.differ({ kind: 'missing', ordinal: row.ordinal });
  }

  compare(line: number, file: FileRow, database: ResultRow): void {
    this.#sawDatabase(database.state);
    const { ordinal } = file;
    for (const field of comparedFields)
      if (file[field] !== database[field]) this.differ({ kind: 'field', ordinal, line, field });
    if (!mayBecome(file.state, database.state))
      this.differ({ kind: 'state', ordinal, line, file: file.state, database: database.state });
    else if (file.state !== database.state) this.#movedOn++;
  }

  verdict(): Verdict {
    return {
      rows: this.#rows,
      states: this.#states,
      movedOn: this.#movedOn,
      differing: this.#differing,
      differences: this.#differences,
    };
  }

  #sawDatabase(state: MessageState): void {
    this.#rows.database++;
    this.#states.database[state] = (this.#states.database[state] ?? 0) + 1;
  }
}
