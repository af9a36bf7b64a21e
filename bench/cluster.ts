/**
 * A cluster for a bench: PostgreSQL and Redis as `npm start` runs them, simulated carriers, and every process of
 * ours, all fresh, in a temporary folder. Main thread. Durability is production's: nothing is traded for speed here.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Cluster, Redis } from 'ioredis';
import pg from 'pg';
import { type Child, startChild } from '../cluster/children.ts';
import { tocsinHome } from '../cluster/embedded.ts';
import { startPostgres } from '../cluster/embedded-postgres.ts';
import type { EmbeddedServer } from '../cluster/embedded-process.ts';
import { startRedis } from '../cluster/embedded-redis.ts';
import { shardsOf } from '../config/shards.ts';
import { environmentName } from '../config/schema.ts';
import { ensureRolePasswords, migrate, urlOfRole } from '../src/db/migrate.ts';
import type { Behaviour } from '../src/smsc/behaviour.ts';
import type { SmscStats } from '../src/smsc/stats.ts';
import { carrierKeys } from '../src/stream/keys.ts';
import { RedisCluster } from '../test/faults/redis-cluster.ts';
import { removeFolder, removeFoldersOfKilledRuns, temporaryFolder } from '../test/support/folder.ts';
import { ApiClient } from './api-client.ts';
import { prepareStatements } from './profile.ts';
import type { RoleOf } from './resources.ts';

/** A simulated carrier and its entry in the carriers file. */
export type BenchCarrier = {
  readonly name: string;
  readonly prefixes: readonly string[];
  readonly binds: number;
  readonly window: number;
  readonly ratePerSecond: number;
  readonly roundTripMs?: number;
  /** Parts that its account is divided into; 1 when absent. */
  readonly shards?: number;
  /** Differences from a carrier that takes everything at once. */
  readonly behaviour?: Partial<Behaviour>;
  /** Keep a log of what arrived; see `logOf`. */
  readonly keepsLog?: boolean;
};

/** What to start. */
export type ClusterOptions = {
  readonly carriers: readonly BenchCarrier[];
  /** 0: nothing is sent, everything waits in Redis. */
  readonly workers: number;
  /** What Redis is: one server, or three primaries with a replica each. */
  readonly redis?: 'single' | 'cluster';
  /** Settings that differ from the defaults, by their names in config/schema.ts. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Folder for CPU profiles; empty for none. */
  readonly profile?: string;
};

/** A carrier that takes whatever comes. */
export const boundlessCarrier: BenchCarrier = {
  name: 'carrier',
  prefixes: [''],
  binds: 4,
  window: 500,
  ratePerSecond: 10_000_000,
  roundTripMs: 0,
};

/** Not secrets: everything listens on loopback and lives as long as the bench. */
const passwords = { api: 'bench-api', service: 'bench-service', carrier: 'bench' };
const platformKey = 'tocsin-platform-of-a-bench-only';
const passwordEnv = 'TOCSIN_BENCH_CARRIER_PASSWORD';
const systemId = 'bench';
const stopMs = 30_000;
const logLinesShown = 20;
const bindPollMs = 20;
const bindMsMax = 60_000;

type Listening = { readonly port: number; readonly httpPort: number };

/** An installation in a folder of its own, whose processes can be started and ended more than once. */
export class BenchCluster {
  readonly folder: string;
  /** The settings that decide what a power cut may cost, as they were in force at the last start. */
  durability = '';
  #postgres: EmbeddedServer | undefined;
  #redis: EmbeddedServer | undefined;
  #owner: pg.Client | undefined;
  #redisCluster: RedisCluster | undefined;
  #redisClient: Redis | Cluster | undefined;
  #children: Child[] = [];
  #smsc: readonly Listening[] = [];
  #api: ApiClient | undefined;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** A new installation with a migrated, empty database. Ends and removes what killed benches left. */
  static async create(profile = ''): Promise<BenchCluster> {
    await removeFoldersOfKilledRuns();
    const cluster = new BenchCluster(temporaryFolder());
    await cluster.startPostgres();
    if (profile !== '') {
      await prepareStatements(cluster.sql);
      await cluster.stop();
      await cluster.startPostgres();
    }
    await migrate(cluster.ownerUrl);
    await ensureRolePasswords(cluster.ownerUrl, passwords);
    return cluster;
  }

  /** Connection string of the database's owner. */
  get ownerUrl(): string {
    return required(this.#postgres, 'PostgreSQL').url;
  }

  /** Connection string of the role that planner and recorder use. */
  get serviceUrl(): string {
    return urlOfRole(this.ownerUrl, 'tocsin_service', passwords.service);
  }

  get redisUrl(): string {
    return this.#redisCluster?.url ?? required(this.#redis, 'Redis').url;
  }

  /** A connection as the database's owner, who bypasses row-level security. */
  get sql(): pg.Client {
    return required(this.#owner, 'PostgreSQL');
  }

  get redis(): Redis | Cluster {
    return required(this.#redisClient, 'Redis');
  }

  get api(): ApiClient {
    return required(this.#api, 'the API');
  }

  /** PostgreSQL over the data of last time. */
  async startPostgres(): Promise<void> {
    this.#postgres ??= await startPostgres({ directory: join(this.folder, 'postgres') });
    if (this.#owner !== undefined) return;
    this.#owner = new pg.Client({ connectionString: this.ownerUrl, application_name: 'bench' });
    this.#owner.on('error', () => undefined);
    await this.#owner.connect();
  }

  /** Starts what is not running: PostgreSQL over its data, an empty Redis, and every process. */
  async start(options: ClusterOptions): Promise<void> {
    await this.startPostgres();
    rmSync(join(this.folder, 'redis'), { recursive: true, force: true });
    const cache = join(tocsinHome(), 'redis-programs');
    if (options.redis === 'cluster') {
      mkdirSync(join(this.folder, 'redis'), { mode: 0o755 });
      this.#redisCluster = await RedisCluster.start(join(this.folder, 'redis'));
    } else this.#redis = await startRedis({ directory: join(this.folder, 'redis'), cache });
    this.#redisClient = this.#redisCluster?.client() ?? new Redis(this.redisUrl);
    this.durability = await durabilityOf(this.sql, this.#redisClient);
    await this.#startSimulator(options);
    await this.#startProcesses(options);
    await this.#untilBound(options);
  }

  /** Starts workers in a cluster that was started without any: what waits is sent from now on. */
  async startWorkers(options: ClusterOptions): Promise<void> {
    await this.#startWorkers(options, this.#sharedBy(options));
    await this.#untilBound(options);
  }

  /** Starts workers, or ends some as SIGTERM does, until there are `count`, and each has its share of the slots. */
  async setWorkers(options: ClusterOptions, count: number): Promise<void> {
    const running = this.#children.filter(({ name }) => name === 'worker');
    const leaving = running.slice(0, Math.max(0, running.length - count));
    this.#children = this.#children.filter((child) => !leaving.includes(child));
    await Promise.all(leaving.map((child) => child.stop(stopMs)));
    await this.#startWorkers({ ...options, workers: count - running.length }, this.#sharedBy(options));
    await this.#untilBound({ ...options, workers: count });
  }

  /** Every slot is bound, and every worker has its share of them. */
  async #untilBound({ carriers, workers }: ClusterOptions): Promise<void> {
    if (workers === 0) return;
    const giveUpMs = performance.now() + bindMsMax;
    for (;;) {
      const stats = await this.smscStats();
      const isBound = carriers.every(({ binds }, index) => stats[index]?.binds === binds);
      const parts = carriers.flatMap((carrier) => shardsOf({ shards: 1, ...carrier }));
      const owners = await Promise.all(parts.map(({ name }) => this.#slotOwners(name)));
      if (isBound && parts.every(({ binds }, index) => owners[index] === Math.min(binds, workers))) return;
      if (performance.now() > giveUpMs) throw new Error(`the binds are not there:\n${this.lastWords()}`);
      await delay(bindPollMs);
    }
  }

  async #slotOwners(carrier: string): Promise<number> {
    const slots = await this.redis.hvals(carrierKeys(carrier).slots);
    return new Set(slots.map((slot) => slot.slice(0, slot.indexOf('|')))).size;
  }

  async #startSimulator({ carriers, profile }: ClusterOptions): Promise<void> {
    const path = join(this.folder, 'simulator.json');
    const simulated = carriers.map(({ name, behaviour = {}, keepsLog }, index) => ({
      port: 0,
      httpPort: 0,
      accounts: [{ systemId, password: passwords.carrier }],
      seed: index + 1,
      behaviour,
      ...(keepsLog === true ? { log: this.logOf(name) } : {}),
    }));
    writeFileSync(path, JSON.stringify(simulated));
    const smsc = await this.#startChild('smsc', {}, profile, ['--carriers', path]);
    this.#smsc = smsc.announced['servers'] as readonly Listening[];
    const settings = carriers.map(({ behaviour: _, keepsLog: __, ...carrier }, index) => ({
      ...carrier,
      host: '127.0.0.1',
      port: this.#smsc[index]?.port,
      systemId,
      passwordEnv,
    }));
    writeFileSync(this.#carriersFile, JSON.stringify({ carriers: settings }));
  }

  async #startProcesses(options: ClusterOptions): Promise<void> {
    const { profile } = options;
    const shared = this.#sharedBy(options);
    const service = { ...shared, DATABASE_URL: this.serviceUrl };
    await this.#startChild('recorder', service, profile);
    await this.#startWorkers(options, shared);
    await this.#startChild('planner', service, profile);
    const asApi = { ...shared, DATABASE_URL: urlOfRole(this.ownerUrl, 'tocsin_api', passwords.api) };
    const api = await this.#startChild('api', asApi, profile);
    this.#api = new ApiClient(`http://127.0.0.1:${String(api.announced['port'])}`);
  }

  async #startWorkers({ workers, profile }: ClusterOptions, shared: Readonly<Record<string, string>>): Promise<void> {
    for (let number = 1; number <= workers; number++)
      await this.#startChild('worker', { ...shared, TOCSIN_WORKER_NAME: `worker-${number}` }, profile);
  }

  /** Environment of every process. */
  #sharedBy({ settings = {} }: ClusterOptions): Record<string, string> {
    const shared: Record<string, string> = {
      REDIS_URL: this.redisUrl,
      TOCSIN_CARRIERS: this.#carriersFile,
      TOCSIN_PLATFORM_KEY: platformKey,
      TOCSIN_LOG_LEVEL: 'warn',
      TOCSIN_KEY_REQUESTS_PER_SECOND_MAX: '0',
      TOCSIN_ADDRESS_REQUESTS_PER_SECOND_MAX: '0',
      PORT: '0',
      [passwordEnv]: passwords.carrier,
    };
    for (const [name, value] of Object.entries(settings)) shared[environmentName(name)] = String(value);
    return shared;
  }

  async #startChild(
    role: string,
    environment: Readonly<Record<string, string>>,
    profile = '',
    args: readonly string[] = [],
  ): Promise<Child> {
    const surroundings = { logFile: this.log, environment: { PATH: process.env['PATH'], ...environment } };
    // A forked child takes the flags of this process, and NODE_OPTIONS may not ask for profiles.
    const flags = process.execArgv;
    if (profile !== '') process.execArgv = [...flags, '--cpu-prof', `--cpu-prof-dir=${join(profile, role)}`];
    try {
      const child = await startChild(role, role, surroundings, args);
      this.#children.unshift(child);
      return child;
    } finally {
      process.execArgv = flags;
    }
  }

  get #carriersFile(): string {
    return join(this.folder, 'carriers.json');
  }

  /** Where all processes write their logs. */
  get log(): string {
    return join(this.folder, 'cluster.log');
  }

  /** The end of that log. */
  lastWords(): string {
    return readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-logLinesShown).join('\n');
  }

  /** Log of a carrier that keeps one. */
  logOf(carrier: string): string {
    return join(this.folder, `${carrier}.log`);
  }

  /** What each carrier has counted, in the order in which they were given. */
  async smscStats(): Promise<SmscStats[]> {
    return await Promise.all(
      this.#smsc.map(async ({ httpPort }) => {
        const response = await fetch(`http://127.0.0.1:${httpPort}/stats`);
        return (await response.json()) as SmscStats;
      }),
    );
  }

  /** Roles of the processes, for resources.ts: ours by their files, the servers by their ids. */
  readonly roleOf: RoleOf = ({ pid, command }) => {
    if (pid === this.#postgres?.pid) return 'postgres';
    if (pid === this.#redis?.pid || this.#redisCluster?.nodes.some((node) => node.pid === pid) === true) return 'redis';
    return /\/cluster\/(\w+)\.js/.exec(command)?.[1];
  };

  /** Ends every process of ours, in order, and waits for them. The servers stay. */
  async stopProcesses(): Promise<void> {
    for (const child of this.#children) await child.stop(stopMs);
    this.#children = [];
  }

  /** Ends everything; the database's data stays for the next start. */
  async stop(): Promise<void> {
    await this.stopProcesses();
    this.#redisClient?.disconnect();
    await this.#redis?.stop();
    await this.#redisCluster?.stop();
    await this.#owner?.end();
    await this.#postgres?.stop();
    this.#redisClient = undefined;
    this.#redis = undefined;
    this.#redisCluster = undefined;
    this.#owner = undefined;
    this.#postgres = undefined;
    this.#api = undefined;
  }

  /** Ends everything and removes the folder. */
  async dispose(): Promise<void> {
    await this.stop();
    removeFolder(this.folder);
  }
}

async function durabilityOf(sql: pg.Client, redis: Redis | Cluster): Promise<string> {
  const { rows } = await sql.query<{ name: string; setting: string }>(
    `select name, setting from pg_settings
      where name in ('fsync', 'full_page_writes', 'synchronous_commit') order by name`,
  );
  const [, appendonly] = await redis.config('GET', 'appendonly');
  const [, appendfsync] = await redis.config('GET', 'appendfsync');
  const postgres = rows.map(({ name, setting }) => `${name} ${setting}`).join(', ');
  return `PostgreSQL ${postgres}; Redis appendonly ${appendonly}, appendfsync ${appendfsync}`;
}

function required<Part>(part: Part | undefined, what: string): Part {
  if (part === undefined) throw new Error(`${what} is not running`);
  return part;
}
