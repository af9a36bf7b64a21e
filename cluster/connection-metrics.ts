/** Metrics of a process's connections to PostgreSQL and Redis. Labels are names that stand in the code. */
import type { Database } from '../src/db/client.ts';
import type { RedisConnection } from '../src/stream/redis.ts';
import type { Metrics, Sample } from '../src/telemetry.ts';

/** Registers a pool of connections to PostgreSQL. */
export function countPool(
  metrics: Metrics,
  pool: Pick<Database['pool'], 'totalCount' | 'idleCount' | 'waitingCount'> & { readonly options: { max?: number } },
): void {
  metrics.read('gauge', 'tocsin_database_connections', 'Connections to PostgreSQL by use.', ['state'], () => [
    [{ state: 'used' }, pool.totalCount - pool.idleCount],
    [{ state: 'idle' }, pool.idleCount],
  ]);
  metrics.read('gauge', 'tocsin_database_connections_max', 'Connections that this process may open.', [], () => [
    [{}, pool.options.max ?? 0],
  ]);
  metrics.read('gauge', 'tocsin_database_waiting', 'Statements that wait for a connection.', [], () => [
    [{}, pool.waitingCount],
  ]);
}

/** Registers connections to Redis, by what they are for. */
export function countRedis(
  metrics: Metrics,
  connections: Readonly<Record<string, Pick<RedisConnection, 'status'>>>,
): void {
  metrics.read('gauge', 'tocsin_redis_ready', '1 while the connection to Redis can be used.', ['connection'], () =>
    Object.entries(connections).map(([connection, { status }]): Sample => [{ connection }, status === 'ready' ? 1 : 0]),
  );
}

/** Registers how far a replica is behind; without one, or while it is not read, there is no sample. */
export function countReplica(metrics: Metrics, replica: { readonly lagMs: number } | undefined): void {
  const help = 'How old what is read from the replica may be; no sample while the primary answers.';
  metrics.read('gauge', 'tocsin_replica_lag_seconds', help, [], () =>
    replica !== undefined && Number.isFinite(replica.lagMs) ? [[{}, replica.lagMs / 1000]] : [],
  );
}
