/**
 * A real Redis with two replicas under three Sentinels on loopback. Runs in the process of a test or a bench.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { EmbeddedServer } from '../../cluster/embedded-process.ts';
import { type RedisSettings, redisServer, sentinelServer, type Server } from './servers.ts';

/** What the Sentinels call the set. */
const group = 'tocsin';
const replicas = 2;
const sentinels = 3;
const lookMs = 10;
const settings = {
  'repl-diskless-sync-delay': 0,
  // A primary that comes back, and does not know yet that it is none any more, takes no writes.
  'min-replicas-to-write': 1,
  'min-replicas-max-lag': 10,
};

/** See the head of this file. */
export class RedisSentinels {
  readonly nodes: readonly Server[];
  readonly #sentinels: readonly EmbeddedServer[];
  /** Whom a node follows that is started. */
  readonly #place: { primaryPort: number };

  private constructor(nodes: readonly Server[], watchers: readonly EmbeddedServer[], place: { primaryPort: number }) {
    this.#place = place;
    this.nodes = nodes;
    this.#sentinels = watchers;
  }

  /** Starts it in `folder`; resolves when the replicas follow and the Sentinels know them and each other. */
  static async start(folder: string): Promise<RedisSentinels> {
    const nodes: Server[] = [];
    const watchers: EmbeddedServer[] = [];
    const place = { primaryPort: 0 };
    const settingsAt: RedisSettings = (port) =>
      [0, port].includes(place.primaryPort) ? settings : { ...settings, replicaof: `127.0.0.1 ${place.primaryPort}` };
    try {
      for (let number = 1; number <= replicas + 1; number++) {
        const node = await redisServer(folder, `redis-${number}`, settingsAt);
        nodes.push(node);
        if (number === 1) place.primaryPort = node.port;
      }
      for (let number = 1; number <= sentinels; number++)
        watchers.push(await watcher(folder, number, place.primaryPort));
      const set = new RedisSentinels(nodes, watchers, place);
      await set.settled();
      return set;
    } catch (error) {
      for (const server of [...watchers, ...nodes]) await server.stop();
      throw error;
    }
  }

  /** What the Sentinels call it. */
  get group(): string {
    return group;
  }

  /** Ports of the Sentinels. */
  get ports(): readonly number[] {
    return this.#sentinels.map(({ port }) => port);
  }

  /** As `REDIS_URL` has it. */
  get url(): string {
    return `redis+sentinel://${this.ports.map((port) => `127.0.0.1:${port}`).join(',')}/${group}`;
  }

  /** For a client of a test's own. */
  get clientOptions() {
    const names = this.ports.map((port) => ({ host: '127.0.0.1', port }));
    return { sentinels: names, name: group, sentinelRetryStrategy: () => lookMs };
  }

  /** The node that the Sentinels name. */
  async primary(): Promise<Server> {
    const port = await asked(this.#sentinels[0]?.url ?? '', portOfPrimary);
    return this.nodes.find((node) => node.port === port) as Server;
  }

  /** Starts what is down, following whom the Sentinels name; resolves when it does. */
  async start(): Promise<void> {
    this.#place.primaryPort = (await this.primary()).port;
    await Promise.all(this.nodes.map((node) => node.start()));
    await this.settled();
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
