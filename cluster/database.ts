/**
 * A process's pool of connections to PostgreSQL, with every bound that the settings give it, and a look at whether the
 * server has room for it.
 */
import type { Settings } from '../config/schema.ts';
import { type Database, type DatabaseOptions, connect } from '../src/db/client.ts';
import { readRoom } from '../src/db/room.ts';
import type { Log } from '../src/telemetry.ts';
import type { Context } from './run.ts';

/** Which pool it is. */
export type Pool = Pick<DatabaseOptions, 'url' | 'applicationName'> &
  Partial<Pick<DatabaseOptions, 'poolMax' | 'connectTimeoutMs' | 'queryTimeoutMs' | 'pipelines'>>;

/** Opens a pool; connects at the first query. */
export function openDatabase({ settings, log }: Context, pool: Pool): Database {
  return connect({ ...boundsOf(settings), ...pool, log });
}

function boundsOf(settings: Settings): Omit<DatabaseOptions, 'url' | 'applicationName' | 'log'> {
  return {
    poolMax: settings.databasePoolMax,
    connectTimeoutMs: settings.databaseWaitMs,
    statementTimeoutMs: settings.statementTimeoutMs,
    lockTimeoutMs: settings.lockTimeoutMs,
    idleTransactionMs: settings.idleTransactionMs,
  };
}

/** Warns where the server cannot give as many connections as the pool may ask for, beside those that others have. */
export async function warnOfRoom(database: Database, log: Log): Promise<void> {
  const { max: poolMax } = database.pool.options;
  try {
    const { free, max } = await readRoom(database.pool);
    if (poolMax > free) log.warn('postgres.room.short', { poolMax, free, max });
  } catch (error) {
    // Whoever needs the database finds out by itself.
    log.debug('postgres.room.unknown', { reason: error instanceof Error ? error.message : String(error) });
  }
}
