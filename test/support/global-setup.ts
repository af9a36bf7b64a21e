/**
 * Runs once per test run, in vitest's main process: starts one PostgreSQL and one Redis in a temporary
 * folder, makes the template database, and ends both afterwards. Depends on nothing that runs already.
 */
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { tocsinHome } from '../../cluster/embedded.ts';
import { startPostgres } from '../../cluster/embedded-postgres.ts';
import type { EmbeddedServer } from '../../cluster/embedded-process.ts';
import { startRedis } from '../../cluster/embedded-redis.ts';
import { removeFolder, removeFoldersOfKilledRuns, temporaryFolder } from './folder.ts';
import { makeTemplate } from './postgres.ts';
import { testDatabases } from './redis.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Of the superuser of the run's PostgreSQL. */
    postgresUrl: string;
    /** Of the run's Redis. Database 0 only hands out the numbers of the others. */
    redisUrl: string;
  }
}

/** Starts the run's servers; what it returns ends them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeFoldersOfKilledRuns();
  const folder = temporaryFolder();
  const servers: EmbeddedServer[] = [];
  const teardown = async () => {
    for (const server of servers) await server.stop();
    removeFolder(folder);
  };
  try {
    const postgres = await startPostgres({ directory: join(folder, 'postgres'), fast: true });
    servers.push(postgres);
    await makeTemplate(postgres.url);
    const cache = join(tocsinHome(), 'redis-programs');
    const redis = await startRedis({ directory: join(folder, 'redis'), cache, databases: testDatabases, fast: true });
    servers.push(redis);
    project.provide('postgresUrl', postgres.url);
    project.provide('redisUrl', redis.url);
  } catch (error) {
    await teardown();
    throw error;
  }
  return teardown;
}
