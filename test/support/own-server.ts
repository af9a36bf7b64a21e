/**
 * A PostgreSQL or Redis of a test's own, for tests that kill and restart it. It keeps its data and its
 * port over restarts.
 */
import { join } from 'node:path';
import { tocsinHome } from '../../cluster/embedded.ts';
import { startPostgres } from '../../cluster/embedded-postgres.ts';
import type { EmbeddedServer } from '../../cluster/embedded-process.ts';
import { startRedis } from '../../cluster/embedded-redis.ts';
import { removeFolder, temporaryFolder } from './folder.ts';
import { copyRunning } from './base-backup.ts';
import { makeTemplate, type TestDatabase, testDatabase } from './postgres.ts';

/** A server that a test may end and start again. */
export type OwnServer = {
  /** The same over restarts. */
  readonly url: string;
  /** Starts it again after `stop` or `kill`, on the same port with the same data. */
  start(): Promise<void>;
  /** Ends it in order. */
  stop(): Promise<void>;
  /** Ends it at once, as a power cut would, and resolves when it is gone. */
  kill(): Promise<void>;
  /** Ends it and removes its data. */
  dispose(): Promise<void>;
};

async function own(folder: string, run: (port: number) => Promise<EmbeddedServer>): Promise<OwnServer> {
  let server = await run(0);
  const { url, port } = server;
  return {
    url,
    async start() {
      server = await run(port);
    },
    stop: () => server.stop(),
    async kill() {
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
    },
    async dispose() {
      await server.stop();
      removeFolder(folder);
    },
  };
}

/** A durable Redis (append-only file, written every second). */
export async function ownRedis(): Promise<OwnServer> {
  const folder = temporaryFolder();
  const cache = join(tocsinHome(), 'redis-programs');
  return own(folder, (port) => startRedis({ directory: join(folder, 'redis'), port, cache }));
}

/** A PostgreSQL of a test's own with a migrated database, and a streaming replica of it where that is asked for. */
export type OwnPostgres = OwnServer & {
  readonly database: TestDatabase;
  /** A replica of its own, which follows it from now on. */
  replica(): Promise<OwnServer>;
};

/** A durable PostgreSQL with a migrated database. */
export async function ownPostgres(): Promise<OwnPostgres> {
  const folder = temporaryFolder();
  const directory = join(folder, 'postgres');
  const server = await own(folder, (port) => startPostgres({ directory, port }));
  await makeTemplate(server.url);
  return { ...server, database: await testDatabase(server.url), replica: () => ownReplica(server.url, directory) };
}

async function ownReplica(primaryUrl: string, directory: string): Promise<OwnServer> {
  const folder = temporaryFolder();
  const copy = join(folder, 'postgres');
  await copyRunning(primaryUrl, directory, copy);
  return await own(folder, (port) => startPostgres({ directory: copy, port }));
}
