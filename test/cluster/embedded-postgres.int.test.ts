/**
 * The embedded PostgreSQL: data kept over restarts and kills, and one clear fault for each way in which a
 * start can fail.
 */
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requireDisk } from '../../cluster/embedded-folder.ts';
import { type PostgresOptions, startPostgres } from '../../cluster/embedded-postgres.ts';
import type { EmbeddedServer } from '../../cluster/embedded-process.ts';
import { faultOf } from '../support/fault.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';

const folder = temporaryFolder();
const directory = join(folder, 'postgres');
const isLinux = process.platform === 'linux';

let running: EmbeddedServer | undefined;

async function start(options: Partial<PostgresOptions> = {}): Promise<EmbeddedServer> {
  running = await startPostgres({ directory, fast: true, ...options });
  return running;
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
}

beforeAll(async () => {
  const { url } = await start();
  await query(url, 'CREATE TABLE kept (value integer)');
  await query(url, 'INSERT INTO kept VALUES (1)');
});

afterAll(async () => {
  await running?.stop();
  removeFolder(folder);
});

test('embedded postgres - a second start finds the data of the first', async () => {
  await running?.stop();
  const { url } = await start();
  expect(await query(url, 'SELECT value FROM kept')).toEqual([1]);
});

test('embedded postgres - a running one is refused to others and goes on', async () => {
  const fault = await faultOf(startPostgres({ directory, fast: true }));
  expect(fault.code).toBe('start');
  expect(fault.message).toContain(`process ${process.pid}`);
  expect(await query(running!.url, 'SELECT 1')).toEqual([1]);
});

test('embedded postgres - after a kill it starts again, even when a stranger has got its process id', async () => {
  process.kill(running!.pid, 'SIGKILL');
  await running!.exited;
  const pidFile = join(directory, 'data', 'postmaster.pid');
  writeFileSync(pidFile, readFileSync(pidFile, 'utf8').replace(/^\d+/, String(process.pid)));
  const { url } = await start();
  expect(await query(url, 'SELECT value FROM kept')).toEqual([1]);
});

test('embedded postgres - after a kill it starts again although a statement of before is still at work', async () => {
  const client = new pg.Client({ connectionString: running!.url });
  client.on('error', () => undefined);
  await client.connect();
  // It looks at nothing else until it is done.
  const busy = client.query('SELECT count(*) FROM generate_series(1, 20000000) AS n').catch(() => undefined);
  await query(running!.url, 'SELECT 1');
  process.kill(running!.pid, 'SIGKILL');
  await running!.exited;
  const { url } = await start();
  expect(await query(url, 'SELECT value FROM kept')).toEqual([1]);
  await busy;
});

test('embedded postgres - a creation that was cut short is begun anew', async () => {
  const other = join(folder, 'cut-short');
  const first = await startPostgres({ directory: other, fast: true });
  await first.stop();
  renameSync(join(other, 'data'), join(other, 'data.partial'));
  rmSync(join(other, 'data.partial', 'PG_VERSION'));
  const second = await startPostgres({ directory: other, fast: true });
  expect(await query(second.url, 'SELECT 1')).toEqual([1]);
  await second.stop();
});

test('embedded postgres - listens on loopback only, asks for the password and is durable by default', async () => {
  await running!.stop();
  const { url } = await start({ fast: false });
  const names = "ARRAY['listen_addresses', 'fsync', 'synchronous_commit']";
  expect(await query(url, `SELECT current_setting(name) FROM unnest(${names}) name`)).toEqual([
    '127.0.0.1',
    'on',
    'on',
  ]);
  const withoutPassword = url.replace(/:[^:@]+@/, ':wrong@');
  await expect(query(withoutPassword, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
  expect(statSync(join(directory, 'password')).mode & 0o077).toBe(0);
  expect(statSync(directory).mode & 0o077).toBe(0);
});

test('embedded postgres - its log holds no value of a failed statement', async () => {
  const { url } = running!;
  await query(url, 'CREATE TABLE once (address text PRIMARY KEY)');
  const insert = "INSERT INTO once VALUES ('33612345678')";
  await query(url, insert);
  await expect(query(url, insert)).rejects.toMatchObject({ code: '23505' });
  const log = readFileSync(join(directory, 'server.log'), 'utf8');
  expect(log).toContain('duplicate key');
  expect(log).not.toContain('33612345678');
});

test.skipIf(!isLinux)('embedded postgres - Ctrl-C in a terminal goes to its launcher alone', () => {
  const group = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[2];
  expect(group(running!.pid)).toBe(String(running!.pid));
});

test('embedded postgres - stop may be called twice, and nothing is left of the claim', async () => {
  await Promise.all([running!.stop(), running!.stop()]);
  await running!.stop();
  expect(existsSync(join(directory, 'running.json'))).toBe(false);
});

test('embedded postgres - a taken port is named', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as { port: number };
  const fault = await faultOf(startPostgres({ directory, port }));
  expect(fault.message).toContain(`port ${port}`);
  await new Promise((resolve) => taken.close(resolve));
  const server = await start({ port });
  expect(server.port).toBe(port);
  await server.stop();
});

test('embedded postgres - a platform without a package is named, with what to do instead', async () => {
  const fault = await faultOf(startPostgres({ directory: join(folder, 'alien'), platform: 'sunos-sparc' }));
  expect(fault.message).toMatch(/sunos-sparc.*DATABASE_URL/);
});

test('embedded postgres - a folder that cannot be made is named, with what to do instead', async () => {
  writeFileSync(join(folder, 'file'), '');
  const fault = await faultOf(startPostgres({ directory: join(folder, 'file', 'postgres') }));
  expect(fault.message).toMatch(/file\/postgres.*TOCSIN_HOME/);
});

test('embedded postgres - a disk without room is refused before anything is written', () => {
  expect(() => requireDisk(folder, 1)).not.toThrow();
  expect(() => requireDisk(folder, Number.MAX_SAFE_INTEGER)).toThrow(/MiB left/);
});

test('embedded postgres - data that it cannot read is a fault that shows the end of the log', async () => {
  const control = join(directory, 'data', 'global', 'pg_control');
  const before = readFileSync(control);
  writeFileSync(control, 'nothing');
  const fault = await faultOf(startPostgres({ directory }));
  expect(fault.details.join(' ')).toContain('pg_control');
  expect(existsSync(join(directory, 'running.json'))).toBe(false);
  writeFileSync(control, before);
});

test('embedded postgres - data of another version are named, with what to do', async () => {
  writeFileSync(join(directory, 'data', 'PG_VERSION'), '16\n');
  const { message } = await faultOf(startPostgres({ directory }));
  expect(message).toMatch(/data is of PostgreSQL 16, this is \d+: move it away/);
  expect(existsSync(join(directory, 'running.json'))).toBe(false);
});
