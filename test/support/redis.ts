/**
 * Redis for tests: a logical database of its own for each caller, on the one server of the run. Tests
 * that kill, restart, or reconfigure Redis take a server of their own (own-server.ts).
 */
import { Redis } from 'ioredis';
import { inject } from 'vitest';

/** An empty logical database. */
export type TestRedis = {
  /** Ends with the number of the database, for example `redis://127.0.0.1:6379/3`. */
  readonly url: string;
  /** Removes every key in it. */
  drop(): Promise<void>;
};

/** Logical databases on the run's server; number 0 counts those handed out. */
export const testDatabases = 1024;

async function withRedis<T>(url: string, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1 });
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

/** An empty logical database that nobody else in this run uses. */
export async function testRedis(): Promise<TestRedis> {
  const server = inject('redisUrl');
  const taken = await withRedis(server, (redis) => redis.incr('databases-taken'));
  const url = `${server}/${1 + ((taken - 1) % (testDatabases - 1))}`;
  const drop = async () => {
    await withRedis(url, (redis) => redis.flushdb());
  };
  await drop();
  return { url, drop };
}
