/** An organisation's key opens nothing of another organisation: every route of the OpenAPI document is tried. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Caller, goodCampaign, mobile, startApi, type TestApi } from './harness.ts';

let api: TestApi;
let town: Caller;
let stranger: Caller;
let ids: Record<string, string>;
beforeAll(async () => {
  api = await startApi();
  town = await api.organisation('Town');
  stranger = await api.organisation('Stranger');
  const { body: list } = await town.request('POST', '/lists', { name: 'List' });
  const { body: resident } = await town.request('POST', '/residents', { contacts: [{ address: mobile(1) }] });
  await town.request('PUT', `/lists/${list.id}/residents/${resident.id}`);
  const audience = { lists: [list.id] };
  const { body: campaign } = await town.request('POST', '/campaigns', { ...goodCampaign, audience });
  const { body: keys } = await api.platform.request('GET', `/organisations/${town.organisation}/keys`);
  ids = {
    organisations: town.organisation,
    lists: list.id,
    residents: resident.id,
    campaigns: campaign.id,
    key: keys.items[0]?.id ?? '',
    resident: resident.id,
  };
});
afterAll(() => api.stop());

const bodies: Record<string, unknown> = {
  'PATCH /lists/{id}': { name: 'Mine' },
  'PATCH /residents/{id}': { firstName: 'Mine' },
  'POST /organisations/{id}/keys': { name: 'mine' },
  'POST /campaigns/{id}/list': { name: 'Mine', states: ['unknown'] },
};

async function operations(): Promise<[method: string, path: string][]> {
  const { body } = await town.request('GET', '/openapi.json');
  return Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
    Object.keys(methods).map((method): [string, string] => [method.toUpperCase(), path]),
  );
}

/** The path with the town's ids in it. */
function filled(path: string): string {
  const collection = path.split('/')[1] ?? '';
  return path
    .replace('{id}', ids[collection] ?? '')
    .replace('{key}', ids['key'] ?? '')
    .replace('{resident}', ids['resident'] ?? '');
}

async function contents(): Promise<unknown> {
  const owner = new pg.Client({ connectionString: api.stored.ownerUrl });
  await owner.connect();
  const tables = [
    'organisations',
    'api_keys',
    'residents',
    'contact_points',
    'lists',
    'list_members',
    'campaigns',
    'outbox',
  ];
  const found: unknown[] = [];
  for (const table of tables) found.push((await owner.query(`select * from ${table} order by 1, 2`)).rows);
  await owner.end();
  return found;
}

test('tenancy - another organisation gets 404 on every route that names something, and changes nothing', async () => {
  const named = (await operations()).filter(([, path]) => path.includes('{'));
  expect(named.length).toBeGreaterThan(20);
  const before = await contents();
  for (const [method, path] of named) {
    const answer = await stranger.request(method, filled(path), bodies[`${method} ${path}`]);
    expect(answer, `${method} ${path}`).toMatchObject({ status: 404, body: { type: 'urn:tocsin:problem:not-found' } });
  }
  expect(await contents()).toEqual(before);
});

test('tenancy - the same routes answer the organisation itself, so that 404 means something', async () => {
  const reads = (await operations()).filter(([method, path]) => method === 'GET' && path.includes('{'));
  for (const [method, path] of reads.filter(([, other]) => !other.endsWith('/events'))) {
    const who = path.startsWith('/organisations') ? api.platform : town;
    expect((await who.request(method, filled(path))).status, `${method} ${path}`).toBe(200);
  }
});

test('tenancy - routes that name nothing show nothing of another organisation', async () => {
  const collections = (await operations()).filter(([method, path]) => method === 'GET' && !path.includes('{'));
  for (const [method, path] of collections) {
    const answer = await stranger.request(method, path);
    if (path.startsWith('/organisations')) expect(answer.status, path).toBe(404);
    else expect(answer, path).toMatchObject({ status: 200, body: { items: [], next: null } });
  }
});

test('tenancy - names of another organisation in a body or a query are not found either', async () => {
  const list = ids['lists'] ?? '';
  const { body: own } = await stranger.request('POST', '/lists', { name: 'Own' });
  const { body: person } = await stranger.request('POST', '/residents', {});
  const csv = { 'content-type': 'text/csv' };
  const tries = [
    await stranger.request('POST', '/campaigns', { ...goodCampaign, audience: { lists: [own.id, list] } }),
    await stranger.request('POST', `/residents/import?list=${list}`, 'firstName\nA\n', csv),
    await stranger.request('GET', `/residents?list=${list}`),
    await stranger.request('PUT', `/lists/${list}/residents/${person.id}`),
    await stranger.request('PUT', `/lists/${own.id}/residents/${ids['residents']}`),
    await stranger.request('GET', `/lists/${own.id}/residents?cursor=${ids['residents']}`),
  ];
  expect(tries.map((answer) => answer.status)).toEqual([404, 404, 404, 404, 404, 200]);
  expect(tries[0]?.body).toMatchObject({ type: 'urn:tocsin:problem:unknown-list', field: 'audience.lists.1' });
  expect(tries[5]?.body.items).toEqual([]);
});
