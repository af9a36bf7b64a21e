/**
 * Connections to PostgreSQL. Runs on the main thread of api, planner and recorder. Each transaction says
 * on whose behalf it reads, and row-level security does the rest; nothing here can bypass it. Never
 * connects as the owner of the tables: only src/db/migrate.ts does.
 */
import assert from 'node:assert/strict';
import pg from 'pg';
import { Fault } from '../fault.ts';
import type { Id } from '../handoff.ts';
import type { Log } from '../telemetry.ts';

/** A connection, for code outside of src/db that passes one on. */
export type { ClientBase } from 'pg';

/** One transaction: `client` for its SQL and COPY. */
export type Session = { readonly client: pg.PoolClient };

/** A pool of connections of one role. */
export type Database = {
  /** For single statements of the service role. The API must use `tenant` or `platform`. */
  readonly pool: pg.Pool;
  /** A transaction that sees one organisation's rows only. Commits when `work` resolves, else rolls back. */
  tenant<T>(organisation: Id, work: (session: Session) => Promise<T>): Promise<T>;
  /** A transaction that sees organisations and their keys, for the platform's operator and for authentication. */
  platform<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** A transaction of the service role (planner, recorder). */
  service<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** Resolves when the server answers; throws `Fault('postgres')` when it does not. */
  ready(): Promise<void>;
  close(): Promise<void>;
};

/** What a pool needs. TLS is chosen in the URL, by `sslmode`. */
export type DatabaseOptions = {
  readonly url: string;
  readonly poolMax: number;
  readonly applicationName: string;
  /** The server ends a statement after this; 0 is never. */
  readonly statementTimeoutMs: number;
  /** The server ends a statement that waits longer for a lock; never when absent. */
  readonly lockTimeoutMs?: number;
  /** The server ends a connection whose transaction says nothing for this long; never when absent. */
  readonly idleTransactionMs?: number;
  /** How long to wait for a connection, a new one or one that is in use. 5,000 when absent. */
  readonly connectTimeoutMs?: number;
  /** Statements of one transaction may be given before the ones before are answered. There is no COPY then. */
  readonly pipelines?: true;
  /** We give a statement up after this, whether the server answers or not; never when absent. */
  readonly queryTimeoutMs?: number;
  readonly log: Log;
};

/**
 * Opens a pool; connects at the first query. Results: int8 is decimal text, int4 a number, timestamptz a
 * `Date`, bytea a `Buffer`. Errors of the connection are `Fault('postgres')` with their cause; errors of a
 * statement are pg's own `DatabaseError`, so that a caller can tell constraints apart by SQLSTATE.
 */
export function connect(options: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.poolMax,
    application_name: options.applicationName,
    statement_timeout: options.statementTimeoutMs,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 5000,
    ...(options.lockTimeoutMs === undefined ? {} : { lock_timeout: options.lockTimeoutMs }),
    ...(options.idleTransactionMs === undefined
      ? {}
      : { idle_in_transaction_session_timeout: options.idleTransactionMs }),
    ...(options.queryTimeoutMs === undefined ? {} : { query_timeout: options.queryTimeoutMs }),
    keepAlive: true,
    pipeline: options.pipelines === true,
  });
  // Without a listener a connection that ends between two statements would end the process. The statement in hand is
  // told of a lost connection too.
  pool.on('connect', (client) => client.on('error', () => undefined));
  pool.on('error', (error) => options.log.warn('postgres.connection.lost', {}, error));
  return {
    pool,
    tenant: (organisation, work) =>
      transaction(pool, `set local tocsin.organisation = '${decimal(organisation)}'`, work),
    platform: (work) => transaction(pool, "set local tocsin.platform = 'on'", work),
    service: (work) => transaction(pool, '', work),
    async ready() {
      await pool.query('select 1').catch(away);
    },
    async close() {
      if (!pool.ended) await pool.end();
    },
  };
}

/** An id that is safe to stand in SQL text. */
function decimal(id: Id): Id {
  assert(/^[0-9]{1,19}$/.test(id), 'an id is decimal');
  return id;
}

async function transaction<T>(pool: pg.Pool, setting: string, work: (session: Session) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch(unusable);
  let alive = true;
  try {
    await client.query(`begin;${setting}`);
    const result = await work({ client });
    await client.query('commit');
    return result;
  } catch (error) {
    alive = await client.query('rollback').then(
      () => true,
      () => false,
    );
    if (!alive || isServerTrouble(error)) return unusable(error);
    throw error;
  } finally {
    client.release(!alive);
  }
}

/** Of a first connection, so whoever set it up is there to hear of it. */
function away(cause: unknown): never {
  throw new Fault('postgres', 'PostgreSQL cannot be used; check DATABASE_URL and that the server runs', { cause });
}

/** `error` as a person can be told it, if it is one of a statement that nobody expected: as a fault; else unchanged. */
export function statementFault(error: unknown): unknown {
  // The driver has no class for a connection that was lost, and nothing of ours is a plain error.
  if (error instanceof Error && error.constructor === Error)
    return new Fault('postgres', 'PostgreSQL does not answer any more', { cause: error });
  if (!(error instanceof pg.DatabaseError)) return error;
  // 42P01 a table, 42703 a column, 42883 a function that is not there.
  const isOtherSchema = /^(42P01|42703|42883)$/.test(error.code ?? '');
  const message = isOtherSchema
    ? "the database is not at this version's schema; run tocsin migrate with the URL of its owner"
    : 'PostgreSQL refused a statement; check of which role DATABASE_URL is';
  return new Fault('postgres', message, { cause: error });
}

function unusable(cause: unknown): never {
  throw new Fault('postgres', 'PostgreSQL cannot be used at the moment', { cause });
}

/**
 * True for SQLSTATEs that say "the server, not the statement": classes 08 connection exception, 53 insufficient
 * resources, 57P operator intervention, 58 system error, and 55P03, a lock that was not free in time.
 */
function isServerTrouble(error: unknown): boolean {
  return error instanceof pg.DatabaseError && /^(08|53|55P03|57P|58)/.test(error.code ?? '');
}
