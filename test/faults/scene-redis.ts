/**
 * The Redis of a scene: one server, a cluster, or a set under Sentinels. What a case does to "Redis" it does to every
 * node of it, so that the same cases run on each. Runs in the test's process.
 */
import { type Cluster, Redis } from 'ioredis';
import { aclRules, redisRoles } from '../../config/redis-acl.ts';
import { RedisCluster } from './redis-cluster.ts';
import { RedisSentinels } from './redis-sentinel.ts';
import { redisServer, type Server } from './servers.ts';

/** The forms of Redis that scenes can have. */
export const redisKinds = ['single', 'cluster', 'sentinel'] as const;
/** One of them. */
export type RedisKind = (typeof redisKinds)[number];

/** A server that processes connect to, and what they call its line. */
type Address = { readonly name: string; readonly port: number };

/** See the head of this file. */
export class SceneRedis {
  readonly kind: RedisKind;
  readonly cluster: RedisCluster | undefined;
  readonly sentinels: RedisSentinels | undefined;
  #nodes: readonly Server[];
  #client: Redis | Cluster;

  private constructor(nodes: readonly Server[], cluster?: RedisCluster, sentinels?: RedisSentinels) {
    this.kind = cluster !== undefined ? 'cluster' : sentinels !== undefined ? 'sentinel' : 'single';
    this.#nodes = nodes;
    this.cluster = cluster;
    this.sentinels = sentinels;
    this.#client = this.#connect();
  }

  /** Starts it in `folder`. */
  static async start(folder: string, kind: RedisKind): Promise<SceneRedis> {
    switch (kind) {
      case 'single':
        return new SceneRedis([await redisServer(folder)]);
      case 'cluster': {
        const cluster = await RedisCluster.start(folder);
        return new SceneRedis(cluster.nodes, cluster);
      }
      case 'sentinel': {
        const sentinels = await RedisSentinels.start(folder);
        return new SceneRedis(sentinels.nodes, undefined, sentinels);
      }
    }
  }

  #connect(): Redis | Cluster {
    const patient = { maxRetriesPerRequest: null, retryStrategy: () => 50 };
    const client = this.cluster?.client() ?? new Redis({ ...patient, ...this.#serverOptions() });
    client.on('error', () => undefined);
    return client;
  }

  #serverOptions() {
    return this.sentinels?.clientOptions ?? { host: '127.0.0.1', port: this.#nodes[0]?.port ?? 0 };
  }

  /** A connection of the test's own; waits through faults. */
  get client(): Redis | Cluster {
    return this.#client;
  }

  /** Its servers that hold data. */
  get nodes(): readonly Server[] {
    return this.#nodes;
  }

  /** Every node runs. */
  get isRunning(): boolean {
    return this.#nodes.every((node) => node.isRunning);
  }

  /**
   * What a process is told of it. It logs in by `login` (`user:password@`) and reaches each server over the line on the
   * port that `lineTo` gives for it.
   */
  async environmentBy(
    lineTo: (name: string, port: number) => Promise<number>,
    login = '',
  ): Promise<Record<string, string>> {
    const nodes = this.#nodes.map(({ port }, at): Address => ({ name: at === 0 ? 'redis' : `redis-${at + 1}`, port }));
    const lines = async (addresses: readonly Address[]) => {
      const ports: number[] = [];
      for (const { name, port } of addresses) ports.push(await lineTo(name, port));
      return ports;
    };
    const hosts = (ports: readonly number[]) => ports.map((port) => `127.0.0.1:${port}`).join(',');
    const nodePorts = await lines(nodes);
    if (this.kind === 'single') return { REDIS_URL: `redis://${login}${hosts(nodePorts)}` };
    const watchers = (this.sentinels?.ports ?? []).map((port, at): Address => ({ name: `redis-sentinel-${at}`, port }));
    const watcherPorts = await lines(watchers);
    const announced = [...nodes, ...watchers];
    const reachedAs = [...nodePorts, ...watcherPorts].map(
      (port, at) => `127.0.0.1:${announced[at]?.port}=127.0.0.1:${port}`,
    );
    return {
      REDIS_URL:
        this.sentinels === undefined
          ? `redis+cluster://${login}${hosts(nodePorts)}`
          : `redis+sentinel://${login}${hosts(watcherPorts)}/${this.sentinels.group}`,
      TOCSIN_REDIS_REACHED_AS: reachedAs.join(','),
    };
  }

  /** Gives each kind of process a user of its own, which may do what `config/redis-acl.ts` says. */
  async addUsers(password: string): Promise<void> {
    for (const role of redisRoles) {
      const user = [`tocsin-${role}`, 'reset', 'on', `>${password}`, ...aclRules(role)];
      await this.everywhere((node) => node.call('ACL', 'SETUSER', ...user));
    }
  }

  /** Another server in place of the only one. */
  replaceBy(server: Server): void {
    this.#nodes = [server];
    this.#client.disconnect();
    this.#client = this.#connect();
  }

  /** Asks every node something. */
  async everywhere(ask: (node: Redis) => Promise<unknown>): Promise<void> {
    for (const { url, isRunning } of this.#nodes) {
      if (!isRunning) continue;
      const client = new Redis(url);
      try {
        await ask(client);
      } finally {
        client.disconnect();
      }
    }
  }

  /** The server that has a key. */
  async primaryOf(key: string): Promise<Server> {
    const primary = (await this.cluster?.primaryOf(key)) ?? (await this.sentinels?.primary()) ?? this.#nodes[0];
    if (primary === undefined) throw new Error('there is no Redis');
    return primary;
  }

  /** Kills the server that has a key, and resolves when a replica has taken over. */
  async killPrimaryOf(key: string): Promise<void> {
    const primary = await this.primaryOf(key);
    await primary.kill();
    if (this.cluster !== undefined) await this.cluster.takenOver(key, primary);
    else await this.sentinels?.promotedAfter(primary);
  }

  /** Kills the server that has a key, and its replicas, and removes their data. */
  async loseShardOf(key: string): Promise<void> {
    const servers = (await this.cluster?.shardOf(key)) ?? this.#nodes;
    await Promise.all(servers.map((server) => server.kill()));
    for (const server of servers) server.forget();
  }

  /** Starts what is down, over its data, and resolves when everybody follows whom they should. */
  async start(): Promise<void> {
    if (this.isRunning) return;
    if (this.sentinels !== undefined) return await this.sentinels.start();
    await Promise.all(this.#nodes.map((node) => node.start()));
    await this.cluster?.settled();
  }

  /** Kills every node. */
  async kill(): Promise<void> {
    await Promise.all(this.#nodes.filter(({ isRunning }) => isRunning).map((node) => node.kill()));
  }

  /** Freezes every node. */
  freeze(): void {
    for (const node of this.#nodes) node.freeze();
  }

  /** Lets every node go on. */
  thaw(): void {
    for (const node of this.#nodes) node.thaw();
  }

  /** Removes all data while it is down. */
  forget(): void {
    for (const node of this.#nodes) node.forget();
  }

  /** Keeps a copy of all data as they are now. */
  async remember(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.remember()));
  }

  /** Goes back to that copy while it is down. */
  fallBack(): void {
    for (const node of this.#nodes) node.fallBack();
  }

  /** Ends it. */
  async stop(): Promise<void> {
    this.#client.disconnect();
    await this.sentinels?.stop();
    await this.cluster?.stop();
    if (this.kind === 'single') for (const node of this.#nodes) await node.stop();
  }
}
