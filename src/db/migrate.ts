/**
 * Brings a database to the present schema and gives its two roles their passwords. Runs once before the
 * processes start, as the owner of the tables; safe when several do it at once. Never drops data.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate as applyMigrations } from 'drizzle-orm/node-postgres/migrator';
import pg from 'pg';
import { Fault } from '../fault.ts';
import { ensurePartitions } from './partitions.ts';

/** Any number, the same in every version: who holds this lock migrates. */
const migrationLock = 70_621_847;
/** Far more than there are processes that start at once. */
const passwordAttemptsMax = 50;

/**
 * Applies the migrations that are missing and makes the partitions around `nowMs`. `ownerUrl` names a role
 * that owns the database and may create roles. Throws `Fault('postgres')`.
 */
export async function migrate(ownerUrl: string, nowMs: number = Date.now()): Promise<void> {
  await asOwner(ownerUrl, async (client) => {
    await client.query('select pg_advisory_lock($1)', [migrationLock]);
    await applyMigrations(drizzle(client), { migrationsFolder: migrationsFolder() });
    await ensurePartitions(client, nowMs);
  });
}

/** Sets the passwords of the roles `tocsin_api` and `tocsin_service`. Throws `Fault('postgres')`. */
export async function ensureRolePasswords(
  ownerUrl: string,
  passwords: { readonly api: string; readonly service: string },
): Promise<void> {
  await asOwner(ownerUrl, async (client) => {
    const statement = [
      `alter role tocsin_api password ${client.escapeLiteral(passwords.api)}`,
      `alter role tocsin_service password ${client.escapeLiteral(passwords.service)}`,
    ].join(';');
    for (let attempt = 1; ; attempt += 1) {
      try {
        await client.query(statement);
        return;
      } catch (error) {
        // Roles belong to the whole server, where of two ALTER ROLE at once one fails with this code.
        const collided = error instanceof pg.DatabaseError && error.code === 'XX000';
        if (!collided || attempt === passwordAttemptsMax) throw error;
      }
    }
  });
}

/** `ownerUrl` with another role and password: the same server and database. */
export function urlOfRole(ownerUrl: string, role: 'tocsin_api' | 'tocsin_service', password: string): string {
  const url = new URL(ownerUrl);
  url.username = role;
  url.password = encodeURIComponent(password);
  return url.href;
}

async function asOwner(ownerUrl: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: ownerUrl, application_name: 'tocsin-migrate' });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await work(client);
  } catch (cause) {
    throw new Fault('postgres', 'the database could not be prepared: see the cause', { cause });
  } finally {
    await client.end();
  }
}

/** src/db/migrations of this package, whether this file runs from src/ or from dist/. */
function migrationsFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Fault('start', 'the package that holds src/db/migrations was not found');
    folder = parent;
  }
  return join(folder, 'src', 'db', 'migrations');
}
