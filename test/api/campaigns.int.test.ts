/** Campaigns from draft to launch: commands, idempotency, preview. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Id } from '../../src/handoff.ts';
import { type Caller, goodCampaign, mobile, startApi, type TestApi } from './harness.ts';

let api: TestApi;
let town: Caller;
let owner: pg.Client;
beforeAll(async () => {
  api = await startApi({ publishMs: 50 });
  owner = new pg.Client({ connectionString: api.stored.ownerUrl });
  await owner.connect();
  town = await api.organisation();
  await town.request('POST', '/residents', { firstName: 'Zoé', contacts: [{ address: mobile(1) }] });
});
afterAll(async () => {
  await owner.end();
  await api.stop();
});

const draft = async (caller: Caller = town): Promise<Id> =>
  (await caller.request('POST', '/campaigns', goodCampaign)).body.id;
const outbox = async (campaign: Id): Promise<string[]> => {
  const { rows } = await owner.query<{ command: string }>(
    'select command from outbox where campaign_id = $1 order by id',
    [campaign],
  );
  return rows.map((row) => row.command);
};

test('campaigns - a draft is read as it was created', async () => {
  const created = await town.request('POST', '/campaigns', goodCampaign);
  expect(created.status).toBe(201);
  expect(created.body).toMatchObject({ ...goodCampaign, status: 'draft', validitySeconds: 86_400, recipients: null });
  expect((await town.request('GET', `/campaigns/${created.body.id}`)).body).toEqual(created.body);
});

test('campaigns - lists are newest first, by status, in pages', async () => {
  const lister = await api.organisation();
  const ids: Id[] = [];
  for (let n = 0; n < 5; n += 1) ids.unshift(await draft(lister));
  await lister.request('POST', `/campaigns/${ids[1]}/cancel`);
  const first = await lister.request('GET', '/campaigns?limit=2');
  expect(first.body.items.map((item: { id: Id }) => item.id)).toEqual(ids.slice(0, 2));
  const second = await lister.request('GET', `/campaigns?limit=3&cursor=${first.body.next}`);
  expect(second.body.items.map((item: { id: Id }) => item.id)).toEqual(ids.slice(2));
  expect(second.body.next).toBeNull();
  const cancelled = await lister.request('GET', '/campaigns?status=cancelled');
  expect(cancelled.body.items.map((item: { id: Id }) => item.id)).toEqual([ids[1]]);
});

test('campaigns - commands reach the planner by the stream, and all but launches by the outbox', async () => {
  const id = await draft();
  const launched = await town.request('POST', `/campaigns/${id}/launch`);
  expect(launched).toMatchObject({ status: 202, body: { status: 'launched' } });
  expect(Date.parse(launched.body.expiresAt) - Date.parse(launched.body.launchedAt)).toBe(86_400_000);
  expect((await town.request('POST', `/campaigns/${id}/pause`)).body.status).toBe('paused');
  expect((await town.request('POST', `/campaigns/${id}/resume`)).body.status).toBe('launched');
  await owner.query("update campaigns set status = 'sending', planned_at = now() where id = $1", [id]);
  expect((await town.request('POST', `/campaigns/${id}/pause`)).body.status).toBe('paused');
  expect((await town.request('POST', `/campaigns/${id}/resume`)).body.status).toBe('sending');
  expect((await town.request('POST', `/campaigns/${id}/cancel`)).body.status).toBe('cancelling');
  const commands = api.published.filter(([campaign]) => campaign === id).map(([, command]) => command);
  expect(commands).toEqual(['launch', 'pause', 'launch', 'pause', 'resume', 'cancel']);
  expect(await outbox(id)).toEqual(commands.filter((command) => command !== 'launch'));
});

test('campaigns - a command without Redis is a fact, and waits in the outbox if it is no launch', async () => {
  const id = await draft();
  api.redis.down = true;
  const launched = await town.request('POST', `/campaigns/${id}/launch`);
  const paused = await town.request('POST', `/campaigns/${id}/pause`);
  api.redis.down = false;
  expect(launched).toMatchObject({ status: 202, body: { status: 'launched' } });
  expect(paused).toMatchObject({ status: 202, body: { status: 'paused' } });
  expect(await outbox(id)).toEqual(['pause']);
});

test('campaigns - a command with a field is refused and does nothing, one with an empty object is done', async () => {
  const id = await draft();
  const sized = (body: string, more = {}) => ({ 'content-length': String(body.length), ...more });
  const later = `{"at":"2030-01-01T00:00:00Z"}`;
  const refused = await town.request('POST', `/campaigns/${id}/launch`, later, sized(later));
  expect(refused).toMatchObject({ status: 422, body: { errors: [{ field: 'at', reason: 'unknown-field' }] } });
  const bad: [string, number, object?][] = [
    ['[1]', 422],
    ['{"at', 400],
    ['now', 415, { 'content-type': 'text/plain' }],
  ];
  for (const [body, status, more] of bad) {
    expect((await town.request('POST', `/campaigns/${id}/launch`, body, sized(body, more))).status).toBe(status);
  }
  expect((await town.request('GET', `/campaigns/${id}`)).body.status).toBe('draft');
  expect((await town.request('POST', `/campaigns/${id}/launch`, '{}', sized('{}'))).status).toBe(202);
});

test('campaigns - two launches at once: one is accepted', async () => {
  const id = await draft();
  const answers = await Promise.all([1, 2, 3].map(() => town.request('POST', `/campaigns/${id}/launch`)));
  expect(answers.map((answer) => answer.status).toSorted((a, b) => a - b)).toEqual([202, 409, 409]);
  expect(api.published.filter(([campaign]) => campaign === id)).toHaveLength(1);
});

test('campaigns - a launch that reaches nobody is refused and leaves the draft', async () => {
  const nobody = await api.organisation();
  const { body: list } = await nobody.request('POST', '/lists', { name: 'Empty' });
  const contacts: unknown[][] = [
    [],
    [{ address: '05 46 00 00 00' }],
    [{ address: mobile(2), optedOut: true }],
    [{ address: '+447911123456' }],
  ];
  for (const entry of contacts) await nobody.request('POST', '/residents', { contacts: entry });
  const ids = [
    await draft(nobody),
    (await nobody.request('POST', '/campaigns', { ...goodCampaign, audience: { lists: [list.id] } })).body.id,
  ];
  for (const id of ids) {
    const answer = await nobody.request('POST', `/campaigns/${id}/launch`);
    expect(answer).toMatchObject({ status: 409, body: { type: 'urn:tocsin:problem:no-recipients' } });
    expect((await nobody.request('GET', `/campaigns/${id}`)).body).toMatchObject({ status: 'draft', launchedAt: null });
    expect(await outbox(id)).toEqual([]);
  }
});

test('idempotency - the same request under a key is done once, byte for byte', async () => {
  const headers = { 'idempotency-key': 'create-1' };
  const before = (await town.request('GET', '/campaigns?limit=500')).body.items.length;
  const answers = await Promise.all([1, 2, 3, 4].map(() => town.request('POST', '/campaigns', goodCampaign, headers)));
  expect(new Set(answers.map((answer) => JSON.stringify(answer.body))).size).toBe(1);
  expect(answers.map((answer) => answer.status)).toEqual([201, 201, 201, 201]);
  const replayed = answers.filter((answer) => answer.headers.get('idempotency-replayed') === 'true');
  expect(replayed).toHaveLength(3);
  expect((await town.request('GET', '/campaigns?limit=500')).body.items).toHaveLength(before + 1);
});

test('idempotency - another request under the same key is refused, another organisation has its own keys', async () => {
  const headers = { 'idempotency-key': 'create-2' };
  await town.request('POST', '/campaigns', goodCampaign, headers);
  const other = await town.request('POST', '/campaigns', { ...goodCampaign, name: 'Other' }, headers);
  expect(other).toMatchObject({ status: 422, body: { type: 'urn:tocsin:problem:idempotency-key' } });
  const elsewhere = await api.organisation();
  const own = await elsewhere.request('POST', '/campaigns', goodCampaign, headers);
  expect(own.status).toBe(201);
  expect(own.headers.get('idempotency-replayed')).toBeNull();
});

test('idempotency - a launch is repeated without harm, and a refused request frees its key', async () => {
  const late = await api.organisation();
  const id = await draft(late);
  const headers = { 'idempotency-key': 'launch-1' };
  expect((await late.request('POST', `/campaigns/${id}/launch`, undefined, headers)).status).toBe(409);
  await late.request('POST', '/residents', { contacts: [{ address: mobile(3) }] });
  const first = await late.request('POST', `/campaigns/${id}/launch`, undefined, headers);
  const second = await late.request('POST', `/campaigns/${id}/launch`, undefined, headers);
  expect(first.status).toBe(202);
  expect(second).toMatchObject({ status: 202, body: first.body });
  expect(second.headers.get('idempotency-replayed')).toBe('true');
  expect(api.published.filter(([campaign]) => campaign === id)).toHaveLength(1);
  const bad = await late.request('POST', `/campaigns/${id}/cancel`, undefined, { 'idempotency-key': 'é' });
  expect(bad.status).toBe(422);
});

test('preview - says recipients, duplicates, who is unreachable and why, segments, carriers and time', async () => {
  const seen = await api.organisation();
  const add = async (fields: object) => expect((await seen.request('POST', '/residents', fields)).status).toBe(201);
  await add({ firstName: 'Zoé', contacts: [{ address: mobile(1) }] });
  await add({ firstName: 'Léo', language: 'en', contacts: [{ address: mobile(2) }, { address: '+33730000002' }] });
  await add({ firstName: 'Léa', language: 'de', contacts: [{ address: mobile(1) }, { address: '+33730000001' }] });
  await add({ firstName: 'Out', contacts: [{ address: mobile(3), optedOut: true }] });
  await add({ firstName: 'None' });
  await add({ firstName: 'Far', contacts: [{ address: '+447911123456' }] });
  const contents = { fr: `Crue ê ${'x'.repeat(70)}`, en: 'Flood' };
  const { body: campaign } = await seen.request('POST', '/campaigns', { ...goodCampaign, contents });
  const { status, body } = await seen.request('GET', `/campaigns/${campaign.id}/preview`);
  expect(status).toBe(200);
  expect(body).toMatchObject({
    recipients: 4,
    duplicates: 1,
    unreachable: { noMobile: 1, optedOut: 1, noCarrier: 1 },
    segments: 6,
    expectedSeconds: 1,
    carriers: [
      { carrier: 'north', recipients: 2, segments: 3, seconds: 1 },
      { carrier: 'south', recipients: 2, segments: 3, seconds: 1 },
    ],
  });
  expect(body.groups).toEqual([
    expect.objectContaining({ carrier: 'north', language: 'fr', recipients: 1, encoding: 'ucs2', forcesUcs2: ['ê'] }),
    expect.objectContaining({ carrier: 'north', language: 'en', recipients: 1, encoding: 'gsm', segments: 1 }),
    expect.objectContaining({ carrier: 'south', language: 'fr', recipients: 1, segmentsLeast: 2, segmentsMost: 2 }),
    expect.objectContaining({ carrier: 'south', language: 'en', recipients: 1, personalised: false, forcesUcs2: [] }),
  ]);
});

test('preview - reckons personal texts from the audience', async () => {
  const seen = await api.organisation();
  await seen.request('POST', '/residents', { firstName: 'A', contacts: [{ address: mobile(1) }] });
  await seen.request('POST', '/residents', { firstName: 'B'.repeat(20), contacts: [{ address: mobile(2) }] });
  const contents = { fr: `{{firstName}} ${'x'.repeat(150)}` };
  const { body: campaign } = await seen.request('POST', '/campaigns', { ...goodCampaign, contents });
  const { body } = await seen.request('GET', `/campaigns/${campaign.id}/preview`);
  expect(body.groups[0]).toMatchObject({ segmentsLeast: 1, segmentsMost: 2, segments: 3, personalised: true });
  // Asked for again it knows who came meanwhile, and is still nobody else's.
  await seen.request('POST', '/residents', { firstName: 'C'.repeat(20), contacts: [{ address: mobile(3) }] });
  const again = await seen.request('GET', `/campaigns/${campaign.id}/preview`);
  expect(again.body.groups[0]).toMatchObject({ recipients: 3, segments: 5 });
  expect((await town.request('GET', `/campaigns/${campaign.id}/preview`)).status).toBe(404);
});
