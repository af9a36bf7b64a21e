/** Residents and lists through the API. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Caller, mobile, startApi, type TestApi } from './harness.ts';

let api: TestApi;
let town: Caller;
beforeAll(async () => {
  api = await startApi();
  town = await api.organisation();
});
afterAll(() => api.stop());

test('residents - are created, read, changed and deleted', async () => {
  const created = await town.request('POST', '/residents', {
    externalReference: 'R1',
    firstName: 'Zoé',
    contacts: [{ address: '06 39 98 00 01' }, { address: '+33 5 46 00 00 00', optedOut: true }],
  });
  expect(created.status).toBe(201);
  expect(created.body).toMatchObject({
    externalReference: 'R1',
    firstName: 'Zoé',
    lastName: '',
    contacts: [
      { channel: 'sms', address: '+33639980001', optedOut: false },
      { channel: 'voice', address: '+33546000000', optedOut: true },
    ],
  });
  const path = `/residents/${created.body.id}`;
  expect((await town.request('GET', path)).body).toEqual(created.body);
  const changed = await town.request('PATCH', path, { lastName: 'Blanc', externalReference: null });
  expect(changed.body).toMatchObject({ firstName: 'Zoé', lastName: 'Blanc', externalReference: null });
  expect(changed.body.contacts).toEqual(created.body.contacts);
  expect((await town.request('DELETE', path)).status).toBe(204);
  expect((await town.request('GET', path)).status).toBe(404);
  expect((await town.request('DELETE', path)).status).toBe(404);
});

test('residents - contacts become exactly those given, and an opt-out stays unless it is lifted', async () => {
  const contacts = [{ address: mobile(10), optedOut: true }, { address: mobile(11) }];
  const { body } = await town.request('POST', '/residents', { contacts });
  const path = `/residents/${body.id}`;
  const kept = await town.request('PATCH', path, { contacts: [{ address: mobile(10) }, { address: mobile(12) }] });
  expect(kept.body.contacts).toEqual([
    { channel: 'sms', address: mobile(10), optedOut: true },
    { channel: 'sms', address: mobile(12), optedOut: false },
  ]);
  const lifted = await town.request('PATCH', path, { contacts: [{ address: mobile(10), optedOut: false }] });
  expect(lifted.body.contacts).toEqual([{ channel: 'sms', address: mobile(10), optedOut: false }]);
});

test('residents - what is wrong with one is told by field, and nothing is kept', async () => {
  const bad: [unknown, string][] = [
    [{ contacts: [{ address: '12' }] }, 'contacts.0.address'],
    [{ contacts: [{ address: mobile(1) }, { address: '06 39 98 00 01' }] }, 'contacts.1.address'],
    [{ firstName: 'a\u0000b' }, 'firstName'],
    [{ firstName: '\ud800' }, 'firstName'],
    [{ firstName: 'x'.repeat(101) }, 'firstName'],
    [{ language: 'french' }, 'language'],
    [{ externalReference: ' ' }, 'externalReference'],
    [{ firstname: 'Zoé' }, 'firstname'],
    [{ contacts: [{ address: mobile(1), channel: 'sms' }] }, 'contacts.0.channel'],
    [JSON.parse('{"__proto__": {"a": 1}}'), '__proto__'],
    [[], ''],
  ];
  for (const [body, field] of bad) {
    const answer = await town.request('POST', '/residents', body);
    expect(answer, JSON.stringify(body)).toMatchObject({
      status: 422,
      body: { type: 'urn:tocsin:problem:invalid', field },
    });
  }
  const { body } = await town.request('GET', '/residents?externalReference=%20');
  expect(body.status).toBe(422);
});

test('residents - a second one with a reference is refused, another organisation may have it', async () => {
  const other = await api.organisation('Other');
  const resident = { externalReference: 'TWICE' };
  expect((await town.request('POST', '/residents', resident)).status).toBe(201);
  const twice = await town.request('POST', '/residents', resident);
  expect(twice).toMatchObject({
    status: 409,
    body: { type: 'urn:tocsin:problem:already-exists', field: 'externalReference' },
  });
  expect((await other.request('POST', '/residents', resident)).status).toBe(201);
  const found = await town.request('GET', '/residents?externalReference=TWICE');
  expect(found.body.items).toHaveLength(1);
});

test('residents - pages hold everybody once and in order', async () => {
  const paged = await api.organisation('Paged');
  const ids: string[] = [];
  for (let n = 0; n < 7; n += 1) ids.push((await paged.request('POST', '/residents', { firstName: `P${n}` })).body.id);
  const seen: string[] = [];
  let cursor = '';
  for (let pages = 0; ; pages += 1) {
    const { body } = await paged.request('GET', `/residents?limit=3${cursor}`);
    seen.push(...body.items.map((item: { id: string }) => item.id));
    if (body.next === null) {
      expect(pages).toBe(2);
      break;
    }
    cursor = `&cursor=${body.next}`;
  }
  expect(seen).toEqual(ids);
  for (const query of [
    'limit=0',
    'limit=501',
    'limit=x',
    'cursor=-1',
    'cursor=9223372036854775808',
    'page=2',
    'limit=1&limit=2',
  ]) {
    expect((await paged.request('GET', `/residents?${query}`)).status, query).toBe(422);
  }
});

test('lists - hold residents, and are found by name only once', async () => {
  const { body: list } = await town.request('POST', '/lists', { name: 'Quai' });
  const { body: resident } = await town.request('POST', '/residents', { firstName: 'A' });
  const member = `/lists/${list.id}/residents/${resident.id}`;
  expect((await town.request('PUT', member)).status).toBe(204);
  expect((await town.request('PUT', member)).status).toBe(204);
  expect((await town.request('GET', `/lists/${list.id}`)).body.residents).toBe(1);
  expect((await town.request('GET', `/lists/${list.id}/residents`)).body.items).toEqual([resident]);
  expect((await town.request('GET', `/residents?list=${list.id}`)).body.items).toEqual([resident]);
  expect((await town.request('DELETE', member)).status).toBe(204);
  expect((await town.request('DELETE', member)).status).toBe(204);
  expect((await town.request('GET', `/lists/${list.id}/residents`)).body).toEqual({ items: [], next: null });
  expect((await town.request('PUT', `/lists/${list.id}/residents/1`)).status).toBe(404);
  expect((await town.request('POST', '/lists', { name: 'Quai' })).body.type).toBe('urn:tocsin:problem:already-exists');
  const renamed = await town.request('PATCH', `/lists/${list.id}`, { name: 'Rive' });
  expect(renamed.body).toMatchObject({ name: 'Rive', residents: 0 });
  expect((await town.request('GET', '/lists')).body.items).toEqual([renamed.body]);
  expect((await town.request('DELETE', `/lists/${list.id}`)).status).toBe(204);
  expect((await town.request('GET', `/lists/${list.id}/residents`)).status).toBe(404);
  expect((await town.request('GET', `/residents/${resident.id}`)).status).toBe(200);
  expect((await town.request('GET', `/residents?list=${list.id}`)).body.type).toBe('urn:tocsin:problem:unknown-list');
});
