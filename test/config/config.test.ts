/** Settings and the carriers file: defaults, faults by name and path, and what must never be printed. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadCarriers, loadSettings, unknownSettings } from '../../config/load.ts';
import { withMetricsTable } from '../../cluster/metrics-table.ts';
import { withTables } from '../../config/tables.ts';
import { Fault } from '../../src/fault.ts';
import { temporaryFolder } from '../support/folder.ts';

function faultOf(action: () => unknown): Fault {
  try {
    action();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('no fault');
}

function carriersFile(content: unknown): string {
  const path = join(temporaryFolder(), 'carriers.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const good = {
  name: 'north',
  host: 'smsc.example',
  port: 2775,
  systemId: 'tocsin',
  passwordEnv: 'NORTH_PASSWORD',
  binds: 2,
  ratePerSecond: 100,
  prefixes: ['33'],
};

test('settings - an empty environment gives the defaults', () => {
  expect(loadSettings({})).toMatchObject({ port: 8080, batchRecipientsMax: 500, encodeThreads: 1 });
});

test('settings - every wrong variable is named, and no value is printed', () => {
  const { message, details } = faultOf(() =>
    loadSettings({
      PORT: 'eighty',
      TOCSIN_DRAIN_MS: '-1',
      TOCSIN_PLATFORM_KEY: 'hunter2',
      REDIS_URL: 'http://localhost',
    }),
  );
  expect(details.map((line) => line.split(':')[0])).toEqual([
    'REDIS_URL',
    'PORT',
    'TOCSIN_PLATFORM_KEY',
    'TOCSIN_DRAIN_MS',
  ]);
  expect(message).not.toContain('hunter2');
});

test.each([
  ['TOCSIN_DRIAN_MS', 'TOCSIN_DRAIN_MS'],
  ['TOCSIN_RETENTION_DAY', 'TOCSIN_RETENTION_DAYS'],
  ['TOCSIN_DATABASE_URL', 'DATABASE_URL'],
  ['TOCSIN_PLATFORM_KEY_FLIE', 'TOCSIN_PLATFORM_KEY_FILE'],
  ['TOCSIN_MOON', undefined],
])('settings - %s is none; its neighbour is %s', (variable, nearest) => {
  expect(unknownSettings({}, { [variable]: '1', PATH: '/bin', TOCSIN_DRAIN_MS: '1' })).toEqual([{ variable, nearest }]);
});

test('settings - what else is read is known: files of secrets, passwords of roles and of the carriers file', () => {
  const environment = {
    REDIS_URL_FILE: '/run/url',
    TOCSIN_REDIS_SENTINEL_PASSWORD_FILE: '/run/password',
    TOCSIN_API_DATABASE_PASSWORD: 'secret',
    TOCSIN_SERVICE_DATABASE_PASSWORD_FILE: '/run/service',
    TOCSIN_OF_NORTH: 'secret',
  };
  const carriers = carriersFile({ carriers: [{ ...good, passwordEnv: 'TOCSIN_OF_NORTH' }] });
  expect(unknownSettings({ carriers }, environment)).toEqual([]);
  expect(unknownSettings({ carriers: 'none' }, environment)).toEqual([{ variable: 'TOCSIN_OF_NORTH' }]);
});

test('settings - a secret may stand in a file, and neither it nor what is wrong with it is printed', () => {
  const folder = temporaryFolder();
  const file = join(folder, 'url');
  writeFileSync(file, 'redis://:s3cret@redis.example:6379\n');
  expect(loadSettings({ REDIS_URL_FILE: file }).redisUrl).toBe('redis://:s3cret@redis.example:6379');
  writeFileSync(file, 'ftp://:s3cret@redis.example');
  const wrong = faultOf(() => loadSettings({ REDIS_URL_FILE: file }));
  expect(wrong.details[0]).toContain('REDIS_URL:');
  expect(wrong.message).not.toContain('s3cret');
  const { details } = faultOf(() =>
    loadSettings({ REDIS_URL: 'redis://a', REDIS_URL_FILE: file, TOCSIN_PLATFORM_KEY_FILE: join(folder, 'none') }),
  );
  expect(details).toEqual([
    'REDIS_URL: is set, and so is REDIS_URL_FILE; keep one of them',
    `TOCSIN_PLATFORM_KEY_FILE: ${join(folder, 'none')} cannot be read (ENOENT)`,
  ]);
});

test('settings - an empty file is no secret, and an authority needs a connection by TLS', () => {
  const file = join(temporaryFolder(), 'url');
  writeFileSync(file, '\n');
  const { details } = faultOf(() => loadSettings({ REDIS_URL_FILE: file }));
  expect(details).toEqual([`REDIS_URL_FILE: ${file} is empty`]);
  const ca = { TOCSIN_REDIS_CA_FILE: '/etc/ca.pem' };
  expect(faultOf(() => loadSettings({ ...ca, REDIS_URL: 'redis://a' })).details[0]).toContain('rediss');
  expect(loadSettings({ ...ca, REDIS_URL: 'rediss+cluster://a' }).redisCaFile).toBe('/etc/ca.pem');
});

test('settings - PostgreSQL on another machine must prove itself, unless it is said that it need not', () => {
  const problemOf = (url: string) => {
    try {
      loadSettings({ DATABASE_URL: url });
      return 'none';
    } catch (error) {
      return error instanceof Fault ? (error.details[0] ?? '') : String(error);
    }
  };
  const far = 'postgresql://tocsin:s3cret@db.example:5432/tocsin';
  for (const url of [
    'postgresql://a:b@127.0.0.1:5432/c',
    'postgresql://a:b@localhost/c',
    'postgresql://a:b@[::1]:5432/c?sslmode=disable',
    'postgresql://a:b@%2Fvar%2Frun%2Fpostgresql/c',
    `${far}?sslmode=verify-full&sslrootcert=/etc/ca.pem`,
  ])
    expect([url, problemOf(url)]).toEqual([url, 'none']);
  for (const mode of [
    '',
    '?sslmode=disable',
    '?sslmode=require',
    '?sslmode=no-verify',
    '?ssl=true&sslmode=verify-full',
  ])
    expect(problemOf(far + mode)).toMatch(/^DATABASE_URL: PostgreSQL .*TOCSIN_DATABASE_TLS=any$/);
  expect(problemOf(far.replace('db.example', '192.0.2.7') + '?sslmode=verify-full')).toContain('must be named');
  expect(problemOf(far)).not.toContain('s3cret');
  expect(loadSettings({ DATABASE_URL: far, TOCSIN_DATABASE_TLS: 'any' }).databaseUrl).toBe(far);
});

test('settings - values that contradict each other are refused', () => {
  const { details } = faultOf(() => loadSettings({ TOCSIN_DRAIN_MS: '20000', TOCSIN_GRACE_MS: '10000' }));
  expect(details).toEqual(['TOCSIN_DRAIN_MS (20000) must be less than TOCSIN_GRACE_MS (10000)']);
});

test('carriers - a good file is read with its passwords and defaults', () => {
  const [carrier] = loadCarriers(carriersFile({ carriers: [good] }), { NORTH_PASSWORD: 'secret' });
  expect(carrier).toMatchObject({ name: 'north', password: 'secret', window: 10, bindType: 'transceiver' });
});

test('carriers - every fault of the file is listed by its path', () => {
  const { details } = faultOf(() =>
    loadCarriers(
      carriersFile({
        carriers: [
          { ...good, port: 0, prefixes: [] },
          { ...good, name: 'North!', longMessages: 'pigeon', surprise: 1 },
        ],
      }),
      {},
    ),
  );
  const paths = details.map((line) => line.split(': ')[0]);
  expect(paths).toEqual([
    'carriers[0].port',
    'carriers[0].prefixes',
    'carriers[1].name',
    'carriers[1].longMessages',
    'carriers[1].surprise',
  ]);
});

test('carriers - a missing or too long password and a name used twice are told without the password', () => {
  const { message, details } = faultOf(() =>
    loadCarriers(carriersFile({ carriers: [good, { ...good, passwordEnv: 'OTHER' }] }), { OTHER: 'much-too-long' }),
  );
  expect(details.map((line) => line.split(': ')[0])).toEqual([
    'carriers[1].name',
    'carriers[0].passwordEnv',
    'carriers[1].passwordEnv',
  ]);
  expect(message).not.toContain('much-too-long');
});

test('carriers - a password may stand in a file; both at once, or neither, is a fault', () => {
  const folder = temporaryFolder();
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, 'pass\n');
  const { passwordEnv: _, ...open } = good;
  const [carrier] = loadCarriers(carriersFile({ carriers: [{ ...open, passwordFile }] }), {});
  expect(carrier?.password).toBe('pass');
  writeFileSync(passwordFile, 'much-too-long');
  const { message, details } = faultOf(() =>
    loadCarriers(
      carriersFile({
        carriers: [
          { ...open, passwordFile },
          { ...open, name: 'both', passwordEnv: 'X', passwordFile },
          { ...open, name: 'neither' },
          { ...open, name: 'none', passwordFile: join(folder, 'none') },
        ],
      }),
      { X: 'x' },
    ),
  );
  expect(details.map((line) => line.split(': ')[0])).toEqual([
    'carriers[1].passwordEnv',
    'carriers[2].passwordEnv',
    'carriers[0].passwordFile',
    'carriers[3].passwordFile',
  ]);
  expect(message).not.toContain('much-too-long');
});

test('carriers - a window that cannot carry the rate is refused', () => {
  const file = carriersFile({ carriers: [{ ...good, ratePerSecond: 1000, window: 5, roundTripMs: 100 }] });
  const { details } = faultOf(() => loadCarriers(file, { NORTH_PASSWORD: 'x' }));
  expect(details[0]).toContain('carriers[0].window: 5 cannot carry the rate');
});

test('carriers - a file that is no JSON is told with what stands there', () => {
  const { details } = faultOf(() => loadCarriers(carriersFile('{"carriers": [\n  oops'), {}));
  expect(details[0]).toContain('oops');
});

test('carriers - the example file is right', () => {
  const carriers = loadCarriers('config/carriers.example.json', { NORTH_PASSWORD: 'a', SOUTH_PASSWORD: 'b' });
  expect(carriers.map(({ name }) => name)).toEqual(['north', 'south']);
});

test('readme - its tables say what the schemas say', () => {
  const readme = readFileSync('README.md', 'utf8');
  expect(withTables(readme)).toBe(readme);
  expect(withMetricsTable(readme)).toBe(readme);
});

test('carriers - a file for TLS that is missing, or holds something else, is told by its field', () => {
  const folder = temporaryFolder();
  const [none, certFile, keyFile] = [join(folder, 'none'), join(folder, 'cert.pem'), join(folder, 'key.pem')];
  writeFileSync(certFile, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  writeFileSync(keyFile, '-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n');
  const problemsOf = (tls: object) => {
    const file = carriersFile({ carriers: [{ ...good, tls }] });
    return faultOf(() => loadCarriers(file, { NORTH_PASSWORD: 'x' })).details;
  };
  expect(problemsOf({ caFile: none, certFile: keyFile, keyFile: certFile })).toEqual([
    `carriers[0].tls.caFile: ${none} cannot be read (ENOENT)`,
    `carriers[0].tls.certFile: ${keyFile} holds no certificate as PEM`,
    `carriers[0].tls.keyFile: ${certFile} holds no key as PEM`,
  ]);
  const file = carriersFile({ carriers: [{ ...good, tls: { caFile: certFile, certFile, keyFile } }] });
  expect(loadCarriers(file, { NORTH_PASSWORD: 'x' })).toHaveLength(1);
});
