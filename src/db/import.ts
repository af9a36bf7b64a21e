/**
 * Writes imported residents, chunk by chunk, in a transaction of the caller. API process; scope: an organisation.
 * Residents are found again by their external reference; those without one are always new. What is as it should be is
 * not written.
 */
import { DatabaseError } from 'pg';
import { Fault } from '../fault.ts';
import type { Id } from '../handoff.ts';
import {
  type ImportColumns,
  type ImportedResident,
  type ImportStatement,
  mergingChunk,
  newChunk,
} from './import-chunk.ts';
import { me, only, type Run, type Statement } from './scope.ts';

/** Rows that are new, and rows that were there. */
export type ImportCounts = { readonly created: number; readonly updated: number };

/** How long an import waits for another one of its organisation. */
const turnMs = 30_000;
/** SQLSTATE lock_not_available: `lock_timeout` has passed. */
const lockTimeout = '55P03';
/** SQLSTATEs unique_violation and foreign_key_violation: somebody else wrote or deleted at the same moment. */
const raced = ['23505', '23503'];
/** SQLSTATE in_failed_sql_transaction: nothing is done before a savepoint is gone back to. */
const failedBefore = '25P02';
/** Each attempt but the first follows a commit of somebody else to one of the chunk's rows. */
const attemptsMax = 20;

const lockTurn: Statement = { name: 'import_turn', text: `select pg_advisory_xact_lock(${me})` };
const lockList: Statement = { name: 'import_list', text: 'select from lists where id = $1 for key share' };

/** Keeps a list from being deleted until the transaction ends; false when there is none. */
export async function holdList(run: Run, list: Id): Promise<boolean> {
  const rows = await run(lockList, [list]);
  return rows.length > 0;
}

/**
 * Waits for other imports of the organisation to end, before the first chunk: two that name the same residents in
 * another order would lock each other. False when that takes long; the transaction is of no use then.
 */
export async function takeTurn(run: Run): Promise<boolean> {
  try {
    await run({ text: `set local lock_timeout = ${turnMs}` });
    await run(lockTurn);
    await run({ text: 'set local lock_timeout = 0' });
    return true;
  } catch (error) {
    if (error instanceof DatabaseError && error.code === lockTimeout) return false;
    throw error;
  }
}

/** A chunk as it is sent. */
export type ImportChunk = { readonly residents: readonly ImportedResident[]; readonly statement: ImportStatement };

/**
 * Residents of one import, on their way to its list where it has one (which must be the organisation's own). To be
 * used in a transaction, after `takeTurn`, over a connection that pipelines.
 */
export class ResidentWriter {
  readonly #run: Run;
  readonly #columns: ImportColumns;
  readonly #list: Id | undefined;
  #hasSavepoint = false;
  /** Nobody of the last chunk was known, so that most likely nobody of the next one is. */
  #allNew = false;
  #latest: Promise<unknown> = Promise.resolve();
  /** What is sent for the latest chunk is written whole or fails. Another one sent behind it then waits for nothing. */
  #mayFollow = false;

  constructor(run: Run, columns: ImportColumns, list: Id | undefined) {
    this.#run = run;
    this.#columns = columns;
    this.#list = list;
  }

  /** Puts residents, no two with the same reference, into the form that is sent. Needs no connection. */
  chunk(residents: readonly ImportedResident[]): ImportChunk {
    const statement = this.#allNew ? newChunk(residents, this.#list) : this.#merging(residents);
    return { residents, statement };
  }

  /** Creates or updates the residents of a chunk. Those before need not be written yet; fails where they do. */
  write(chunk: ImportChunk): Promise<ImportCounts> {
    const counts = this.#write(chunk, this.#latest);
    this.#latest = counts;
    return counts;
  }

  async #write({ residents, statement }: ImportChunk, before: Promise<unknown>): Promise<ImportCounts> {
    if (!this.#mayFollow) await before;
    this.#mayFollow = statement.created !== undefined;
    let written = await this.#attempt(statement, this.#savepoint());
    if (written.kind !== 'written') this.#mayFollow = false;
    await before;
    if (written.kind === 'skipped') written = await this.#attempt(this.#merging(residents), this.#savepoint());
    for (let attempt = 1; written.kind !== 'written'; attempt += 1) {
      if (attempt === attemptsMax || written.kind === 'skipped') throw written.because;
      written = await this.#attempt(this.#merging(residents), rollback);
    }
    this.#allNew = written.counts.updated === 0;
    return written.counts;
  }

  #merging(residents: readonly ImportedResident[]): ImportStatement {
    return mergingChunk(residents, this.#columns, this.#list);
  }

  /** The one before is released only now: its chunk was looked at since. */
  #savepoint(): Statement {
    const text = this.#hasSavepoint ? 'release savepoint chunk; savepoint chunk' : 'savepoint chunk';
    this.#hasSavepoint = true;
    return { text };
  }

  async #attempt({ statement, values, created }: ImportStatement, before: Statement): Promise<Written> {
    try {
      // Both are on their way before either is answered.
      const [, rows] = await Promise.all([this.#run(before), this.#run<WrittenRow>(statement, values)]);
      if (created !== undefined) return { kind: 'written', counts: { created, updated: 0 } };
      const { isWhole, ...counts } = only(rows);
      if (isWhole) return { kind: 'written', counts };
      return { kind: 'raced', because: new Fault('postgres', 'others keep changing the residents of the import') };
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      if (raced.includes(error.code ?? '')) return { kind: 'raced', because: error };
      if (error.code === failedBefore) return { kind: 'skipped', because: error };
      throw error;
    }
  }
}

const rollback: Statement = { text: 'rollback to savepoint chunk' };

type WrittenRow = ImportCounts & { isWhole: boolean };
type Written =
  | { readonly kind: 'written'; readonly counts: ImportCounts }
  | { readonly kind: 'raced'; readonly because: Error }
  /** One sent before it has failed. */
  | { readonly kind: 'skipped'; readonly because: Error };
