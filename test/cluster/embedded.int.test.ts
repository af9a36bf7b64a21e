/**
 * PostgreSQL and Redis together, as `npm start` has them: what is given is not started, what fails takes
 * the other with it, and a launcher that is killed leaves nothing in the way.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startEmbedded, tocsinHome } from '../../cluster/embedded.ts';
import { startPostgres } from '../../cluster/embedded-postgres.ts';
import { startRedis } from '../../cluster/embedded-redis.ts';
import { faultOf } from '../support/fault.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';
import { endChild, install, launchChild } from '../support/installation.ts';
import { ownRedis } from '../support/own-server.ts';
import { testDatabase } from '../support/postgres.ts';
import { testRedis } from '../support/redis.ts';

const folder = temporaryFolder();
const isRoot = process.getuid?.() === 0;
const nobody = 65_534;
/** An identity that no /etc/passwd has an entry for. */
const stranger = 54_321;
const given = { databaseUrl: 'postgresql://database.example', redisUrl: 'redis://redis.example' };
const searchPath = process.env['PATH'] ?? '';
const isOnPath = (name: string) => searchPath.split(delimiter).some((place) => existsSync(join(place, name)));
/** Fetching the package needs a network, which a test may want only where the run itself had to have it. */
const fetchesPackage = isOnPath('apt-get') && (process.env['CI'] === 'true' || !isOnPath('redis-server'));

beforeAll(() => install(folder));
afterAll(() => removeFolder(folder));

/** A folder that belongs to `id`. */
function homeOf(id: number, label: string): string {
  const home = join(folder, label);
  mkdirSync(home);
  if (isRoot) chownSync(home, id, id);
  return home;
}

async function postgresVersion(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ version: string }>('SELECT version()');
  await client.end();
  return rows[0]!.version;
}

test('embedded - nothing that is given is started', async () => {
  const home = join(folder, 'given');
  const embedded = await startEmbedded({ home, ...given });
  expect(embedded).toMatchObject({ ...given, started: [] });
  await embedded.stop();
  expect(existsSync(home)).toBe(false);
});

test('embedded - the end of a server that we started is noticed', async () => {
  const embedded = await startEmbedded({ home: join(folder, 'ended'), redisUrl: given.redisUrl });
  expect(embedded.started).toEqual(['PostgreSQL']);
  expect(await postgresVersion(embedded.databaseUrl)).toContain('PostgreSQL');
  await embedded.stop();
  expect(await embedded.ended).toBe('PostgreSQL');
});

test('embedded - when one cannot start, the other is stopped', async () => {
  const home = join(folder, 'half');
  mkdirSync(home);
  writeFileSync(join(home, 'redis'), 'not a folder');
  const fault = await faultOf(startEmbedded({ home }));
  expect(fault.message).toContain(join(home, 'redis'));
  expect(existsSync(join(home, 'postgres', 'data'))).toBe(true);
  expect(existsSync(join(home, 'postgres', 'running.json'))).toBe(false);
});

test('embedded - home is TOCSIN_HOME, else .tocsin beside package.json', () => {
  expect(tocsinHome({ TOCSIN_HOME: '/srv/tocsin' })).toBe('/srv/tocsin');
  expect(tocsinHome({})).toBe(join(import.meta.dirname, '..', '..', '.tocsin'));
  expect(tocsinHome({ TOCSIN_HOME: '' })).toBe(tocsinHome({}));
});

test('embedded - servers whose launcher was killed are ended by the next start', async () => {
  const home = join(folder, 'orphaned');
  const environment = { PATH: searchPath, TOCSIN_HOME: home };
  const launcher = await launchChild(folder, { redisUrl: given.redisUrl }, { environment });
  const gone = new Promise((resolve) => launcher.child.once('exit', resolve));
  launcher.child.kill('SIGKILL');
  await gone;
  expect(await postgresVersion(String(launcher.said['databaseUrl']))).toContain('PostgreSQL');
  const server = await startPostgres({ directory: join(home, 'postgres') });
  await expect(postgresVersion(String(launcher.said['databaseUrl']))).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await server.stop();
});

test.runIf(isRoot)('embedded - nobody starts it from a read-only installation, with no home and no links', async () => {
  const environment = { PATH: searchPath, TOCSIN_HOME: homeOf(nobody, 'nobody') };
  const launcher = await launchChild(folder, { redisUrl: given.redisUrl }, { id: nobody, environment });
  expect(launcher.said['code'], JSON.stringify(launcher.said)).toBeUndefined();
  expect(await postgresVersion(String(launcher.said['databaseUrl']))).toContain('PostgreSQL');
  await endChild(launcher);
});

test.runIf(isRoot)('embedded - nobody without a folder is told to set TOCSIN_HOME', async () => {
  const environment = { PATH: searchPath };
  const launcher = await launchChild(folder, { redisUrl: given.redisUrl }, { id: nobody, environment });
  expect(launcher.said).toMatchObject({ code: 'start', message: expect.stringContaining('TOCSIN_HOME') });
  await endChild(launcher);
});

test.runIf(isRoot)('embedded - an identity without an entry in /etc/passwd is told so', async () => {
  const environment = { PATH: searchPath, TOCSIN_HOME: homeOf(stranger, 'stranger') };
  const launcher = await launchChild(folder, { redisUrl: given.redisUrl }, { id: stranger, environment });
  expect(launcher.said).toMatchObject({ code: 'start', message: expect.stringContaining('/etc/passwd') });
  expect(launcher.said['details']).toContain(String(stranger));
  await endChild(launcher);
});

test.runIf(fetchesPackage)('embedded - Redis comes from the distribution when PATH has none', async () => {
  // Every program of this machine but a server, an empty cache, and package lists that nobody has updated.
  const tools = join(folder, 'tools');
  mkdirSync(tools);
  for (const place of searchPath.split(delimiter).filter((path) => existsSync(path))) {
    const names = readdirSync(place).filter((name) => !/redis|valkey/.test(name) && !existsSync(join(tools, name)));
    for (const name of names) symlinkSync(join(place, name), join(tools, name));
  }
  const environment = { PATH: tools, TOCSIN_HOME: homeOf(nobody, 'unpacked') };
  const identity = isRoot ? { id: nobody } : {};
  const launcher = await launchChild(folder, { databaseUrl: given.databaseUrl }, { ...identity, environment });
  expect(launcher.said['code'], JSON.stringify(launcher.said)).toBeUndefined();
  const redis = new Redis(String(launcher.said['redisUrl']));
  expect(await redis.eval("return redis.call('XADD', KEYS[1], '1-1', 'a', 'b')", 1, 'stream')).toBe('1-1');
  redis.disconnect();
  await endChild(launcher);
});

test.runIf(isRoot)(
  'embedded - root runs neither server as root, even in a folder that is closed to others',
  async () => {
    const closed = join(folder, 'closed');
    mkdirSync(closed);
    chmodSync(closed, 0o700);
    const [postgresFolder, redisFolder] = [join(closed, 'postgres'), join(closed, 'redis')];
    const postgres = await startPostgres({ directory: postgresFolder, fast: true });
    const redis = await startRedis({ directory: redisFolder, cache: join(tocsinHome(), 'redis-programs') });
    for (const { pid } of [postgres, redis]) expect(statSync(`/proc/${pid}`).uid).not.toBe(0);
    expect(statSync(closed).mode & 0o777).toBe(0o700);
    await postgres.stop();
    await redis.stop();
    for (const path of [postgresFolder, redisFolder]) rmSync(readlinkSync(path), { recursive: true });
  },
);

test('test support - databases are migrated, apart from each other, and held by their roles', async () => {
  const [one, two] = await Promise.all([testDatabase(), testDatabase()]);
  const api = new pg.Client({ connectionString: one.apiUrl });
  const service = new pg.Client({ connectionString: two.serviceUrl });
  await Promise.all([api.connect(), service.connect()]);
  const select =
    'SELECT current_database() AS name, rolsuper OR rolbypassrls AS free FROM pg_roles WHERE rolname = current_user';
  const { rows } = await api.query<{ name: string; free: boolean }>(select);
  const others = await service.query<{ name: string }>(select);
  expect(rows[0]!.free).toBe(false);
  expect(others.rows[0]!.name).not.toBe(rows[0]!.name);
  const tables = await api.query("SELECT FROM pg_tables WHERE schemaname = 'public'");
  expect(tables.rowCount).toBeGreaterThan(0);
  await Promise.all([api.end(), service.end()]);
  await Promise.all([one.drop(), two.drop()]);
});

test('test support - logical Redis databases are apart from each other, own servers restart in place', async () => {
  const [one, two] = await Promise.all([testRedis(), testRedis()]);
  expect(one.url).not.toBe(two.url);
  const server = await ownRedis();
  const redis = new Redis(server.url);
  await redis.set('kept', '1');
  await server.stop();
  await server.start();
  expect(await redis.get('kept')).toBe('1');
  redis.disconnect();
  await server.dispose();
});
