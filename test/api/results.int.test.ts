/** What became of recipients, as pages, as a file and as counts. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Id, recordSeparator } from '../../src/handoff.ts';
import { type Caller, goodCampaign, mobile, startApi, type TestApi } from './harness.ts';

let api: TestApi;
let town: Caller;
let owner: pg.Client;
let campaign: Id;

const recipients = 25;
const batchSize = 10;
/** By ordinal: what the bytes of the batches below say. */
const expected = (ordinal: number): string => {
  if (ordinal >= 20) return 'pending';
  if (ordinal === 7) return 'failed';
  return ordinal < 10 ? 'delivered' : 'submitted';
};

/** Batches of ten: the first settled, the second accepted, the third without a row yet. */
async function plan(): Promise<void> {
  const { rows } = await owner.query<{ id: Id }>('select id from residents order by id');
  for (let number = 1; number <= 3; number += 1) {
    const first = (number - 1) * batchSize;
    await owner.query(
      `insert into batches (campaign_id, number, organisation_id, carrier, language, first_ordinal, recipients)
        values ($1, $2, $3, 'north', 'fr', $4, $5)`,
      [campaign, number, town.organisation, first, Math.min(batchSize, recipients - first)],
    );
    const ordinals = Array.from({ length: Math.min(batchSize, recipients - first) }, (_, i) => first + i);
    await owner.query(
      'insert into recipients (campaign_id, batch, organisation_id, residents, packed) values ($1, $2, $3, $4, $5)',
      [
        campaign,
        number,
        town.organisation,
        ordinals.map((ordinal) => rows[ordinal]?.id),
        ordinals.map((ordinal) => mobile(ordinal).slice(1)).join(recordSeparator),
      ],
    );
  }
  const delivered = Buffer.alloc(batchSize, 0x18);
  delivered[7] = 0x17;
  for (const [batch, states] of [
    [1, delivered],
    [2, Buffer.alloc(batchSize, 0x16)],
  ] as const) {
    await owner.query(
      `insert into batch_states (campaign_id, batch, carrier, segment, organisation_id, first_ordinal, states)
        values ($1, $2, 'north', 0, $3, $4, $5)`,
      [campaign, batch, town.organisation, (batch - 1) * batchSize, states],
    );
  }
  await owner.query(`insert into campaign_carriers values ($1, 'north', $2, $3, 1, 3, 3)`, [
    campaign,
    town.organisation,
    recipients,
  ]);
  await owner.query(
    `insert into campaign_progress
        (campaign_id, carrier, organisation_id, submitted, awaiting_receipt, delivered, failed)
      values ($1, 'north', $2, 20, 10, 9, 1)`,
    [campaign, town.organisation],
  );
  await owner.query(
    `insert into submissions (campaign_id, ordinal, recipients, segment, segments, attempt, batch, first_ordinal,
        organisation_id, carrier, outcome, command_status, message_id, submitted_at)
      values ($1, 7, 1, 0, 1, 1, 1, 0, $2, 'north', 2, 11, '', now())`,
    [campaign, town.organisation],
  );
  await owner.query("update campaigns set status = 'sending', planned_at = now(), recipients = $2 where id = $1", [
    campaign,
    recipients,
  ]);
}

beforeAll(async () => {
  api = await startApi();
  owner = new pg.Client({ connectionString: api.stored.ownerUrl });
  await owner.connect();
  town = await api.organisation();
  for (let n = 0; n < recipients; n += 1) {
    await town.request('POST', '/residents', { externalReference: `R${n}`, firstName: `=P${n}`, lastName: '"x", y' });
  }
  campaign = (await town.request('POST', '/campaigns', goodCampaign)).body.id;
  await plan();
});
afterAll(async () => {
  await owner.end();
  await api.stop();
});

test('results - pages hold every recipient once, with state, carrier and name', async () => {
  const seen: { ordinal: number; state: string }[] = [];
  for (let cursor = ''; ; ) {
    const { body } = await town.request('GET', `/campaigns/${campaign}/results?limit=7${cursor}`);
    seen.push(...body.items);
    if (body.next === null) break;
    cursor = `&cursor=${body.next}`;
  }
  for (const cursor of [24, 2 ** 31 - 1]) {
    const behind = await town.request('GET', `/campaigns/${campaign}/results?cursor=${cursor}`);
    expect(behind.body).toEqual({ items: [], next: null });
  }
  expect(seen.map(({ ordinal, state }) => [ordinal, state])).toEqual(
    Array.from({ length: recipients }, (_, ordinal) => [ordinal, expected(ordinal)]),
  );
  expect(seen[3]).toMatchObject({
    externalReference: 'R3',
    firstName: '=P3',
    address: mobile(3),
    carrier: 'north',
    language: 'fr',
  });
});

test('results - are found by state, page by page', async () => {
  const of = async (query: string) => (await town.request('GET', `/campaigns/${campaign}/results?${query}`)).body;
  expect((await of('state=failed')).items).toMatchObject([{ ordinal: 7 }]);
  const submitted = await of('state=submitted&limit=6');
  expect(submitted.items.map((item: { ordinal: number }) => item.ordinal)).toEqual([10, 11, 12, 13, 14, 15]);
  const rest = await of(`state=submitted&limit=6&cursor=${submitted.next}`);
  expect(rest.items.map((item: { ordinal: number }) => item.ordinal)).toEqual([16, 17, 18, 19]);
  expect(rest.next).toBeNull();
  expect(await of('state=unknown')).toEqual({ items: [], next: null });
  expect((await of('state=lost')).status).toBe(422);
  expect((await of('cursor=x')).status).toBe(422);
});

test('results - who moves from one state to another while a list is made of both is on it', async () => {
  const moved = batchSize + 2;
  const stand = (byte: number) =>
    owner.query('update batch_states set states = set_byte(states, 2, $2) where campaign_id = $1 and batch = 2', [
      campaign,
      byte,
    ]);
  const holding = new pg.Client({ connectionString: api.stored.ownerUrl });
  await holding.connect();
  await holding.query('begin');
  await holding.query('lock table list_members in share mode');
  const states = ['failed', 'submitted'];
  const made = town.request('POST', `/campaigns/${campaign}/list`, { name: 'Both', states });
  // The first of those who are on it wait to be put there.
  for (let waiting = 0; waiting === 0; ) {
    const locks = "select from pg_locks where not granted and relation = 'list_members'::regclass";
    waiting = (await owner.query(locks)).rowCount ?? 0;
  }
  await stand(0x17);
  await holding.query('commit');
  await holding.end();
  const { body: list } = await made;
  await stand(0x16);
  expect(list).toMatchObject({ residents: 11 });
  const { rowCount } = await owner.query(
    `select from list_members m join residents r on r.id = m.resident_id where m.list_id = $1
      and r.external_reference = $2`,
    [list.id, `R${moved}`],
  );
  expect(rowCount).toBe(1);
});

test('results - an operator makes a list of those in certain states, to decide what becomes of them', async () => {
  const path = `/campaigns/${campaign}/list`;
  const made = await town.request('POST', path, { name: 'Undelivered', states: ['failed', 'submitted', 'failed'] });
  expect(made).toMatchObject({ status: 201, body: { name: 'Undelivered', residents: 11 } });
  const { body } = await town.request('GET', `/lists/${made.body.id}/residents?limit=100`);
  const references = body.items.map((item) => (item as unknown as { externalReference: string }).externalReference);
  expect(new Set(references)).toEqual(new Set([7, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19].map((n) => `R${n}`)));
  const none = await town.request('POST', path, { name: 'Unknown', states: ['unknown'] });
  expect(none).toMatchObject({ status: 201, body: { residents: 0 } });
  const taken = await town.request('POST', path, { name: 'Unknown', states: ['unknown'] });
  expect(taken).toMatchObject({ status: 409, body: { field: 'name' } });
  expect(await town.request('POST', path, { name: 'X', states: [] })).toMatchObject({ status: 422 });
  expect(await town.request('POST', path, { name: 'X', states: ['lost'] })).toMatchObject({ status: 422 });
  expect(await town.request('POST', path, { name: 'X', states: ['failed'], more: 1 })).toMatchObject({ status: 422 });
});

test('results - the CSV file has a line for each recipient, and no cell that a spreadsheet would compute', async () => {
  const answer = await town.request('GET', `/campaigns/${campaign}/results.csv`);
  expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8');
  const lines = answer.text.split('\r\n');
  expect(lines).toHaveLength(recipients + 2);
  expect(lines[0]).toBe('ordinal,resident,externalReference,firstName,lastName,address,carrier,language,state');
  expect(lines[8]).toMatch(/^7,\d+,R7,'=P7,"""x"", y",\+33639980007,north,fr,failed$/u);
  const failed = await town.request('GET', `/campaigns/${campaign}/results.csv?state=failed`);
  expect(failed.text.split('\r\n')).toHaveLength(3);
});

test('results - survive the deletion of a resident', async () => {
  const path = `/campaigns/${campaign}/results?limit=1`;
  const [before] = (await town.request('GET', path)).body.items;
  await town.request('DELETE', `/residents/${before?.resident}`);
  const [after] = (await town.request('GET', path)).body.items;
  expect(after).toEqual({ ...before, externalReference: null, firstName: null, lastName: null });
});

test('progress - adds up, by carrier too, and the report names what carriers refused', async () => {
  const counts = { planned: 25, submitted: 20, delivered: 9, failed: 1, unknown: 0, expired: 0, cancelled: 0 };
  const progress = { ...counts, pending: 5, awaitingReceipt: 10 };
  expect((await town.request('GET', `/campaigns/${campaign}/progress`)).body).toEqual({
    campaign,
    status: 'sending',
    ...progress,
  });
  const { body } = await town.request('GET', `/campaigns/${campaign}/report`);
  expect(body.campaign).toMatchObject({ id: campaign, recipients });
  expect(body.carriers).toEqual([{ carrier: 'north', ...progress }]);
  expect(body.refusals).toEqual([{ carrier: 'north', commandStatus: '0x0000000b', segments: 1 }]);
});

test('results - that were removed are told from those that never were; counts and report stay', async () => {
  await owner.query("update campaigns set messages_removed_at = '2026-01-02T03:04:05Z' where id = $1", [campaign]);
  for (const table of ['recipients', 'batches', 'batch_states', 'submissions'])
    await owner.query(`delete from ${table}`);
  for (const [method, path, body] of [
    ['GET', 'results', undefined],
    ['GET', 'results?state=failed', undefined],
    ['GET', 'results.csv', undefined],
    ['POST', 'list', { name: 'Too late', states: ['failed'] }],
  ] as const) {
    expect(await town.request(method, `/campaigns/${campaign}/${path}`, body)).toMatchObject({
      status: 410,
      body: { type: 'urn:tocsin:problem:messages-removed' },
    });
  }
  const counts = { planned: 25, submitted: 20, delivered: 9, failed: 1 };
  expect((await town.request('GET', `/campaigns/${campaign}/progress`)).body).toMatchObject(counts);
  expect((await town.request('GET', `/campaigns/${campaign}/report`)).body).toMatchObject({
    campaign: { messagesRemovedAt: '2026-01-02T03:04:05.000Z' },
    progress: counts,
    carriers: [{ carrier: 'north', delivered: 9 }],
    refusals: [],
  });
});
