/**
 * PostgreSQL and Redis of a fault scene: durable, each on a port that stays the same over kills and restarts.
 * Runs in the test's process.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { tocsinHome } from '../../cluster/embedded.ts';
import { startPostgres } from '../../cluster/embedded-postgres.ts';
import { privateFolder, serverUser } from '../../cluster/embedded-folder.ts';
import { onPort } from '../../cluster/embedded-port.ts';
import { type EmbeddedServer, launchServer } from '../../cluster/embedded-process.ts';
import { startRedis } from '../../cluster/embedded-redis.ts';
import { findRedis, redisEnvironment } from '../../cluster/embedded-redis-package.ts';

/** A server that is killed, stopped and started again. */
export class Server {
  readonly #run: (port: number) => Promise<EmbeddedServer>;
  #server: EmbeddedServer;
  readonly #data: string;
  readonly port: number;
  readonly url: string;
  isRunning = true;

  /** `data`: the folder of what it writes. */
  constructor(server: EmbeddedServer, run: (port: number) => Promise<EmbeddedServer>, data: string) {
    this.#server = server;
    this.#follow(server);
    this.#run = run;
    this.#data = data;
    this.port = server.port;
    this.url = server.url;
  }

  /** Of the process that runs, or ran last. */
  get pid(): number {
    return this.#server.pid;
  }

  /** Starts it again on its port, over its data. */
  async start(): Promise<void> {
    if (this.isRunning) return;
    this.#server = await this.#run(this.port);
    this.isRunning = true;
    this.#follow(this.#server);
  }

  /** It may end by itself: a full disk does that. */
  #follow(server: EmbeddedServer): void {
    void server.exited.then(() => {
      if (server === this.#server) this.isRunning = false;
    });
  }

  /** Ends it in order. */
  async stop(): Promise<void> {
    if (!this.isRunning) return;
    this.isRunning = false;
    await this.#server.stop();
  }

  /** Kills it, as a power cut would its process; resolves when it is gone. */
  async kill(): Promise<void> {
    this.isRunning = false;
    process.kill(this.#server.pid, 'SIGKILL');
    await this.#server.exited;
  }

  /** Freezes it; connections stay open and nobody answers. */
  freeze(): void {
    process.kill(this.#server.pid, 'SIGSTOP');
  }

  /** Lets it go on. */
  thaw(): void {
    process.kill(this.#server.pid, 'SIGCONT');
  }

  /** Removes its data while it is down. */
  forget(): void {
    rmSync(this.#data, { recursive: true, force: true });
  }

  /** Keeps a copy of its data as they are now, while it writes. */
  async remember(): Promise<void> {
    await once(spawn('cp', ['-a', this.#data, `${this.#data}.before`]), 'exit');
  }

  /** Goes back to that copy while it is down: what it wrote since never reached the disk. */
  fallBack(): void {
    this.forget();
    renameSync(`${this.#data}.before`, this.#data);
  }
}

/** Further settings of a Redis by its port, asked for at each start. */
export type RedisSettings = (port: number) => Readonly<Record<string, string | number>>;

/** A Redis with an append-only file written every second, in `folder`; `port` 0 takes a free one. */
export async function redisServer(
  folder: string,
  name = 'redis',
  settingsAt: RedisSettings = () => ({}),
  port = 0,
): Promise<Server> {
  const directory = join(folder, name);
  const run = (onPort: number) =>
    startRedis({ directory, port: onPort, cache: redisPrograms(), settings: settingsAt(onPort) });
  return new Server(await run(port), run, join(directory, 'appendonlydir'));
}

function redisPrograms(): string {
  return join(tocsinHome(), 'redis-programs');
}

/** The same program as Sentinel, with lines of its configuration, which it rewrites as it learns. */
export async function sentinelServer(folder: string, name: string, lines: readonly string[]): Promise<EmbeddedServer> {
  const user = serverUser(join(folder, name));
  const directory = privateFolder(join(folder, name), user);
  const program = await findRedis(privateFolder(redisPrograms(), user), process.env['PATH'] ?? '', user);
  return await onPort('Sentinel', 0, (port) => {
    const file = join(directory, 'sentinel.conf');
    writeFileSync(file, [`port ${port}`, 'bind 127.0.0.1', `dir ${directory}`, ...lines, ''].join('\n'));
    if (user !== undefined) chownSync(file, user.uid, user.gid);
    return launchServer({
      name: 'Sentinel',
      directory,
      command: program.command,
      args: [file, '--sentinel'],
      environment: redisEnvironment(program),
      user,
      port,
      prepare: async () => undefined,
      url: () => `redis://127.0.0.1:${port}`,
      ready: () => isListening(port),
      stopSignal: 'SIGTERM',
    });
  });
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.once('connect', () => socket.destroy());
    socket.once('error', () => resolve(false));
  });
}

/** Whether this process may mount a small file system. */
export function canMount(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0;
}

/** A file system of its own, of a fixed size, that can be filled without harm to anybody else. */
export class SmallDisk {
  readonly folder: string;
  readonly #ballast: string;

  /** Mounts it over `folder`, which is made. Needs `canMount`. */
  constructor(folder: string, megabytes: number) {
    this.folder = folder;
    this.#ballast = join(folder, 'ballast');
    mkdirSync(folder, { mode: 0o755 });
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'faults', folder]);
    if (mounted.status !== 0) throw new Error(`cannot mount: ${mounted.stderr.toString()}`);
  }

  /** Takes all room. In a process of its own: this one holds the proxies, which must not stand still. */
  async fill(): Promise<void> {
    const dd = spawn('dd', ['if=/dev/zero', `of=${this.#ballast}`, 'bs=1M'], { stdio: 'ignore' });
    await once(dd, 'exit');
  }

  /** Gives the room back. */
  free(): void {
    rmSync(this.#ballast, { force: true });
  }

  /** Unmounts it; nobody may use it any more. */
  close(): void {
    spawnSync('umount', ['-l', this.folder]);
  }
}

/** A PostgreSQL that syncs, in `folder`. */
export async function postgresServer(folder: string): Promise<Server> {
  const directory = join(folder, 'postgres');
  const run = (port: number) => startPostgres({ directory, port });
  const server = await run(0);
  if (existsSync(folder)) chmodSync(folder, 0o755);
  return new Server(server, run, join(directory, 'data'));
}
