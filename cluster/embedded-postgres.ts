/**
 * An embedded PostgreSQL for development, tests and the demonstration: real server, own folder,
 * loopback only, password required. Any process that starts one, main thread. Never for production: its
 * libraries lag behind; DATABASE_URL is for that.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '../src/fault.ts';
import { privateFolder, requireDisk, type ServerUser, serverUser } from './embedded-folder.ts';
import { postgresPrograms } from './embedded-postgres-package.ts';
import { isServing } from './embedded-claim.ts';
import { type EmbeddedServer, launchServer } from './embedded-process.ts';
import { onPort } from './embedded-port.ts';

/** How to start PostgreSQL. */
export type PostgresOptions = {
  /** Its private folder; made when missing, its data found again when not. */
  readonly directory: string;
  /** 0 or absent: a free one. */
  readonly port?: number;
  /** Gives up durability for speed. Tests only. */
  readonly fast?: boolean;
  /** Node's platform and architecture, for example `linux-x64`; this machine's by default. */
  readonly platform?: string;
};

/** Superuser and database of the embedded server. */
const owner = 'tocsin';
/** A new cluster takes 50 MiB; the rest is room to work. */
const diskBytesMin = 256 * 2 ** 20;
/** How long processes of a killed server are waited for; they notice within moments that it is gone. */
const detachMsMax = 10_000;
const detachPollMs = 20;

type Programs = { readonly folder: string; readonly user: ServerUser | undefined };

const environment = { LC_ALL: 'C', TZ: 'UTC' };

/** Runs one of PostgreSQL's programs to its end. Faults: `start`, with what it printed in `details`. */
async function run(programs: Programs, name: string, args: string[], input: string): Promise<void> {
  const { folder, user } = programs;
  const identity = user === undefined ? {} : { uid: user.uid, gid: user.gid };
  await new Promise<void>((resolve, reject) => {
    const options = { cwd: '/', env: environment, ...identity };
    const child = execFile(join(folder, 'bin', name), args, options, (error, stdout, stderr) => {
      if (error === null) return resolve();
      const details = `${stdout}\n${stderr}`.trim().split('\n').slice(-10);
      const remedy = 'The user must have an entry in /etc/passwd and the disk room.';
      reject(new Fault('start', `PostgreSQL's ${name} failed. ${remedy}`, { cause: error, details }));
    });
    // A program that ends before it has read its input is reported by its exit code.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

/** Creates the cluster beside its final place and moves it there whole, so that a crash leaves no half of one. */
async function createCluster(directory: string, programs: Programs, fast: boolean): Promise<void> {
  requireDisk(directory, diskBytesMin);
  const [data, partial, passwordFile] = ['data', 'data.partial', 'password'].map((name) => join(directory, name));
  rmSync(partial as string, { recursive: true, force: true });
  writeFileSync(passwordFile as string, randomBytes(24).toString('base64url'), { mode: 0o600 });
  if (programs.user !== undefined) chownSync(passwordFile as string, programs.user.uid, programs.user.gid);
  await run(
    programs,
    'initdb',
    [
      `--pgdata=${partial}`,
      `--username=${owner}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--locale=C',
      '--encoding=UTF8',
      ...(fast ? ['--no-sync'] : []),
    ],
    '',
  );
  const single = ['--single', '-D', partial as string, ...(fast ? ['-F'] : []), 'postgres'];
  await run(programs, 'postgres', single, `CREATE DATABASE ${owner};\n`);
  renameSync(partial as string, data as string);
}

function settings(port: number, fast: boolean): string[] {
  const values: Record<string, string | number> = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: 200,
    shared_buffers: fast ? '64MB' : '256MB',
    max_wal_size: '4GB',
    // What a bulk load writes, log and pages, is written out beside it and not by itself. No less durable.
    ...(fast ? {} : { wal_buffers: '32MB', wal_writer_delay: '50ms', bgwriter_lru_maxpages: 1000 }),
    jit: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_checkpoints: 'off',
    // A failed statement and its detail may hold phone numbers, which no log may.
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
    ...(fast ? { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' } : {}),
  };
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** A server refuses data of another major version, in words that only its log has. */
function requireVersion(data: string, { folder }: Programs): void {
  const version = join(data, 'PG_VERSION');
  if (!existsSync(version)) return;
  // The first line of what initdb makes a cluster of.
  const ours = readFileSync(join(folder, 'share', 'postgresql', 'postgres.bki'), 'utf8').match(/^# PostgreSQL (\S+)/);
  const [theirs, own] = [readFileSync(version, 'utf8').trim(), ours?.[1]];
  if (own !== undefined && theirs !== own)
    throw new Fault(
      'start',
      `${data} is of PostgreSQL ${theirs}, this is ${own}: move it away to begin anew, or set TOCSIN_HOME, ` +
        'or DATABASE_URL to a server that has been upgraded',
    );
}

function readPassword(directory: string): string {
  return readFileSync(join(directory, 'password'), 'utf8');
}

/**
 * Removes the pid file of a server that was killed. PostgreSQL does so itself, unless the process id in it
 * was given to a stranger since, which is the rule in a container that was restarted.
 */
function forgetDead(data: string): void {
  const path = join(data, 'postmaster.pid');
  if (!existsSync(path)) return;
  const pid = Number.parseInt(readFileSync(path, 'utf8'), 10);
  if (!isServing(pid, data)) rmSync(path);
}

/**
 * Resolves when no process of a killed server uses its shared memory any more, whose id is the second number in the
 * seventh line of the pid file: until then PostgreSQL refuses to start.
 */
async function untilDetached(data: string): Promise<void> {
  const path = join(data, 'postmaster.pid');
  const table = '/proc/sysvipc/shm';
  if (!existsSync(path) || !existsSync(table)) return;
  const id = readFileSync(path, 'utf8').split('\n')[6]?.trim().split(/\s+/)[1];
  const isAttached = () =>
    readFileSync(table, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .some(([, shmid, , , , , attached]) => shmid === id && Number(attached) > 0);
  const giveUpMs = performance.now() + detachMsMax;
  while (isAttached() && performance.now() < giveUpMs) await delay(detachPollMs);
}

/** True when the postmaster itself says so: the eighth line of its pid file, as `pg_ctl --wait` reads it. */
function isReady(data: string, pid: number): boolean {
  const path = join(data, 'postmaster.pid');
  if (!existsSync(path)) return false;
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines[0] === String(pid) && lines[7]?.trim() === 'ready';
}

/**
 * Starts PostgreSQL in `directory` and resolves when it serves. `url` is of its superuser, who bypasses
 * row-level security. Faults: `start` (port taken, folder in use or not writable, disk full, no program for
 * this platform).
 */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedServer> {
  const { fast = false, platform = `${process.platform}-${process.arch}` } = options;
  const user = serverUser(options.directory);
  const directory = privateFolder(options.directory, user);
  const programs = { folder: postgresPrograms(platform, directory, user), user };
  const data = join(directory, 'data');
  return onPort('PostgreSQL', options.port ?? 0, (port) =>
    launchServer({
      name: 'PostgreSQL',
      directory,
      command: join(programs.folder, 'bin', 'postgres'),
      args: ['-D', data, ...settings(port, fast)],
      environment,
      user,
      port,
      async prepare() {
        if (!existsSync(data)) await createCluster(directory, programs, fast);
        requireVersion(data, programs);
        await untilDetached(data);
        forgetDead(data);
      },
      url: () => `postgresql://${owner}:${readPassword(directory)}@127.0.0.1:${port}/${owner}`,
      ready: (pid) => isReady(data, pid),
      stopSignal: 'SIGINT',
    }),
  );
}
