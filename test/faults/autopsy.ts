/**
 * What is left to look at when a case failed: the processes' logs, the carriers' logs, and what Redis held. Written
 * into the scene's folder, which is then moved to where no later run clears it away. Runs in the test's process.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Cluster, type Redis } from 'ioredis';

/** Writes down what Redis holds of each carrier: batches in hands with their ledgers, streams and schedules. */
export async function dumpRedis(redis: Redis | Cluster, carriers: readonly string[], folder: string): Promise<void> {
  const lines: string[] = [];
  const tell = (what: string, value: unknown) => lines.push(`${what} ${JSON.stringify(value)}`);
  for (const carrier of carriers) {
    for (const key of await keysOf(redis, `{${carrier}}:*`)) {
      const kind = await redis.type(key);
      if (kind === 'hash') tell(key, await redis.hgetall(key));
      else if (kind === 'zset') tell(key, await redis.zrange(key, '0', '-1', 'WITHSCORES'));
      else if (kind === 'string') tell(key, (await redis.get(key))?.slice(0, 200));
      else if (key.includes(':campaign:')) tell(key, await pendingOf(redis, key));
      else tell(key, { length: await redis.xlen(key) });
    }
  }
  writeFileSync(join(folder, 'redis-held.txt'), `${new Date().toISOString()}\n${lines.join('\n')}\n`);
}

async function keysOf(redis: Redis | Cluster, pattern: string): Promise<string[]> {
  const nodes = redis instanceof Cluster ? redis.nodes('master') : [redis];
  return (await Promise.all(nodes.map((node) => node.keys(pattern)))).flat().toSorted();
}

async function pendingOf(redis: Redis | Cluster, key: string): Promise<object> {
  const length = await redis.xlen(key);
  return {
    length,
    groups: await redis.xinfo('GROUPS', key),
    pending: await redis.xpending(key, 'workers', '-', '+', 20),
  };
}

/** Moves the folder of a scene to where it stays; returns the new place. */
export function keepFolder(folder: string): string {
  const kept = join(tmpdir(), basename(folder).replace('-test-', '-faults-'));
  renameSync(folder, kept);
  return kept;
}
