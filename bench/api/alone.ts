/** The API process alone, over a cluster's PostgreSQL and Redis: nothing else runs that could take its processor. */
import { join } from 'node:path';
import { type Child, startChild } from '../../cluster/children.ts';
import { ensureRolePasswords, urlOfRole } from '../../src/db/migrate.ts';
import type { BenchCluster } from '../cluster.ts';

/** Connections of the API to PostgreSQL: the default. */
export const poolMax = 10;
const passwords = { api: 'bench-api-alone', service: 'bench-service-alone' };

/** Starts it. `cluster.start` was called before, for servers and carriers file, and its processes have ended. */
export async function startApiAlone(cluster: BenchCluster, profile: string): Promise<Child> {
  await ensureRolePasswords(cluster.ownerUrl, passwords);
  const environment = {
    PATH: process.env['PATH'],
    DATABASE_URL: urlOfRole(cluster.ownerUrl, 'tocsin_api', passwords.api),
    REDIS_URL: cluster.redisUrl,
    TOCSIN_CARRIERS: join(cluster.folder, 'carriers.json'),
    TOCSIN_BENCH_CARRIER_PASSWORD: 'bench',
    TOCSIN_PLATFORM_KEY: 'tocsin-platform-of-a-bench-only',
    TOCSIN_LOG_LEVEL: 'warn',
    TOCSIN_DATABASE_POOL_MAX: String(poolMax),
    TOCSIN_KEY_REQUESTS_PER_SECOND_MAX: '0',
    TOCSIN_ADDRESS_REQUESTS_PER_SECOND_MAX: '0',
    PORT: '0',
  };
  const flags = process.execArgv;
  if (profile !== '') process.execArgv = [...flags, '--cpu-prof', `--cpu-prof-dir=${join(profile, 'api-alone')}`];
  try {
    return await startChild('api', 'api', { logFile: cluster.log, environment });
  } finally {
    process.execArgv = flags;
  }
}
