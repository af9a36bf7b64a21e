/** Imports beside others who write the same residents: everybody gets through, and nothing refers to what is gone. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, type Caller, mobile, startApi, type TestApi } from './harness.ts';

let api: TestApi;
let owner: pg.Client;
/** Somebody else of the organisation, whose transaction a test holds open. */
let other: pg.Client;
beforeAll(async () => {
  api = await startApi({ importChunkRows: 3 });
  owner = new pg.Client({ connectionString: api.stored.ownerUrl });
  other = new pg.Client({ connectionString: api.stored.apiUrl });
  await owner.connect();
  await other.connect();
});
afterAll(async () => {
  await other.end();
  await owner.end();
  await api.stop();
});

const csv = { 'content-type': 'text/csv' };
const importFile = (town: Caller, lines: readonly string[], query = ''): Promise<Answer> =>
  town.request('POST', `/residents/import${query}`, ['externalReference,firstName,mobile', ...lines].join('\n'), csv);

/** Lines of residents 0 and on, each with a number of its own unless it has none. */
const linesOf = (count: number, name: string, hasNumber: (row: number) => boolean = () => true): string[] =>
  Array.from({ length: count }, (_, row) => `R${row},${name},${hasNumber(row) ? mobile(row) : ''}`);

async function beginOther(town: Caller): Promise<void> {
  await other.query('begin');
  await other.query("select set_config('tocsin.organisation', $1, true)", [town.organisation]);
}

async function untilSomebodyWaits(): Promise<void> {
  const waiting =
    "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' limit 1";
  await expect.poll(async () => (await owner.query(waiting)).rowCount, { interval: 5, timeout: 15_000 }).toBe(1);
}

/** Rows whose resident, list or organisation is not there. */
async function orphans(): Promise<number> {
  const { rows } = await owner.query<{ orphans: number }>(
    `select (select count(*) from contact_points c where not exists (select from residents r
        where r.organisation_id = c.organisation_id and r.id = c.resident_id))::int
      + (select count(*) from list_members m where not exists (select from residents r
        where r.organisation_id = m.organisation_id and r.id = m.resident_id))::int
      + (select count(*) from list_members m where not exists (select from lists l
        where l.organisation_id = m.organisation_id and l.id = m.list_id))::int as orphans`,
  );
  return rows[0]?.orphans ?? -1;
}

const residentOf = async (town: Caller, reference: string) =>
  (await town.request('GET', `/residents?externalReference=${reference}`)).body.items[0];

test('import - one that drops a number waits for who changes that resident, who need not wait for it', async () => {
  const town = await api.organisation();
  await importFile(town, linesOf(3, 'Old'));
  await beginOther(town);
  const one = "select id from residents where external_reference = 'R1'";
  await other.query(`update residents set last_name = 'Theirs' where id = (${one})`);
  const answer = importFile(
    town,
    linesOf(3, 'Old', (row) => row === 2),
  );
  await untilSomebodyWaits();
  await other.query(`delete from contact_points where resident_id = (${one})`);
  await other.query('commit');
  expect(await answer).toMatchObject({ status: 200, body: { created: 0, updated: 3 } });
  expect(await residentOf(town, 'R1')).toMatchObject({ lastName: 'Theirs', contacts: [] });
});

test('import - a resident who is deleted meanwhile is made anew from the line', async () => {
  const town = await api.organisation();
  const { body: list } = await town.request('POST', '/lists', { name: 'All' });
  await importFile(town, linesOf(3, 'Old'), `?list=${list.id}`);
  await beginOther(town);
  await other.query("delete from residents where external_reference = 'R1'");
  const answer = importFile(town, linesOf(3, 'New'), `?list=${list.id}`);
  await untilSomebodyWaits();
  await other.query('commit');
  expect(await answer).toMatchObject({ status: 200, body: { read: 3, created: 1, updated: 2 } });
  const contacts = [{ channel: 'sms', address: mobile(1), optedOut: false }];
  expect(await residentOf(town, 'R1')).toMatchObject({ firstName: 'New', contacts });
  expect((await town.request('GET', `/lists/${list.id}`)).body.residents).toBe(3);
  expect(await orphans()).toBe(0);
});

test('import - a reference that somebody else takes meanwhile is updated', async () => {
  const town = await api.organisation();
  await beginOther(town);
  const insert = 'insert into residents (organisation_id, external_reference, first_name) values ($1, $2, $3)';
  await other.query(insert, [town.organisation, 'R1', 'Theirs']);
  const answer = importFile(town, linesOf(3, 'Ours'));
  await untilSomebodyWaits();
  await other.query('commit');
  expect(await answer).toMatchObject({ status: 200, body: { created: 2, updated: 1 } });
  const { body } = await town.request('GET', '/residents');
  expect(body.items.map((resident) => resident.firstName)).toEqual(['Ours', 'Ours', 'Ours']);
});

test('import - two of one organisation at once, in opposite order, both get through', async () => {
  const town = await api.organisation();
  const lines = linesOf(60, 'A');
  const answers = await Promise.all([importFile(town, lines), importFile(town, linesOf(60, 'B').reverse())]);
  for (const answer of answers) expect(answer).toMatchObject({ status: 200, body: { read: 60, refused: 0 } });
  expect(answers[0].body.created + answers[1].body.created).toBe(60);
  const { body } = await town.request('GET', '/residents?limit=100');
  expect(new Set(body.items.map((resident) => resident.firstName)).size).toBe(1);
  expect(body.items).toHaveLength(60);
});

test('import - residents and its list may be deleted all the while, and nothing refers to them', async () => {
  const town = await api.organisation();
  const { body: list } = await town.request('POST', '/lists', { name: 'All' });
  await importFile(town, linesOf(90, 'Old'), `?list=${list.id}`);
  const { body } = await town.request('GET', '/residents?limit=100');
  const removals = body.items
    .filter((_, index) => index % 2 === 0)
    .map((resident) => town.request('DELETE', `/residents/${resident.id}`));
  const answer = importFile(town, linesOf(90, 'New').reverse(), `?list=${list.id}`);
  const listGone = town.request('DELETE', `/lists/${list.id}`);
  for (const removal of await Promise.all(removals)) expect(removal.status).toBe(204);
  expect((await listGone).status).toBe(204);
  const { status, body: report } = await answer;
  // The list may be gone before the import begins; afterwards it waits.
  expect([200, 404]).toContain(status);
  if (status === 200) expect(report).toMatchObject({ read: 90, refused: 0 });
  expect(await orphans()).toBe(0);
});
