/** Input that is wrong: each kind has one clear answer, and nothing is half done. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Caller, caller, goodCampaign, mobile, platformKey, startApi, type TestApi } from './harness.ts';

let api: TestApi;
let town: Caller;
let owner: pg.Client;
beforeAll(async () => {
  api = await startApi();
  owner = new pg.Client({ connectionString: api.stored.ownerUrl });
  await owner.connect();
  town = await api.organisation();
  await town.request('POST', '/residents', { contacts: [{ address: mobile(1) }] });
});
afterAll(async () => {
  await owner.end();
  await api.stop();
});

/** Everything that a request could have left behind. */
async function stored(): Promise<unknown> {
  const { rows } = await owner.query(`select
    (select count(*) from organisations) as organisations, (select count(*) from api_keys) as keys,
    (select count(*) from residents) as residents, (select count(*) from contact_points) as contacts,
    (select count(*) from lists) as lists, (select count(*) from outbox) as outbox,
    (select count(*) from idempotency_keys) as idempotency,
    (select json_agg(c order by id) from campaigns c) as campaigns`);
  return rows[0];
}

const problem = (kind: string) => `urn:tocsin:problem:${kind}`;
const bytes = (text: string, encoding: BufferEncoding) => new Uint8Array(Buffer.from(text, encoding));
const streamOf = (chunk: Uint8Array, times: number) => {
  let left = times;
  return new ReadableStream({
    pull(controller) {
      if (left === 0) controller.close();
      else controller.enqueue(chunk);
      left -= 1;
    },
  });
};
const campaign = (change: object) => ({ ...goodCampaign, ...change });
const long = { fr: 'é'.repeat(160 * 9) };

type Case = [name: string, path: string, body: unknown, status: number, kind: string, field?: string];
const cases: Case[] = [
  ['malformed JSON', '/campaigns', '{"name": "Flood", ', 400, 'malformed-json'],
  ['JSON that is no object', '/campaigns', '42', 422, 'invalid', ''],
  ['no body', '/campaigns', '', 400, 'malformed-json'],
  ['UTF-16', '/campaigns', bytes(JSON.stringify(goodCampaign), 'utf16le'), 400, 'encoding'],
  ['Latin-1', '/residents', bytes('{"firstName":"Zoé"}', 'latin1'), 400, 'encoding'],
  ['a 10 MB field', '/residents', { firstName: 'x'.repeat(10_000_000) }, 413, 'too-large'],
  ['a 10 MB stream', '/residents', streamOf(new Uint8Array(1_000_000).fill(32), 10), 413, 'too-large'],
  ['a number that is none', '/campaigns', campaign({ validitySeconds: 'a day' }), 422, 'invalid', 'validitySeconds'],
  ['NaN', '/campaigns', '{"validitySeconds": NaN}', 400, 'malformed-json'],
  ['a number with a fraction', '/campaigns', campaign({ validitySeconds: 90.5 }), 422, 'invalid', 'validitySeconds'],
  ['a number too large', '/campaigns', campaign({ validitySeconds: 1e300 }), 422, 'invalid', 'validitySeconds'],
  ['a text too long', '/campaigns', campaign({ contents: long }), 422, 'invalid', 'contents.fr'],
  ['a text without end', '/campaigns', campaign({ contents: { fr: 'x'.repeat(5001) } }), 422, 'invalid', 'contents.fr'],
  ['an empty text', '/campaigns', campaign({ contents: { fr: ' ' } }), 422, 'invalid', 'contents.fr'],
  ['no text', '/campaigns', campaign({ contents: {} }), 422, 'invalid', 'contents'],
  ['half a character', '/campaigns', campaign({ contents: { fr: 'a\ud83d' } }), 422, 'invalid', 'contents.fr'],
  ['a NUL', '/campaigns', campaign({ contents: { fr: 'a\u0000' } }), 422, 'invalid', 'contents.fr'],
  ['an unknown placeholder', '/campaigns', campaign({ contents: { fr: '{{age}}' } }), 422, 'invalid', 'contents.fr'],
  ['an open placeholder', '/campaigns', campaign({ contents: { fr: '{{city' } }), 422, 'invalid', 'contents.fr'],
  ['no default text', '/campaigns', campaign({ defaultLanguage: 'de' }), 422, 'invalid', 'defaultLanguage'],
  [
    'a language that is none',
    '/campaigns',
    campaign({ contents: { Français: 'x' } }),
    422,
    'invalid',
    'contents.Français',
  ],
  ['a sender too long', '/campaigns', campaign({ sender: 'MAIRIE DE XX' }), 422, 'invalid', 'sender'],
  ['a sender with an accent', '/campaigns', campaign({ sender: 'Évry' }), 422, 'invalid', 'sender'],
  ['an unknown list', '/campaigns', campaign({ audience: { lists: ['7'] } }), 404, 'unknown-list', 'audience.lists.0'],
  ['a list twice', '/campaigns', campaign({ audience: { lists: ['7', '7'] } }), 422, 'invalid', 'audience.lists'],
  ['two audiences', '/campaigns', campaign({ audience: { all: true, lists: ['7'] } }), 422, 'invalid', 'audience'],
  ['an unknown field', '/campaigns', campaign({ pririty: 1 }), 422, 'invalid', 'pririty'],
  ['an unknown nature', '/campaigns', campaign({ nature: 'advert' }), 422, 'invalid', 'nature'],
  ['an unknown country', '/organisations', { name: 'X', country: 'ZZ' }, 422, 'invalid', 'country'],
  ['deep nesting', '/campaigns', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 422, 'invalid', ''],
];

test.each(cases)('bad input - %s is told and changes nothing', async (_name, path, body, status, kind, field) => {
  const before = await stored();
  const who = path === '/organisations' ? caller(api.app, '', platformKey) : town;
  const answer = await who.request('POST', path, body);
  expect(answer).toMatchObject({ status, body: { type: problem(kind), status, title: expect.any(String) } });
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  if (field !== undefined) expect(answer.body.field).toBe(field);
  expect(await stored()).toEqual(before);
});

test('bad input - a JSON body may begin with a byte order mark', async () => {
  const answer = await town.request('POST', '/lists', `\ufeff${JSON.stringify({ name: 'Marked' })}`);
  expect(answer).toMatchObject({ status: 201, body: { name: 'Marked' } });
});

test('bad input - another media type is told', async () => {
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', '']) {
    const answer = await town.request('POST', '/lists', '{"name":"X"}', { 'content-type': type });
    expect(answer, type).toMatchObject({ status: 415, body: { type: problem('media-type') } });
  }
});

test('bad input - everything that is wrong is told at once', async () => {
  const wrong = campaign({ sender: '', contents: { fr: '{{age}} {{x' }, defaultLanguage: 'en' });
  const { body } = await town.request('POST', '/campaigns', wrong);
  expect(new Set(body.errors.map((error: { field: string }) => error.field))).toEqual(
    new Set(['sender', 'contents.fr', 'defaultLanguage']),
  );
});

test('bad input - commands that a campaign cannot obey are told and change nothing', async () => {
  const { body: created } = await town.request('POST', '/campaigns', goodCampaign);
  const command = (verb: string) => town.request('POST', `/campaigns/${created.id}/${verb}`);
  const refuses = async (...verbs: string[]) => {
    for (const verb of verbs) {
      const before = await stored();
      expect(await command(verb), verb).toMatchObject({ status: 409, body: { type: problem('campaign-state') } });
      expect(await stored()).toEqual(before);
    }
  };
  await refuses('pause', 'resume');
  await command('launch');
  await refuses('launch', 'resume');
  await owner.query("update campaigns set status = 'completed', finished_at = now() where id = $1", [created.id]);
  await refuses('launch', 'pause', 'resume', 'cancel');
});

test('bad input - unknown keys, routes and ids are told', async () => {
  const nobody = caller(api.app, '', `tocsin_${'a'.repeat(43)}`);
  const unknown = await nobody.request('GET', '/residents');
  expect(unknown).toMatchObject({ status: 401, body: { type: problem('unauthorised') } });
  expect(unknown.headers.get('www-authenticate')).toBe('Bearer');
  expect((await caller(api.app, '', 'x').request('GET', '/organisations')).status).toBe(401);
  expect((await caller(api.app, '', platformKey).request('GET', '/residents')).status).toBe(401);
  expect((await town.request('GET', '/organisations')).status).toBe(404);
  for (const path of ['/nothing', '/residents/x', '/residents/99999999999999999999', '/campaigns/-1/preview']) {
    expect(await town.request('GET', path), path).toMatchObject({ status: 404, body: { type: problem('not-found') } });
  }
});

test('bad input - another method than a path takes is told, with those that it takes', async () => {
  for (const [method, path, allow] of [
    ['PUT', '/campaigns', 'GET, HEAD, POST'],
    ['DELETE', '/campaigns/7/results.csv', 'GET, HEAD'],
    ['GET', '/campaigns/7/launch', 'POST'],
    ['PUT', '/residents/7', 'DELETE, GET, HEAD, PATCH'],
    ['POST', '/openapi.json', 'GET, HEAD'],
  ] as const) {
    const answer = await town.request(method, path);
    expect(answer, path).toMatchObject({ status: 405, body: { type: problem('method'), status: 405 } });
    expect([path, answer.headers.get('allow')]).toEqual([path, allow]);
  }
  expect((await town.request('PUT', '/campaigns/7/nothing')).status).toBe(404);
  expect((await town.request('PUT', '/campaigns/7/resultsXcsv')).status).toBe(404);
});

test('bad input - a cursor that cannot be one is told, however long', async () => {
  for (const cursor of ['x', '-1', 'x'.repeat(19), '9'.repeat(400), '9223372036854775808']) {
    const answer = await town.request('GET', `/residents?cursor=${cursor}`);
    expect(answer, cursor).toMatchObject({ status: 422, body: { type: problem('invalid'), field: 'cursor' } });
  }
});

test('keys - a revoked key ends at once where it was revoked', async () => {
  const { body: created } = await api.platform.request('POST', `/organisations/${town.organisation}/keys`, {
    name: 'b',
  });
  const holder = caller(api.app, town.organisation, created.key);
  expect((await holder.request('GET', '/residents')).status).toBe(200);
  const path = `/organisations/${town.organisation}/keys`;
  expect((await api.platform.request('DELETE', `${path}/${created.id}`)).status).toBe(204);
  expect((await holder.request('GET', '/residents')).status).toBe(401);
  const { body } = await api.platform.request('GET', path);
  expect(body.items.map((key: { revokedAt: unknown }) => key.revokedAt === null)).toEqual([true, false]);
  expect(JSON.stringify(body)).not.toContain(created.key);
});
