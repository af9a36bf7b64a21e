/**
 * Brings a database to the present schema and gives its two roles their passwords. Runs once before the
 * processes start, as the owner of the tables; safe when several do it at once, and while an older version works: each
 * migration is a transaction of its own that gives up when a lock is not free at once, since whoever comes behind it
 * would wait too, and is tried again. Never drops data.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import pg from 'pg';
import { Fault } from '../fault.ts';
import { ensurePartitions } from './partitions.ts';

/** Any number, the same in every version: who holds this lock migrates. */
const migrationLock = 70_621_847;
/** Far more than there are processes that start at once. */
const passwordAttemptsMax = 50;

/** Longest that a migration waits for a lock, and others behind it. */
const lockTimeoutMs = 200;
/** Tries of one migration, and the pause between them: ten minutes in all. */
const [lockAttemptsMax, lockPauseMs] = [600, 1000];

/** How to migrate. */
export type MigrateOptions = {
  /** The partitions around this moment are made. */
  readonly nowMs?: number;
  /** Folder of the migrations; ours when absent. */
  readonly folder?: string;
  /** Called each time that a migration gave up waiting for a lock. */
  readonly onBusy?: (attempt: number) => void;
};

/**
 * Applies the migrations that are missing and makes the partitions. `ownerUrl` names a role that owns the database and
 * may create roles. Throws `Fault('postgres')`.
 */
export async function migrate(ownerUrl: string, options: MigrateOptions = {}): Promise<void> {
  const { nowMs = Date.now(), folder = migrationsFolder(), onBusy } = options;
  await asOwner(ownerUrl, async (client) => {
    await client.query('select pg_advisory_lock($1)', [migrationLock]);
    await client.query(`set lock_timeout = ${lockTimeoutMs}`);
    await client.query(`create schema if not exists drizzle;
      create table if not exists drizzle.__drizzle_migrations
        (id serial primary key, hash text not null, created_at bigint)`);
    const { rows } = await client.query<{ last: number | null }>(
      'select max(created_at)::float8 as last from drizzle.__drizzle_migrations',
    );
    for (const { sql, hash, folderMillis } of readMigrationFiles({ migrationsFolder: folder })) {
      if (folderMillis <= (rows[0]?.last ?? 0)) continue;
      await whenFree(onBusy, () => applyOne(client, sql, [hash, folderMillis]));
    }
    await whenFree(onBusy, () => ensurePartitions(client, nowMs));
  });
}

/** One migration, whole or not at all; noted where drizzle's own migrator would note it. */
async function applyOne(client: pg.Client, statements: readonly string[], noted: readonly unknown[]): Promise<void> {
  await client.query('begin');
  try {
    for (const statement of statements) await client.query(statement);
    await client.query('insert into drizzle.__drizzle_migrations (hash, created_at) values ($1, $2)', [...noted]);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}

async function whenFree(onBusy: MigrateOptions['onBusy'], action: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await action();
      return;
    } catch (error) {
      // 55P03 the lock was not free, 40P01 a deadlock.
      const isBusy = error instanceof pg.DatabaseError && (error.code === '55P03' || error.code === '40P01');
      if (!isBusy || attempt === lockAttemptsMax) throw error;
      onBusy?.(attempt);
      await delay(lockPauseMs);
    }
  }
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
