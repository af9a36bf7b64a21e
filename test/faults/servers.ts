/**
 * PostgreSQL and Redis of a fault scene: durable, each on a port that stays the same over kills and restarts.
 * Runs in the test's process.
 */
import { chmodSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { tocsinHome } from '../../cluster/embedded.ts';
import { startPostgres } from '../../cluster/embedded-postgres.ts';
import type { EmbeddedServer } from '../../cluster/embedded-process.ts';
import { startRedis } from '../../cluster/embedded-redis.ts';

/** A server that is killed, stopped and started again. */
export class Server {
  readonly #run: (port: number) => Promise<EmbeddedServer>;
  #server: EmbeddedServer;
  readonly #forget: () => void;
  readonly port: number;
  readonly url: string;
  isRunning = true;

  constructor(server: EmbeddedServer, run: (port: number) => Promise<EmbeddedServer>, forget: () => void) {
    this.#server = server;
    this.#run = run;
    this.#forget = forget;
    this.port = server.port;
    this.url = server.url;
  }

  /** Starts it again on its port, over its data. */
  async start(): Promise<void> {
    if (this.isRunning) return;
    this.#server = await this.#run(this.port);
    this.isRunning = true;
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
    this.#forget();
  }
}

/** A Redis with an append-only file written every second, in `folder`. */
export async function redisServer(folder: string): Promise<Server> {
  const directory = join(folder, 'redis');
  const run = (port: number) => startRedis({ directory, port, cache: join(tocsinHome(), 'redis-programs') });
  return new Server(await run(0), run, () => {
    rmSync(join(directory, 'appendonlydir'), { recursive: true, force: true });
  });
}

/** A PostgreSQL that syncs, in `folder`. */
export async function postgresServer(folder: string): Promise<Server> {
  const directory = join(folder, 'postgres');
  const run = (port: number) => startPostgres({ directory, port });
  const server = await run(0);
  if (existsSync(folder)) chmodSync(folder, 0o755);
  return new Server(server, run, () => rmSync(join(directory, 'data'), { recursive: true, force: true }));
}
