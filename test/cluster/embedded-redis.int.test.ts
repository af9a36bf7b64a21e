/**
 * The embedded Redis: data kept over restarts and kills, and the ladder of places that a server is looked
 * for in, down to the one clear fault at its end.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, expect, test } from 'vitest';
import { tocsinHome } from '../../cluster/embedded.ts';
import { type RedisOptions, startRedis } from '../../cluster/embedded-redis.ts';
import { findRedis } from '../../cluster/embedded-redis-package.ts';
import { faultOf } from '../support/fault.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';

const folder = temporaryFolder();
const cache = join(tocsinHome(), 'redis-programs');
const directory = join(folder, 'redis');

afterAll(() => removeFolder(folder));

function start(options: Partial<RedisOptions> = {}): ReturnType<typeof startRedis> {
  return startRedis({ directory, cache, ...options });
}

async function withRedis<T>(url: string, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url);
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

/** A folder for PATH with one program, a shell script. */
function pathWith(label: string, program: string, script: string): string {
  const path = join(folder, label);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, program), `#!/bin/sh\n${script}\n`);
  chmodSync(join(path, program), 0o755);
  return path;
}

function emptyFolder(label: string): string {
  const path = join(folder, label);
  mkdirSync(path);
  return path;
}

test('embedded redis - a second start finds the data of the first', async () => {
  const first = await start();
  await withRedis(first.url, (redis) => redis.set('kept', 'yes'));
  await first.stop();
  const second = await start();
  expect(await withRedis(second.url, (redis) => redis.get('kept'))).toBe('yes');
  await second.stop();
});

test('embedded redis - what it had answered survives a kill', async () => {
  const first = await start();
  await withRedis(first.url, (redis) => redis.set('kept', 'over a kill'));
  process.kill(first.pid, 'SIGKILL');
  await first.exited;
  const second = await start();
  expect(await withRedis(second.url, (redis) => redis.get('kept'))).toBe('over a kill');
  await second.stop();
});

test('embedded redis - a running one is refused to others, on any port', async () => {
  const first = await start();
  const fault = await faultOf(start());
  expect(fault.message).toContain(`process ${process.pid}`);
  await first.stop();
});

test('embedded redis - keeps every write, evicts nothing, listens on loopback only', async () => {
  const server = await start();
  const wanted = ['appendonly', 'appendfsync', 'maxmemory-policy', 'bind'];
  const got = await withRedis(server.url, (redis) => Promise.all(wanted.map((name) => redis.config('GET', name))));
  expect(got.map(([, value]) => value)).toEqual(['yes', 'everysec', 'noeviction', '127.0.0.1']);
  await server.stop();
});

test('embedded redis - a taken port is named', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as { port: number };
  expect((await faultOf(start({ port }))).message).toContain(`port ${port}`);
  await new Promise((resolve) => taken.close(resolve));
});

test('redis ladder - redis-server on PATH comes first, then valkey-server', async () => {
  const redis = pathWith('path-redis', 'redis-server', 'echo "Redis server v=7.2.4 sha=00000000:0"');
  const valkey = pathWith('path-valkey', 'valkey-server', 'echo "Valkey server v=8.1.1 sha=00000000:0"');
  const found = await findRedis(cache, `${valkey}:${redis}`, undefined);
  expect(found).toEqual({ command: join(redis, 'redis-server'), libraries: [] });
  expect((await findRedis(cache, valkey, undefined)).command).toBe(join(valkey, 'valkey-server'));
});

test('redis ladder - one that is too old or broken is passed over, and named when it was the only one', async () => {
  const old = pathWith('path-old', 'redis-server', 'echo "Redis server v=6.0.16 sha=00000000:0"');
  const broken = pathWith('path-old', 'valkey-server', 'exit 127');
  const fault = await faultOf(findRedis(emptyFolder('cache-old'), `${old}:${broken}`, undefined));
  expect(fault.details.join(' ')).toMatch(/redis-server is not version 7.*6\.0\.16.*valkey-server cannot be run/);
});

test('redis ladder - with nothing to be had, one fault says what to install', async () => {
  const options = { cache: emptyFolder('cache-none'), searchPath: emptyFolder('path-none') };
  const fault = await faultOf(start(options));
  expect(fault.code).toBe('start');
  expect(fault.message).toMatch(/apt-get install redis-server.*brew install redis.*REDIS_URL/);
  expect(existsSync(join(directory, 'running.json'))).toBe(false);
});

test('redis ladder - a package that cannot be fetched is told, and leaves nothing half-made', async () => {
  const path = pathWith('path-offline', 'apt-get', 'echo "Could not resolve host" >&2; exit 100');
  pathWith('path-offline', 'dpkg-deb', 'exit 1');
  const offline = emptyFolder('cache-offline');
  const fault = await faultOf(findRedis(offline, path, undefined));
  expect(fault.message).toContain('apt-get install redis-server');
  expect(fault.details.join(' ')).toContain('Could not resolve host');
  expect(readdirSync(offline)).toEqual([]);
});
