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
import { type LockHolder, LockWatch } from './lock-watch.ts';
import { ensurePartitions } from './partitions.ts';

/** Any number, the same in every version: who holds this lock migrates. */
const migrationLock = 70_621_847;
/** Far more than there are processes that start at once. */
const passwordAttemptsMax = 50;

/** Longest that a migration waits for a lock, and others behind it. */
const lockTimeoutMs = 200;
/** Nobody but who migrates waits behind the lock of who migrates. */
const turnTimeoutMs = 2_000;
/** Tries of one migration, and the pause between them: ten minutes in all. */
const [lockAttemptsMax, lockPauseMs] = [600, 1000];
/** A server that says nothing for so long is away. */
const connectTimeoutMs = 10_000;

/** How to migrate. */
export type MigrateOptions = {
  /** The partitions around this moment are made. */
  readonly nowMs?: number;
  /** Folder of the migrations; ours when absent. */
  readonly folder?: string;
  /** Called each time that a migration gave up waiting for a lock, before it tries again. */
  readonly onBusy?: (busy: Busy) => void;
};

/** What a migration waits for. */
export type Busy = {
  readonly attempt: number;
  /** Since its first try. */
  readonly waitedMs: number;
  /** Who has the lock, as far as it can be seen. */
  readonly holders: readonly LockHolder[];
};

/**
 * Applies the migrations that are missing and makes the partitions. `ownerUrl` names a role that owns the database and
 * may create roles. Throws `Fault('postgres')`, and `Fault('config')` when it names another one.
 */
export async function migrate(ownerUrl: string, options: MigrateOptions = {}): Promise<void> {
  const { nowMs = Date.now(), folder = migrationsFolder(), onBusy } = options;
  await asOwner(ownerUrl, async (client, watch) => {
    await client.query(`set lock_timeout = ${turnTimeoutMs}`);
    await whenFree(watch, onBusy, () => client.query('select pg_advisory_lock($1)', [migrationLock]));
    await client.query(`set lock_timeout = ${lockTimeoutMs}`);
    await client.query(`create schema if not exists drizzle;
      create table if not exists drizzle.__drizzle_migrations
        (id serial primary key, hash text not null, created_at bigint)`);
    const { rows } = await client.query<{ last: number | null }>(
      'select max(created_at)::float8 as last from drizzle.__drizzle_migrations',
    );
    for (const { sql, hash, folderMillis } of readMigrationFiles({ migrationsFolder: folder })) {
      if (folderMillis <= (rows[0]?.last ?? 0)) continue;
      await whenFree(watch, onBusy, () => applyOne(client, sql, [hash, folderMillis]));
    }
    await whenFree(watch, onBusy, () => ensurePartitions(client, nowMs));
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

async function whenFree(
  watch: LockWatch,
  onBusy: MigrateOptions['onBusy'],
  action: () => Promise<unknown>,
): Promise<void> {
  const begunMs = performance.now();
  for (let attempt = 1; ; attempt += 1) {
    try {
      await watch.during(action);
      return;
    } catch (error) {
      // 55P03 the lock was not free, 40P01 a deadlock.
      const isBusy = error instanceof pg.DatabaseError && (error.code === '55P03' || error.code === '40P01');
      if (!isBusy || attempt === lockAttemptsMax) throw error;
      onBusy?.({ attempt, waitedMs: performance.now() - begunMs, holders: watch.holders });
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

async function asOwner(ownerUrl: string, work: (client: pg.Client, watch: LockWatch) => Promise<void>): Promise<void> {
  const clients: pg.Client[] = [];
  const open = async () => {
    const client = new pg.Client({
      connectionString: ownerUrl,
      application_name: 'tocsin-migrate',
      connectionTimeoutMillis: connectTimeoutMs,
    });
    client.on('error', () => undefined);
    clients.push(client);
    await client.connect().catch((cause: unknown) => {
      throw new Fault('postgres', 'PostgreSQL cannot be used; check DATABASE_URL and that the server runs', { cause });
    });
    return client;
  };
  try {
    const client = await open();
    const { rows } = await client.query<{ role: string; pid: number }>(
      'select current_user as role, pg_backend_pid() as pid',
    );
    const { role = '', pid = 0 } = rows[0] ?? {};
    if (role === 'tocsin_api' || role === 'tocsin_service') throw notOwner(role);
    try {
      await work(client, new LockWatch(pid, open));
    } catch (cause) {
      // 42501 insufficient_privilege
      throw cause instanceof pg.DatabaseError && cause.code === '42501' ? notOwner(role, cause) : cause;
    }
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw new Fault('postgres', 'the database could not be prepared: see the cause', { cause });
  } finally {
    await Promise.allSettled(clients.map((client) => client.end()));
  }
}

function notOwner(role: string, cause?: unknown): Fault {
  const message = `DATABASE_URL is of the role ${role}, which may not change the database; take the URL of its owner`;
  return new Fault('config', message, { cause });
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
