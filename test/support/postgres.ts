/**
 * Databases for tests. Each is a clone of a template that was migrated once in the run, which takes
 * about 20 ms, so that every test file has a fresh one of its own.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { inject } from 'vitest';
import { ensureRolePasswords, migrate, urlOfRole } from '../../src/db/migrate.ts';

/** A migrated, empty database. */
export type TestDatabase = {
  /** As the owner, who bypasses row-level security. */
  readonly ownerUrl: string;
  /** As `tocsin_api`, who is held by row-level security. */
  readonly apiUrl: string;
  /** As `tocsin_service`: planner and recorder. */
  readonly serviceUrl: string;
  /** Removes it. Connections that are still closing are waited for, others are cut. */
  drop(): Promise<void>;
};

const template = 'tocsin_template';
/** Not secrets: the server lives for one run, on loopback. */
const passwords = { api: 'api', service: 'service' };
/** `pool.end()` resolves a little before the server has seen its connections close. */
const connectionsClosePolls = 100;

function urlOf(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = database;
  return url.href;
}

async function withOwner<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

/** Makes the template on a fresh server. Called once per server. */
export async function makeTemplate(serverUrl: string): Promise<void> {
  await withOwner(serverUrl, (owner) => owner.query(`CREATE DATABASE ${template}`));
  await migrate(urlOf(serverUrl, template));
  await ensureRolePasswords(serverUrl, passwords);
}

async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  await withOwner(serverUrl, async (owner) => {
    for (let poll = 0; poll < connectionsClosePolls; poll++) {
      const { rowCount } = await owner.query('SELECT FROM pg_stat_activity WHERE datname = $1', [name]);
      if (rowCount === 0) break;
      await delay(10);
    }
    await owner.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  });
}

/** A fresh migrated database on the server at `serverUrl`, by default the one of this run. */
export async function testDatabase(serverUrl: string = inject('postgresUrl')): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await withOwner(serverUrl, (owner) => owner.query(`CREATE DATABASE ${name} TEMPLATE ${template}`));
  const ownerUrl = urlOf(serverUrl, name);
  return {
    ownerUrl,
    apiUrl: urlOfRole(ownerUrl, 'tocsin_api', passwords.api),
    serviceUrl: urlOfRole(ownerUrl, 'tocsin_service', passwords.service),
    drop: () => dropDatabase(serverUrl, name),
  };
}
