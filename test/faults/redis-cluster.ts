/**
 * A real Redis Cluster on loopback: three primaries with a replica each, whose slots can be moved while clients work.
 * Runs in the process of a test or a bench.
 */
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Cluster, Redis } from 'ioredis';
import { redisServer, type Server } from './servers.ts';

const primaries = 3;
const slots = 16_384;
const lookMs = 10;
/** Keys that are moved in one step. */
const movedAtOnce = 10;
/** A node's bus has the port above its own by this. */
const busOffset = 10_000;

/** Settings of every node. */
const settings = {
  'cluster-enabled': 'yes',
  'cluster-config-file': 'nodes.conf',
  // A replica takes over about this long after its primary went silent, and a second.
  'cluster-node-timeout': 1_000,
  'cluster-replica-validity-factor': 0,
  // Carriers of the other primaries go on meanwhile.
  'cluster-require-full-coverage': 'no',
  'cluster-allow-replica-migration': 'no',
  'repl-diskless-sync-delay': 0,
};

/** A slot on its way: its keys go one by one. */
export type Move = {
  /** Moves up to so many keys; false when none is left. */
  some(): Promise<boolean>;
  /** Moves the rest and gives the slot to its new owner. */
  finish(): Promise<void>;
};

/** See the head of this file. */
export class RedisCluster {
  readonly nodes: readonly Server[];
  readonly #clients: readonly Redis[];

  private constructor(nodes: readonly Server[]) {
    this.nodes = nodes;
    this.#clients = nodes.map(({ url }) => {
      const client = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 2 * lookMs });
      client.on('error', () => undefined);
      return client;
    });
  }

  /** Starts it in `folder`; resolves when every slot is served and every replica follows. `more`: for each node. */
  static async start(folder: string, more: Readonly<Record<string, string | number>> = {}): Promise<RedisCluster> {
    // Each server ends with this process.
    process.setMaxListeners(Math.max(process.getMaxListeners(), 50));
    const nodes: Server[] = [];
    try {
      for (let number = 1; number <= 2 * primaries; number++)
        nodes.push(await redisServer(folder, `redis-${number}`, () => ({ ...settings, ...more }), await freePort()));
      const cluster = new RedisCluster(nodes);
      await cluster.#join();
      return cluster;
    } catch (error) {
      for (const node of nodes) await node.stop();
      throw error;
    }
  }

  /** As `REDIS_URL` has it. */
  get url(): string {
    return `redis+cluster://${this.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
  }

  /** A connection of a test's own, which waits through faults. */
  client(): Cluster {
    const nodes = this.nodes.map(({ port }) => ({ host: '127.0.0.1', port }));
    const waits = { maxRedirections: Number.MAX_SAFE_INTEGER, clusterRetryStrategy: () => 5 * lookMs };
    return new Cluster(nodes, { ...waits, slotsRefreshInterval: 500 });
  }

  async #join(): Promise<void> {
    const [first, ...others] = this.#clients as [Redis, ...Redis[]];
    for (const [index, client] of this.#clients.entries()) {
      await client.cluster('SET-CONFIG-EPOCH', index + 1);
      if (index >= primaries) continue;
      const from = Math.ceil((index * slots) / primaries);
      await client.call('CLUSTER', 'ADDSLOTSRANGE', from, Math.ceil(((index + 1) * slots) / primaries) - 1);
    }
    for (const [index] of others.entries()) await first.cluster('MEET', '127.0.0.1', this.nodes[index + 1]?.port ?? 0);
    await until(async () => (await this.#everybody('known_nodes')).every((count) => count === String(2 * primaries)));
    for (const [index, client] of this.#clients.slice(primaries).entries())
      await client.cluster('REPLICATE', (await this.#clients[index]?.cluster('MYID')) as string);
    await this.settled();
  }

  async #everybody(fact: string): Promise<(string | undefined)[]> {
    const infos = await Promise.all(this.#clients.map((client) => client.cluster('INFO')));
    return infos.map((info) => new RegExp(`cluster_${fact}:(\\S+)`).exec(String(info))?.[1]);
  }

  /** Resolves when every node runs, every slot is served, and every replica has what its primary has. */
  async settled(): Promise<void> {
    await until(async () => (await this.#everybody('state')).every((state) => state === 'ok'));
    await until(async () => {
      const infos = await Promise.all(this.#clients.map((client) => client.info('replication')));
      const isPrimary = (info: string) => info.includes('role:master');
      const follows = (info: string) => /master_link_status:up/.test(info);
      return infos.filter(isPrimary).length === primaries && infos.every((info) => isPrimary(info) || follows(info));
    });
  }

  /** The node that serves the slot of a key. */
  async primaryOf(key: string): Promise<Server> {
    return (await this.#partsOf(key)).primary;
  }

  /** Resolves when another node than this serves the slot of a key. */
  async takenOver(key: string, from: Server): Promise<void> {
    await until(async () => (await this.primaryOf(key)) !== from);
  }

  /** A node that serves other slots. */
  async otherThan(key: string): Promise<Server> {
    const { primary, others } = await this.#partsOf(key);
    return others[0] ?? primary;
  }

  async #partsOf(key: string): Promise<{ slot: number; primary: Server; others: Server[] }> {
    const asked = this.#clients.find((_, index) => this.nodes[index]?.isRunning === true) as Redis;
    const slot = Number(await asked.cluster('KEYSLOT', key));
    const ranges = await slotsOf(asked);
    const serverAt = (port: number) => this.nodes.find((node) => node.port === port) as Server;
    const owner = ownerIn(ranges, slot);
    const ports = new Set(ranges.map(([, , primary]) => primary?.[1] ?? 0));
    ports.delete(owner);
    return { slot, primary: serverAt(owner), others: [...ports].map((port) => serverAt(port)) };
  }

  /** The node that serves the slot of a key, and its replicas. */
  async shardOf(key: string): Promise<Server[]> {
    const { slot, primary } = await this.#partsOf(key);
    const range = (await slotsOf(this.#clientOf(primary))).find(([from, to]) => from <= slot && slot <= to);
    const [, , ...nodes] = range ?? [0, 0];
    const ports = nodes.map(([, port]) => port);
    return this.nodes.filter(({ port }) => ports.includes(port));
  }

  /** Begins to move the slot of a key to another primary, as `redis-cli --cluster reshard` does. */
  async move(key: string, target: Server): Promise<Move> {
    const { slot, primary } = await this.#partsOf(key);
    const [from, to] = [this.#clientOf(primary), this.#clientOf(target)];
    const [fromId, toId] = [await from.cluster('MYID'), await to.cluster('MYID')];
    await to.cluster('SETSLOT', slot, 'IMPORTING', fromId);
    await from.cluster('SETSLOT', slot, 'MIGRATING', toId);
    const some = async () => {
      const keys = await from.cluster('GETKEYSINSLOT', slot, movedAtOnce);
      if (keys.length > 0) await from.call('MIGRATE', '127.0.0.1', target.port, '', 0, 5_000, 'KEYS', ...keys);
      return keys.length > 0;
    };
    const finish = async () => {
      while (await some());
      for (const client of [to, from]) await client.cluster('SETSLOT', slot, 'NODE', toId);
      // Whoever asks the others hears it at once, too.
      await until(async () => (await Promise.all(this.#runningOwnersOf(slot))).every((port) => port === target.port));
    };
    return { some, finish };
  }

  #runningOwnersOf(slot: number): Promise<number>[] {
    return this.#clients
      .filter((_, index) => this.nodes[index]?.isRunning === true)
      .map(async (client) => ownerIn(await slotsOf(client), slot));
  }

  #clientOf(server: Server): Redis {
    return this.#clients[this.nodes.indexOf(server)] as Redis;
  }

  /** Ends it, at once: a node that has just been given its data takes no SIGTERM. */
  async stop(): Promise<void> {
    for (const client of this.#clients) client.disconnect();
    await Promise.all(this.nodes.filter(({ isRunning }) => isRunning).map((node) => node.kill()));
  }
}

/** Port of the primary of a slot. */
function ownerIn(ranges: Awaited<ReturnType<typeof slotsOf>>, slot: number): number {
  return ranges.find(([from, to]) => from <= slot && slot <= to)?.[2]?.[1] ?? 0;
}

function slotsOf(client: Redis) {
  return client.cluster('SLOTS');
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await delay(lookMs);
}

/** A port that is free, and its bus's too, below those that systems give to clients. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 12_000);
    if ((await isFree(port)) && (await isFree(port + busOffset))) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  const isBound = await new Promise<boolean>((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => resolve(true));
  });
  await new Promise((resolve) => probe.close(resolve));
  return isBound;
}
