/**
 * A second Redis that follows a scene's first, and its promotion: by hand, or by a real Sentinel that notices the
 * loss by itself. Clients reach Redis by an address that moves, as behind a service or a proxy that asks Sentinel.
 * Runs in the test's process.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { EmbeddedServer } from '../../cluster/embedded-process.ts';
import { Proxy } from './proxy.ts';
import type { Scene } from './scene.ts';
import { redisServer, sentinelServer, type Server } from './servers.ts';

/** A Redis that follows the scene's, and the line over which it does, if that can be cut. */
export type Replica = { readonly server: Server; readonly line?: Proxy };

const lookMs = 10;
/** What Sentinel calls the first. */
const group = 'tocsin';
let servers = 1;

/** Starts a follower; resolves when it has caught up. `isCuttable`: over a line, which Sentinel would take away. */
export async function addReplica({ folder, redis }: Scene, isCuttable: boolean): Promise<Replica> {
  const server = await redisServer(folder, `redis-${++servers}`);
  const line = isCuttable ? await Proxy.open(portOf(redis)) : undefined;
  await asked(server.url, async (client) => {
    await client.replicaof('127.0.0.1', line?.port ?? portOf(redis));
    while (!/master_link_status:up/.test(await client.info('replication'))) await delay(lookMs);
  });
  return { server, ...(line === undefined ? {} : { line }) };
}

/** Kills Redis and lets the replica take its place. */
export async function promote(scene: Scene, { server, line }: Replica): Promise<void> {
  await scene.redis.kill();
  scene.redis.forget();
  await line?.close();
  await asked(server.url, (client) => client.replicaof('NO', 'ONE'));
  scene.moveRedis(server);
}

/** A Sentinel that knows the scene's Redis and its replica, and takes half a second of silence for death. */
export async function startSentinel({ folder, redis }: Scene): Promise<EmbeddedServer> {
  const sentinel = await sentinelServer(folder, `sentinel-${servers}`, [
    `sentinel monitor ${group} 127.0.0.1 ${portOf(redis)} 1`,
    `sentinel down-after-milliseconds ${group} 500`,
    `sentinel failover-timeout ${group} 3000`,
  ]);
  await asked(sentinel.url, async (client) => {
    while (((await client.call('SENTINEL', 'replicas', group)) as unknown[]).length === 0) await delay(lookMs);
  });
  return sentinel;
}

/** Kills Redis and waits until Sentinel has promoted the replica; its address follows what Sentinel says. */
export async function promoteBySentinel(scene: Scene, sentinel: EmbeddedServer, { server }: Replica): Promise<void> {
  await scene.redis.kill();
  scene.redis.forget();
  await asked(sentinel.url, async (client) => {
    const port = async () => ((await client.call('SENTINEL', 'get-master-addr-by-name', group)) as string[])[1];
    while ((await port()) !== String(server.port)) await delay(lookMs);
  });
  await sentinel.stop();
  scene.moveRedis(server);
}

/** Of the one server that the scene has. */
function portOf({ nodes }: Scene['redis']): number {
  return nodes[0]?.port ?? 0;
}

async function asked(url: string, ask: (client: Redis) => Promise<unknown>): Promise<void> {
  const client = new Redis(url);
  try {
    await ask(client);
  } finally {
    client.disconnect();
  }
}
