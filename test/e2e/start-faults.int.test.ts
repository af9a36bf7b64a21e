/**
 * Starts that cannot be: each ends at once with one clear error, says nothing secret, prints no stack, and leaves
 * nothing running.
 */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type Ended, newHome, type RunOptions, startAll, startProcess } from '../support/cluster.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';

const folder = temporaryFolder();
/** For starts that fail after the servers were started: making a database takes longest. */
const home = newHome(folder, 'used');
afterAll(() => removeFolder(folder));

let homes = 0;

/** Runs a start to its end; fails unless it fails in good order. */
async function failingStart(options: Partial<RunOptions>): Promise<Ended> {
  homes += 1;
  const running = startAll({ home: newHome(folder, `home-${homes}`), ...options });
  const ended = await running.ended;
  expect(ended.code, ended.err).toBeGreaterThan(0);
  expect(ended.err).not.toMatch(/^\s+at /m);
  expect(running.alive()).toEqual([]);
  return ended;
}

function carriersFile(content: unknown): string {
  const path = join(folder, `carriers-${homes}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const carrier = { name: 'north', host: '127.0.0.1', port: 2775, systemId: 'town', binds: 1, ratePerSecond: 10 };
/** Nothing listens there: ports below 1024 are given to nobody without being asked for. */
const nowhere = '127.0.0.1:1';

test('start - an unknown flag, and two that exclude one another, are told with the flags that there are', async () => {
  for (const args of [['--once', '--fast'], ['--once', '--no-demo'], ['once']]) {
    const { code, out, err } = await failingStart({ args });
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(args.at(-1));
    expect(err).toContain('npm start [-- --once | --no-demo]');
  }
});

test('start - every wrong setting is named at once, and those that contradict each other', async () => {
  const wrong = { TOCSIN_DRAIN_MS: 'soon', TOCSIN_PLATFORM_KEY: 'hunter2', DATABASE_URL: 'mysql://u:hunter2@x/y' };
  const first = await failingStart({ environment: wrong });
  for (const name of Object.keys(wrong)) expect(first.err).toMatch(new RegExp(`^  ${name}: .`, 'm'));
  expect(first.err + first.out).not.toContain('hunter2');
  const second = await failingStart({ environment: { TOCSIN_DRAIN_MS: '20000', TOCSIN_BATCH_SECONDS_MAX: '9' } });
  expect(second.err).toContain('TOCSIN_DRAIN_MS (20000) must be less than TOCSIN_GRACE_MS (15000)');
  expect(second.err).toContain(
    'TOCSIN_BATCH_LEASE_MS (10000) must be at least 2,000 times TOCSIN_BATCH_SECONDS_MAX (9)',
  );
});

test('start - a variable that nothing reads is told with its neighbour, by npm start and by each process', async () => {
  const environment = { TOCSIN_DRIAN_MS: 'hunter2' };
  const started = await failingStart({ environment: { ...environment, TOCSIN_CARRIERS: 'none' } });
  expect(started.err).toContain('TOCSIN_DRIAN_MS is no setting and does nothing; is it TOCSIN_DRAIN_MS?');
  for (const module of ['planner', 'migrate']) {
    const ended = await startProcess(module, { home, environment }).ended;
    expect(ended.err).toMatch(/"variable":"TOCSIN_DRIAN_MS","nearest":"TOCSIN_DRAIN_MS","msg":"settings.unknown"/);
    expect(ended.err).not.toContain('hunter2');
  }
});

test('start - a wrong carriers file is told whole, by path, before anything is started', async () => {
  const carriers = [
    { ...carrier, passwordEnv: 'NORTH', port: 0, prefixes: [], window: 'wide' },
    {
      ...carrier,
      name: 'South!',
      passwordEnv: 'south',
      prefixes: ['+33'],
      longMessages: 'pigeon',
      password: 'hunter2',
    },
  ];
  const { out, err } = await failingStart({ environment: { TOCSIN_CARRIERS: carriersFile({ carriers }), NORTH: 'x' } });
  expect(out).toBe('');
  const paths = [...err.matchAll(/^ {2}(\S+): /gm)].map(([, path]) => path);
  expect(new Set(paths)).toEqual(
    new Set([
      'carriers[0].port',
      'carriers[0].prefixes',
      'carriers[0].window',
      'carriers[1].password',
      'carriers[1].longMessages',
      'carriers[1].name',
      'carriers[1].passwordEnv',
      'carriers[1].prefixes[0]',
    ]),
  );
  expect(err).not.toContain('hunter2');
});

test('start - passwords that are missing or too long are named by variable, never shown', async () => {
  const carriers = ['NORTH', 'SOUTH'].map((passwordEnv) => ({
    ...carrier,
    name: passwordEnv.toLowerCase(),
    passwordEnv,
    prefixes: [''],
  }));
  const environment = { TOCSIN_CARRIERS: carriersFile({ carriers }), SOUTH: 'nine-long' };
  const { out, err } = await failingStart({ environment });
  expect(err).toContain('carriers[0].passwordEnv: the environment has no NORTH');
  expect(err).toContain('carriers[1].passwordEnv: SOUTH must be at most 8');
  expect(out + err).not.toContain('nine-long');
});

test('start - a carriers file that is not there, or not JSON, is named', async () => {
  const missing = join(folder, 'nowhere.json');
  const first = await failingStart({ environment: { TOCSIN_CARRIERS: missing } });
  expect(first.err).toContain(`${missing} cannot be read; check TOCSIN_CARRIERS`);
  const path = carriersFile('{ "carriers": [');
  const second = await failingStart({ environment: { TOCSIN_CARRIERS: path } });
  expect(second.err).toContain(`${path} is not JSON`);
});

test('start - a home that cannot be is told with the variable that names another', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  const { err } = await failingStart({ environment: { TOCSIN_HOME: join(file, 'home') } });
  expect(err).toContain('cannot be written; set TOCSIN_HOME');
});

test('start - a PostgreSQL or Redis that does not answer is told with its variable, without its password', async () => {
  const database = await failingStart({ environment: { DATABASE_URL: `postgres://u:hunter2@${nowhere}/x` } });
  expect(database.err).toContain('check DATABASE_URL');
  expect(database.err).toContain('ECONNREFUSED');
  const redis = await failingStart({ environment: { REDIS_URL: `redis://:hunter2@${nowhere}` }, home });
  expect(redis.err).toContain('check REDIS_URL');
  expect(database.err + database.out + redis.err + redis.out).not.toContain('hunter2');
});

test('start - behind a pipe that was closed it goes on, here to what is wrong', async () => {
  const running = startAll({ home, environment: { REDIS_URL: `redis://${nowhere}` } });
  running.child.stdout?.destroy();
  const { code, err } = await running.ended;
  expect(code).toBe(1);
  expect(err).toContain('check REDIS_URL');
  expect(err).not.toContain('EPIPE');
});

test('start - a port that is taken is told with its variable before anything is started', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => holder.once('listening', resolve));
  const { port } = holder.address() as { port: number };
  const api = await failingStart({ environment: { PORT: String(port) } });
  expect(api.err).toContain(`port ${port} of 127.0.0.1 cannot be had; set PORT to a free one`);
  const health = await failingStart({ environment: { TOCSIN_HEALTH_PORT: String(port) } });
  expect(health.err).toContain(`port ${port} of 127.0.0.1 cannot be had; set TOCSIN_HEALTH_PORT to a free one`);
  const both = await failingStart({ environment: { PORT: '40004', TOCSIN_HEALTH_PORT: '40001' } });
  expect(both.err).toContain('PORT (40004) must not be one of the 5 ports from TOCSIN_HEALTH_PORT (40001) on');
  expect(api.out + health.out + both.out).toBe('');
  await new Promise((resolve) => holder.close(resolve));
});

test('start - a second one in the same home is refused, the first goes on; Ctrl-C amid a start ends it', async () => {
  const first = startAll({ home, args: ['--once'] });
  await first.line(/^started recorder/);
  const second = startAll({ home, args: ['--no-demo'] });
  const { code, err } = await second.ended;
  expect(code).toBe(1);
  expect(err).toContain(`is already run by process ${first.child.pid}. Stop it, or set TOCSIN_HOME.`);
  first.child.kill('SIGINT');
  // Its campaign was not sent, and nothing went wrong.
  expect(await first.ended).toMatchObject({ code: 1, err: '' });
  expect(first.alive()).toEqual([]);
});
