/**
 * A whole installation for fault tests: PostgreSQL, Redis, simulated carriers and every process of the cluster, each
 * connection between them through a proxy of its own. Outlives the faults: whatever was killed or cut is started and
 * healed again by `recover`. Runs in the test's process, under vitest or from the command line.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { environmentName } from '../../config/schema.ts';
import { newKey } from '../../src/api/authentication.ts';
import { ensureRolePasswords, migrate, urlOfRole } from '../../src/db/migrate.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';
import { dumpRedis, keepFolder } from './autopsy.ts';
import { Child } from './child.ts';
import { type Line, Lines } from './lines.ts';
import { Proxy } from './proxy.ts';
import { type RedisKind, SceneRedis } from './scene-redis.ts';
import { postgresServer, type Server, SmallDisk } from './servers.ts';
import { account, type CarrierPlan, Simulator } from './simulator.ts';

/** What a scene is made of. */
export type SceneOptions = {
  readonly workers: number;
  readonly carriers: readonly CarrierPlan[];
  /** Settings that differ from the scene's usual ones, by their names in config/schema.ts. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Further environment of every process. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Folder of the migrations that the database begins with; ours when absent. */
  readonly migrations?: string;
  /** Folder of another compiled program that processes are started from at first; ours when absent. */
  readonly program?: string;
  /** Each kind of process has a user of its own in Redis, with this password. */
  readonly redisPassword?: string;
  /** What its Redis is; one server when absent. */
  readonly redis?: RedisKind;
  /** This server lives on a small file system of its own. */
  readonly smallDisk?: { readonly of: 'postgres' | 'redis'; readonly megabytes: number };
};

/** Roles in the order in which they start. */
export type Role = 'recorder' | 'worker' | 'planner' | 'api';

const passwords = { api: 'faults-api', service: 'faults-service' };
const passwordEnv = 'TOCSIN_FAULTS_PASSWORD';
const platformKey = 'tocsin-platform-of-fault-tests';

/** Short leases, so that a test need not wait long for what a production waits for longer. */
const usualSettings: Readonly<Record<string, string | number>> = {
  logLevel: 'info',
  batchRecipientsMax: 100,
  batchSecondsMax: 0.5,
  batchLeaseMs: 2_500,
  slotLeaseMs: 2_000,
  recorderLeaseMs: 2_000,
  plannerLeaseMs: 2_000,
  retryDelayMs: 200,
  // Longer than any receipt takes here; a campaign that ends with it lacks a receipt, and the judge says so.
  receiptWaitSeconds: 6,
  drainMs: 6_000,
  graceMs: 9_000,
};

/** Patience with the carriers, short for the same reason. */
const usualCarrier = { responseMs: 1_500, enquireLinkMs: 1_000, reconnectMs: 50, reconnectMsMax: 500, roundTripMs: 20 };

type Seat = {
  readonly name: string;
  readonly role: Role;
  child: Child | undefined;
  readonly proxies: Map<string, Proxy>;
};

/** See the head of this file. */
export class Scene {
  readonly folder: string;
  readonly postgres: Server;
  readonly redis: SceneRedis;
  readonly sql: pg.Pool;
  /** Folder of the compiled program that processes are started from; ours when undefined. */
  program: string | undefined;
  readonly carriers: readonly Simulator[];
  readonly options: SceneOptions;
  /** Key of the scene's one organisation. */
  key = '';
  organisation = '';
  readonly #seats = new Map<string, Seat>();

  /** The small file system, where a server has one of its own. */
  readonly disk: SmallDisk | undefined;

  private constructor(
    folder: string,
    disk: SmallDisk | undefined,
    postgres: Server,
    redis: SceneRedis,
    options: SceneOptions,
  ) {
    this.folder = folder;
    this.disk = disk;
    this.postgres = postgres;
    this.redis = redis;
    this.options = options;
    this.program = options.program;
    this.sql = new pg.Pool({ connectionString: postgres.url, max: 3, application_name: 'faults' });
    this.sql.on('error', () => undefined);
    this.carriers = options.carriers.map((plan) => new Simulator(plan, folder));
  }

  /** Starts everything, fresh. */
  static async open(options: SceneOptions): Promise<Scene> {
    const folder = temporaryFolder();
    const { smallDisk } = options;
    const disk = smallDisk === undefined ? undefined : new SmallDisk(join(folder, 'disk'), smallDisk.megabytes);
    const folderOf = (server: 'postgres' | 'redis') => (smallDisk?.of === server ? disk?.folder : undefined) ?? folder;
    const [postgres, redis] = await Promise.all([
      postgresServer(folderOf('postgres')),
      SceneRedis.start(folderOf('redis'), options.redis ?? 'single'),
    ]);
    const scene = new Scene(folder, disk, postgres, redis, options);
    try {
      if (options.redisPassword !== undefined) await redis.addUsers(options.redisPassword);
      await Promise.all([scene.#prepareDatabase(), ...scene.carriers.map((carrier) => carrier.start())]);
      scene.#seat('recorder', 'recorder');
      for (let number = 1; number <= options.workers; number++) scene.#seat(`worker-${number}`, 'worker');
      scene.#seat('planner', 'planner');
      scene.#seat('api', 'api');
      await scene.recover();
      return scene;
    } catch (error) {
      await scene.close();
      throw error;
    }
  }

  async #prepareDatabase(): Promise<void> {
    const { migrations } = this.options;
    await migrate(this.postgres.url, migrations === undefined ? {} : { folder: migrations });
    await ensureRolePasswords(this.postgres.url, passwords);
    const { rows } = await this.sql.query<{ id: string }>(
      "insert into organisations (name) values ('Town') returning id",
    );
    this.organisation = rows[0]?.id ?? '';
    const { key, prefix, hash } = newKey();
    this.key = key;
    await this.sql.query("insert into api_keys (organisation_id, name, prefix, key_hash) values ($1, 'x', $2, $3)", [
      this.organisation,
      prefix,
      hash,
    ]);
  }

  #seat(name: string, role: Role): void {
    this.#seats.set(name, { name, role, child: undefined, proxies: new Map() });
  }

  // ── processes ────────────────────────────────────────────────────────────────────────────────

  /** Names of the processes of a role. */
  names(role: Role): string[] {
    return [...this.#seats.values()].filter((seat) => seat.role === role).map(({ name }) => name);
  }

  /** A running process. */
  child(name: string): Child {
    const child = this.#seatOf(name).child;
    if (child === undefined) throw new Error(`${name} is not running`);
    return child;
  }

  /** The line of a process to `redis` (to all of its servers), `postgres` or a carrier. */
  line(name: string, to: string): Line {
    const proxies = proxiesTo(this.#seatOf(name), to);
    if (proxies.length === 0) throw new Error(`${name} has no line to ${to}`);
    return new Lines(proxies);
  }

  /** Lines of every process to one server, or to all of Redis. */
  lines(to: string): Proxy[] {
    return [...this.#seats.values()].flatMap((seat) => proxiesTo(seat, to));
  }

  /** Starts a process; `environment` is for this start only. */
  async start(name: string, environment: Readonly<Record<string, string>> = {}): Promise<void> {
    const seat = this.#seatOf(name);
    if (seat.child?.isRunning === true) return;
    const logFile = this.logOf(name);
    const complete = { ...(await this.#environmentOf(seat)), ...environment };
    seat.child = await Child.start({ module: seat.role, environment: complete, logFile, program: this.program });
  }

  /** Kills a process with SIGKILL. */
  async kill(name: string): Promise<void> {
    await this.child(name).kill();
  }

  /** Memory and open files of every running process. */
  resources(): { readonly name: string; readonly megabytes: number; readonly handles: number }[] {
    return [...this.#seats.values()].flatMap(({ name, child }) =>
      child?.isRunning === true ? [{ name, megabytes: child.megabytes, handles: child.handles }] : [],
    );
  }

  /** Where a process writes its log. */
  logOf(name: string): string {
    return join(this.folder, `${name}.txt`);
  }

  /** Adds a further process of a role to the scene, running. */
  async add(role: Role): Promise<string> {
    const name = `${role}-${this.names(role).length + 1}`;
    this.#seat(name, role);
    await this.start(name);
    return name;
  }

  /** Takes a process that ended out of the scene. */
  async forget(name: string): Promise<void> {
    const { proxies } = this.#seatOf(name);
    this.#seats.delete(name);
    for (const proxy of proxies.values()) await proxy.close();
  }

  #seatOf(name: string): Seat {
    const seat = this.#seats.get(name);
    if (seat === undefined) throw new Error(`there is no process ${name}`);
    return seat;
  }

  #redisLogin(role: Role): string {
    const { redisPassword } = this.options;
    return redisPassword === undefined ? '' : `tocsin-${role}:${redisPassword}@`;
  }

  async #environmentOf(seat: Seat): Promise<Record<string, string>> {
    const { name, role, proxies } = seat;
    const to = async (server: string, port: number) => {
      const proxy = proxies.get(server) ?? (await Proxy.open(port));
      proxies.set(server, proxy);
      return proxy.port;
    };
    const file = join(this.folder, `${name}.carriers.json`);
    const entries = [];
    for (const carrier of this.carriers) {
      const { behaviour: _, settings = {}, shards: __, ...plan } = carrier.plan;
      const port = role === 'worker' ? await to(carrier.plan.name, carrier.port) : carrier.port;
      const { systemId } = account;
      // The last release, which some scenes begin with, knows none.
      const division = carrier.shards === 1 ? {} : { shards: carrier.shards };
      entries.push({
        ...usualCarrier,
        ...plan,
        ...settings,
        ...division,
        host: '127.0.0.1',
        port,
        systemId,
        passwordEnv,
      });
    }
    writeFileSync(file, JSON.stringify({ carriers: entries }));
    const environment: Record<string, string> = {
      ...(await this.redis.environmentBy(to, this.#redisLogin(role))),
      TOCSIN_CARRIERS: file,
      [passwordEnv]: account.password,
      TOCSIN_PLATFORM_KEY: platformKey,
      PORT: '0',
      ...this.options.environment,
    };
    for (const [setting, value] of Object.entries({ ...usualSettings, ...this.options.settings }))
      environment[environmentName(setting)] = String(value);
    if (role === 'worker') {
      // Workers keep their names over restarts, as they do under `npm start`.
      return { ...environment, TOCSIN_WORKER_NAME: name };
    }
    const url = new URL(
      urlOfRole(
        this.postgres.url,
        role === 'api' ? 'tocsin_api' : 'tocsin_service',
        role === 'api' ? passwords.api : passwords.service,
      ),
    );
    url.port = String(await to('postgres', this.postgres.port));
    return { ...environment, DATABASE_URL: url.href };
  }

  // ── Redis ────────────────────────────────────────────────────────────────────────────────────

  /** Another Redis answers at the address of the scene's from now on; the one of before is gone. */
  moveRedis(server: Server): void {
    this.redis.replaceBy(server);
    for (const line of this.lines('redis')) line.target = server.port;
    for (const line of this.lines('redis')) line.reset();
  }

  // ── the whole ────────────────────────────────────────────────────────────────────────────────

  /** Heals every line, starts whatever is down, and lets the carriers behave as planned again. */
  async recover(): Promise<void> {
    await this.postgres.start();
    await this.redis.start();
    for (const carrier of this.carriers) {
      if (!carrier.isRunning) await carrier.start();
      else await carrier.behave(defaultsOf(carrier));
    }
    for (const { proxies } of this.#seats.values()) for (const proxy of proxies.values()) proxy.heal();
    await Promise.all([...this.#seats.keys()].map((name) => this.start(name)));
  }

  /** A request to the API. */
  async api<Answer>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${String(this.child('api').announced['port'])}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${answer}`);
    return JSON.parse(answer) as Answer;
  }

  /** Ends everything and removes what it wrote, or keeps it for whoever looks; returns where that is. */
  async close(keepsFolder = false): Promise<string> {
    const names = this.carriers.flatMap(({ parts }) => parts.map(({ name }) => name));
    if (keepsFolder && this.redis.isRunning) await dumpRedis(this.redis.client, names, this.folder);
    const children = [...this.#seats.values()].flatMap(({ child }) => (child?.isRunning === true ? [child] : []));
    await Promise.all(children.map((child) => child.kill()));
    await Promise.all(this.carriers.filter(({ isRunning }) => isRunning).map((carrier) => carrier.kill()));
    for (const { proxies } of this.#seats.values()) for (const proxy of proxies.values()) await proxy.close();
    await this.sql.end();
    await this.redis.stop();
    await this.postgres.stop();
    this.disk?.close();
    if (keepsFolder) return keepFolder(this.folder);
    removeFolder(this.folder);
    return '';
  }
}

function proxiesTo({ proxies }: Seat, to: string): Proxy[] {
  return [...proxies].filter(([name]) => name === to || name.startsWith(`${to}-`)).map(([, proxy]) => proxy);
}

function defaultsOf({ plan }: Simulator): Partial<CarrierPlan['behaviour'] & object> {
  return { ...carrierDefaults, ...plan.behaviour };
}

const carrierDefaults = {
  ratePerSecond: 0,
  windowMax: 0,
  bindsMax: 0,
  latencyMs: 0,
  latencyJitterMs: 0,
  readPauseMs: 0,
  errors: {},
  silence: 0,
  unresponsive: false,
  disconnectEvery: 0,
  bindStatus: 0,
  refuseConnections: false,
  receiptMix: { delivered: 1 },
  receiptDelayMs: 0,
  receiptJitterMs: 0,
  receiptFirst: 0,
  receiptOtherBind: false,
  receiptRetryMs: 1_000,
} as const;
