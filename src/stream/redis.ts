/**
 * Every connection to Redis is made here, knowingly, by role. ioredis is known in this folder only.
 *
 * A reading connection blocks in XREAD: `commandTimeout` or `blockingTimeout` there would drop replies
 * that Redis already counts as delivered and strand them in our own pending list, so it has
 * `socketTimeout` alone, longer than any block. See README, "Decisions".
 */
import { Redis } from 'ioredis';
import { Fault } from '../fault.ts';
import type { Log } from '../telemetry.ts';

/** A connection, for those who only hand it on. */
export type RedisConnection = Redis;

/** What a connection is for. */
export type RedisRole =
  /** Scripts and short commands of workers, planner and recorder: waits through an outage. */
  | 'command'
  /** Blocking reads. */
  | 'reading'
  /** Subscriptions. */
  | 'subscribing'
  /** The API: fails fast, because what it publishes is in PostgreSQL already. */
  | 'publishing';

/** Longest block of a reading connection. */
export const blockMsMax = 1_000;

/** Oldest server that has what the scripts need. */
const majorLeast = 7;

/**
 * A connected client of a role.
 * @throws Fault `redis` when the server cannot be reached or is older than 7.0.
 */
export async function connectRedis(url: string, role: RedisRole, log: Log, name = 'tocsin'): Promise<Redis> {
  const failsFast = role === 'publishing';
  const redis = new Redis(url, {
    lazyConnect: true,
    connectionName: `${name}-${role}`,
    maxRetriesPerRequest: failsFast ? 1 : null,
    enableOfflineQueue: !failsFast,
    autoResendUnfulfilledCommands: true,
    enableAutoPipelining: role === 'command',
    ...(role === 'reading' ? { socketTimeout: 2 * blockMsMax + 1_000 } : {}),
    retryStrategy: (attempt) => Math.min(2_000, 50 * 2 ** Math.min(attempt, 6)) * (0.5 + Math.random() / 2),
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 2 : false),
  });
  let isDown = false;
  redis.on('error', (error: Error) => {
    if (!isDown) log.warn('redis.down', { role }, error);
    isDown = true;
  });
  redis.on('ready', () => {
    if (isDown) log.info('redis.up', { role });
    isDown = false;
  });
  try {
    await redis.connect();
    await refuseOldServer(redis);
  } catch (cause) {
    redis.disconnect();
    if (cause instanceof Fault) throw cause;
    throw new Fault('redis', 'Redis does not answer; check REDIS_URL and that the server runs', { cause });
  }
  return redis;
}

async function refuseOldServer(redis: Redis): Promise<void> {
  const info = await redis.info('server');
  const version = /redis_version:(\d+)\.(\d+)/.exec(info);
  if (version !== null && Number(version[1]) < majorLeast)
    throw new Fault('redis', `Redis ${version[1]}.${version[2]} is too old; 7.0 or later is needed`);
}
