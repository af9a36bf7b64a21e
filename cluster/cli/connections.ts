/** Connections of the operator's command, each for as long as a piece of work lasts. */
import { connect, type Database, statementFault } from '../../src/db/client.ts';
import { isTenantRole } from '../../src/db/overview.ts';
import { Fault } from '../../src/fault.ts';
import { commandFault, connectRedis, type RedisConnection } from '../../src/stream/redis.ts';
import { silentLog } from '../../src/telemetry.ts';
import { required, requiredRedis } from '../required.ts';
import type { Surroundings } from './command.ts';

/** A person waits: PostgreSQL that does not answer by then counts as away. */
const connectTimeoutMs = 5_000;

/**
 * Works with the cluster's Redis.
 * @throws Fault `config` when REDIS_URL is not set, `redis` when it does not answer.
 */
export async function withRedis<T>(
  { settings }: Surroundings,
  work: (redis: RedisConnection) => Promise<T>,
): Promise<T> {
  const redis = await connectRedis(requiredRedis(settings), 'publishing', silentLog, 'tocsin-command');
  try {
    return await work(redis);
  } catch (error) {
    throw commandFault(redis, error);
  } finally {
    redis.disconnect();
  }
}

/**
 * Works with the cluster's PostgreSQL, as the service role or the owner.
 * @throws Fault `config` when DATABASE_URL is not set, `postgres` when it does not answer or is another one.
 */
export async function withDatabase<T>(
  { settings }: Surroundings,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const database = connect({
    url: required(settings, 'databaseUrl'),
    poolMax: 4,
    applicationName: 'tocsin-command',
    statementTimeoutMs: settings.statementTimeoutMs,
    connectTimeoutMs,
    log: silentLog,
  });
  try {
    await database.ready();
    if (await isTenantRole(database.pool))
      throw new Fault('config', 'DATABASE_URL is of tocsin_api, which sees one organisation; take tocsin_service');
    return await work(database);
  } catch (error) {
    throw statementFault(error);
  } finally {
    await database.close();
  }
}
