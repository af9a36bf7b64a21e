/**
 * Everything that `npm start` needs beside this repository: PostgreSQL and Redis, each started here unless
 * the configuration names one. All that they keep lies in one folder. Main thread.
 */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { startPostgres } from './embedded-postgres.ts';
import type { EmbeddedServer } from './embedded-process.ts';
import { startRedis } from './embedded-redis.ts';

/** What to start, and where. */
export type EmbeddedOptions = {
  /** Folder of all data; see `tocsinHome`. */
  readonly home: string;
  /** A PostgreSQL that exists; none is started then. */
  readonly databaseUrl?: string | undefined;
  /** A Redis that exists; none is started then. */
  readonly redisUrl?: string | undefined;
};

/** Addresses of what the cluster talks to. */
export type Embedded = {
  /** Of the database's owner, for migrations. */
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** Names of the servers that were started here. */
  readonly started: readonly string[];
  /** The servers that were started here. */
  readonly servers: readonly EmbeddedServer[];
  /** Resolves with the name of the first of our servers that ends, whoever ended it. */
  readonly ended: Promise<string>;
  /** Ends what was started here, Redis first. May be called more than once. */
  stop(): Promise<void>;
};

/** The folder of all embedded data: TOCSIN_HOME, else `.tocsin` beside package.json. */
export function tocsinHome(environment: NodeJS.ProcessEnv = process.env): string {
  const wanted = environment['TOCSIN_HOME'];
  if (wanted !== undefined && wanted !== '') return resolve(wanted);
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return join(folder, '.tocsin');
}

/** Starts what is not given. Faults: `start`; nothing is left running then. */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { home, databaseUrl, redisUrl } = options;
  const starting = [
    redisUrl === undefined ? startRedis({ directory: join(home, 'redis') }) : Promise.resolve(undefined),
    databaseUrl === undefined ? startPostgres({ directory: join(home, 'postgres') }) : Promise.resolve(undefined),
  ] as const;
  try {
    const [redis, postgres] = await Promise.all(starting);
    const servers = [
      ...(redis === undefined ? [] : [{ name: 'Redis', server: redis }]),
      ...(postgres === undefined ? [] : [{ name: 'PostgreSQL', server: postgres }]),
    ];
    return {
      databaseUrl: databaseUrl ?? postgres?.url ?? '',
      redisUrl: redisUrl ?? redis?.url ?? '',
      servers: servers.map(({ server }) => server),
      started: servers.map(({ name }) => name),
      ended: Promise.race(servers.map(({ name, server }) => server.exited.then(() => name))),
      async stop() {
        for (const { server } of servers) await server.stop();
      },
    };
  } catch (error) {
    for (const result of await Promise.allSettled(starting)) {
      if (result.status === 'fulfilled') await result.value?.stop();
    }
    throw error;
  }
}
