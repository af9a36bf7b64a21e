/**
 * A real Redis with two replicas under three Sentinels on loopback. Runs in the process of a test or a bench.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { EmbeddedServer } from '../../cluster/embedded-process.ts';
import { redisServer, sentinelServer, type Server } from './servers.ts';

/** What the Sentinels call the set. */
const group = 'tocsin';
const replicas = 2;
const sentinels = 3;
const lookMs = 10;
const settings = { 'repl-diskless-sync-delay': 0 };

/** See the head of this file. */
export class RedisSentinels {
  readonly nodes: readonly Server[];
  readonly #sentinels: readonly EmbeddedServer[];

  private constructor(nodes: readonly Server[], watchers: readonly EmbeddedServer[]) {
    this.nodes = nodes;
    this.#sentinels = watchers;
  }

  /** Starts it in `folder`; resolves when the replicas follow and the Sentinels know them and each other. */
  static async start(folder: string): Promise<RedisSentinels> {
    const nodes: Server[] = [];
    const watchers: EmbeddedServer[] = [];
    try {
      const first = await redisServer(folder, 'redis-1', settings);
      nodes.push(first);
      for (let number = 2; number <= replicas + 1; number++)
        nodes.push(await redisServer(folder, `redis-${number}`, { ...settings, replicaof: `127.0.0.1 ${first.port}` }));
      for (let number = 1; number <= sentinels; number++) watchers.push(await watcher(folder, number, first.port));
      const set = new RedisSentinels(nodes, watchers);
      await set.settled();
      return set;
    } catch (error) {
      for (const server of [...watchers, ...nodes]) await server.stop();
      throw error;
    }
  }

  /** As `REDIS_URL` has it. */
  get url(): string {
    return `redis+sentinel://${this.#sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${group}`;
  }

  /** The node that the Sentinels name. */
  async primary(): Promise<Server> {
    const port = await asked(this.#sentinels[0]?.url ?? '', portOfPrimary);
    return this.nodes.find((node) => node.port === port) as Server;
  }

  /** Resolves when they name another one than this. */
  async promotedAfter(server: Server): Promise<void> {
    await asked(this.#sentinels[0]?.url ?? '', async (client) => {
      while ((await portOfPrimary(client)) === server.port) await delay(lookMs);
    });
  }

  /** Resolves when every node runs and follows the primary, and every Sentinel knows all of them. */
  async settled(): Promise<void> {
    for (const { url } of this.#sentinels) {
      await asked(url, async (client) => {
        const count = async (of: string) => ((await client.call('SENTINEL', of, group)) as unknown[]).length;
        while ((await count('replicas')) < replicas || (await count('sentinels')) < sentinels - 1) await delay(lookMs);
      });
    }
    for (;;) {
      const primary = await this.primary();
      const followers = this.nodes.filter((node) => node !== primary);
      // Sentinel tells one that comes back after its next look, ten seconds later.
      for (const { url } of followers)
        await asked(url, async (client) => {
          if ((await client.info('replication')).includes('role:master'))
            await client.replicaof('127.0.0.1', primary.port);
        });
      const facts = await Promise.all(followers.map(({ url }) => asked(url, (client) => client.info('replication'))));
      const follows = (info: string) =>
        info.includes('master_link_status:up') && info.includes(`master_port:${primary.port}\r`);
      if (facts.every(follows)) return;
      await delay(lookMs);
    }
  }

  /** Ends it, at once. */
  async stop(): Promise<void> {
    await Promise.all(this.#sentinels.map((sentinel) => sentinel.stop()));
    await Promise.all(this.nodes.filter(({ isRunning }) => isRunning).map((node) => node.kill()));
  }
}

/** One that takes half a second of silence for death, if another one agrees. */
function watcher(folder: string, number: number, port: number): Promise<EmbeddedServer> {
  return sentinelServer(folder, `sentinel-${number}`, [
    `sentinel monitor ${group} 127.0.0.1 ${port} 2`,
    `sentinel down-after-milliseconds ${group} 500`,
    `sentinel failover-timeout ${group} 3000`,
    `sentinel parallel-syncs ${group} 2`,
  ]);
}

async function portOfPrimary(client: Redis): Promise<number> {
  const [, port] = (await client.call('SENTINEL', 'get-master-addr-by-name', group)) as [string, string];
  return Number(port);
}

async function asked<Answer>(url: string, ask: (client: Redis) => Promise<Answer>): Promise<Answer> {
  const client = new Redis(url);
  client.on('error', () => undefined);
  try {
    return await ask(client);
  } finally {
    client.disconnect();
  }
}
