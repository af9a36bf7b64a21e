/** What one caller may ask for, what headers answers have, and who counts as one caller. */
import { Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { clientAddress, proxiesOf } from '../../src/api/client-address.ts';
import { Rate } from '../../src/api/rate.ts';
import { HandClock } from '../support/hand-clock.ts';
import { type Caller, startApi, type TestApi } from './harness.ts';

const clock = new HandClock();
let api: TestApi;
let town: Caller;

beforeAll(async () => {
  const limits = { keyRequestsPerSecondMax: 2, addressRequestsPerSecondMax: 10, failedKeysPerMinuteMax: 5 };
  api = await startApi({ ...limits, trustedProxies: '10.0.0.0/8' }, clock);
  town = await api.organisation();
});
afterAll(async () => {
  await api.stop();
});

/** A request as if it came from an address over a connection. */
async function from(address: string, key: string, headers: Record<string, string> = {}): Promise<Response> {
  const env = { incoming: { socket: { remoteAddress: address } } };
  return await api.app.request('/campaigns', { headers: { authorization: `Bearer ${key}`, ...headers } }, env);
}

async function statusesOf(times: number, ask: () => Promise<Response>): Promise<Record<number, number>> {
  const statuses: Record<number, number> = {};
  for (let time = 0; time < times; time++) {
    const { status } = await ask();
    statuses[status] = (statuses[status] ?? 0) + 1;
  }
  return statuses;
}

test('key - ten seconds of its rate may come at once, then the rate; it is told when to come again', async () => {
  await clock.advance(60_000);
  expect(await statusesOf(25, () => from('192.0.2.1', town.key))).toEqual({ 200: 20, 429: 5 });
  const refused = await from('192.0.2.2', town.key);
  expect(refused.headers.get('retry-after')).toBe('1');
  expect(refused.headers.get('content-type')).toBe('application/problem+json');
  expect(await refused.json()).toMatchObject({
    type: 'urn:tocsin:problem:too-many',
    status: 429,
    retryAfterSeconds: 1,
  });
  const other = await api.organisation('Other');
  expect((await from('192.0.2.1', other.key)).status).toBe(200);
  await clock.advance(2_000);
  expect(await statusesOf(6, () => from('192.0.2.3', town.key))).toEqual({ 200: 4, 429: 2 });
});

test('address - its requests are counted whatever their key, and those of others are not', async () => {
  await clock.advance(60_000);
  const statuses = await statusesOf(105, () => from('198.51.100.7', 'nonsense'));
  expect(statuses).toEqual({ 401: 100, 429: 5 });
  expect((await from('198.51.100.8', town.key)).status).toBe(200);
});

const unknownKey = `tocsin_${'x'.repeat(43)}`;

/** The status of a request with the platform's key. */
async function platformFrom(address: string): Promise<number> {
  const env = { incoming: { socket: { remoteAddress: address } } };
  const headers = { authorization: `Bearer ${api.platform.key}` };
  return (await api.app.request('/organisations', { headers }, env)).status;
}

test('failures - after some unknown keys none is looked at, until some time has passed', async () => {
  await clock.advance(120_000);
  expect(await statusesOf(8, () => from('203.0.113.5', unknownKey))).toEqual({ 401: 5, 429: 3 });
  expect((await from('203.0.113.6', unknownKey)).status).toBe(401);
  const fresh = await api.organisation('Fresh');
  expect((await from('203.0.113.5', fresh.key)).status).toBe(429);
  expect(await platformFrom('203.0.113.5')).toBe(429);
  await clock.advance(12_000);
  expect((await from('203.0.113.5', fresh.key)).status).toBe(200);
  expect(await platformFrom('203.0.113.5')).toBe(200);
});

test('failures - keys that were valid before go on while others guess beside them, revoked ones do not', async () => {
  await clock.advance(120_000);
  const neighbour = await api.organisation('Neighbour');
  expect((await from('203.0.113.9', neighbour.key)).status).toBe(200);
  expect(await platformFrom('203.0.113.9')).toBe(200);
  // Long after what the database said of them is believed.
  await clock.advance(3_600_000);
  expect(await statusesOf(8, () => from('203.0.113.9', unknownKey))).toEqual({ 401: 5, 429: 3 });
  expect((await from('203.0.113.9', neighbour.key)).status).toBe(200);
  expect(await platformFrom('203.0.113.9')).toBe(200);
  const path = `/organisations/${neighbour.organisation}/keys`;
  const { body } = await api.platform.request('GET', path);
  for (const { id } of body.items) await api.platform.request('DELETE', `${path}/${id}`);
  expect((await from('203.0.113.9', neighbour.key)).status).toBe(401);
  expect((await from('203.0.113.9', neighbour.key)).status).toBe(429);
  expect(await platformFrom('203.0.113.9')).toBe(200);
});

test('revoked - a key that is asked about while it is revoked works no longer than that', async () => {
  await clock.advance(120_000);
  const going = await api.organisation('Going');
  const path = `/organisations/${going.organisation}/keys`;
  const owner = new pg.Client({ connectionString: api.stored.ownerUrl });
  await owner.connect();
  // The key is known to be valid by then, and what else is to be known of its organisation is waited for.
  await owner.query('begin; lock table organisations in access exclusive mode');
  const asked = from('192.0.2.80', going.key);
  const waits = `select from pg_locks where not granted
    and database = (select oid from pg_database where datname = current_database())`;
  await expect.poll(async () => (await owner.query(waits)).rowCount).toBe(1);
  const { rows } = await owner.query<{ id: string }>('select id from api_keys where organisation_id = $1', [
    going.organisation,
  ]);
  expect((await api.platform.request('DELETE', `${path}/${rows[0]?.id}`)).status).toBe(204);
  await owner.query('commit');
  await owner.end();
  expect((await asked).status).toBe(200);
  expect((await from('192.0.2.80', going.key)).status).toBe(401);
});

test('failures - a flood of them ends with its rate, and does not shut an address for hours', async () => {
  await clock.advance(120_000);
  await statusesOf(90, () => from('203.0.113.20', 'nonsense'));
  expect((await from('203.0.113.20', unknownKey)).status).toBe(429);
  await clock.advance(12_000);
  expect((await from('203.0.113.20', unknownKey)).status).toBe(401);
});

test('proxies - who asks through a trusted one is told apart, and nobody else can name an address', async () => {
  await clock.advance(60_000);
  const through = (client: string) => from('10.1.2.3', 'nonsense', { 'x-forwarded-for': client });
  await statusesOf(101, () => through('192.0.2.50'));
  expect((await through('192.0.2.50')).status).toBe(429);
  expect((await through('1.1.1.1, 192.0.2.50')).status).toBe(429);
  expect((await through('192.0.2.51')).status).toBe(401);
  await statusesOf(101, () => from('192.0.2.60', 'nonsense', { 'x-forwarded-for': '192.0.2.61' }));
  expect((await from('192.0.2.60', 'nonsense', { 'x-forwarded-for': '192.0.2.62' })).status).toBe(429);
  expect((await from('192.0.2.61', 'nonsense')).status).toBe(401);
});

test('headers - what a key opens is kept by nobody on the way', async () => {
  await clock.advance(60_000);
  const { headers, status } = await from('192.0.2.70', town.key);
  expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
});

test('headers - every answer, problems too, says that it may not be framed, sniffed or run', async () => {
  for (const path of ['/openapi.json', '/docs', '/nowhere', '/campaigns']) {
    const { headers } = await api.app.request(path);
    expect([path, headers.get('x-content-type-options')]).toEqual([path, 'nosniff']);
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('strict-transport-security')).toContain('max-age=');
    expect(headers.get('x-frame-options')).toBe('SAMEORIGIN');
  }
});

test("headers - every answer has what hono's own middleware would give it, each once", async () => {
  const contentSecurityPolicy = { defaultSrc: ["'none'"], styleSrc: ["'unsafe-inline'"], frameAncestors: ["'none'"] };
  const plain = new Hono().use(secureHeaders({ contentSecurityPolicy })).get('/', (c) => c.body(null));
  const expected = Object.fromEntries((await plain.request('/')).headers);
  expect(Object.keys(expected).length).toBeGreaterThan(10);
  const headers = { authorization: `Bearer ${api.platform.key}` };
  const [made, refused, whole] = [['/organisations', { headers }], ['/nowhere'], ['/docs']] as const;
  for (const [path, init] of [made, refused, whole]) {
    const answered = await api.app.request(path, init);
    expect(Object.fromEntries(answered.headers)).toMatchObject(expected);
  }
});

test.each([
  ['192.0.2.1', undefined, '192.0.2.1'],
  ['::ffff:192.0.2.1', undefined, '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', undefined, '2001:db8:1:2::/64'],
  ['2001:db8::1', undefined, '2001:db8:0:0::/64'],
  ['10.0.0.1', '192.0.2.9', '192.0.2.9'],
  ['10.0.0.1', '6.6.6.6, 192.0.2.9:4711, 10.9.9.9', '192.0.2.9'],
  ['10.0.0.1', '[2001:db8:7::1]:80', '2001:db8:7:0::/64'],
  ['10.0.0.1', 'unknown', '10.0.0.1'],
  ['10.0.0.1', undefined, '10.0.0.1'],
  [undefined, '192.0.2.9', undefined],
])('address - %s with %s forwarded is %s', (peer, forwarded, address) => {
  expect(clientAddress(peer, forwarded, proxiesOf('10.0.0.0/8, ::1')!)).toBe(address);
});

test('proxies - what is neither address nor network is refused', () => {
  expect(['10.0.0.0/33', 'proxy', '10.0.0.1/', '::1/x'].map(proxiesOf)).toEqual(Array(4).fill(undefined));
});

test('rate - callers beyond the bound push out the quietest, and 0 is no limit', () => {
  const rate = new Rate(1, 1, 2);
  expect([rate.take('a', 0), rate.take('a', 0)]).toEqual([0, 1000]);
  rate.take('b', 0);
  rate.take('c', 0);
  expect([rate.waitMs('a', 0), rate.waitMs('b', 0), rate.waitMs('b', 1000)]).toEqual([0, 1000, 0]);
  const free = new Rate(0, 0);
  expect(Array.from({ length: 1000 }, () => free.take('a', 0)).every((wait) => wait === 0)).toBe(true);
});
