/** Scopes against a real server: one organisation at a time, on one connection. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type Database } from '../../src/db/client.ts';
import { createOrganisation } from '../../src/db/keys.ts';
import { createList } from '../../src/db/lists.ts';
import { scoped, uniqueViolation, unscoped } from '../../src/db/scope.ts';
import { isFault } from '../../src/fault.ts';
import type { Id } from '../../src/handoff.ts';
import { silentLog } from '../../src/telemetry.ts';
import { type TestDatabase, testDatabase } from '../support/postgres.ts';

let stored: TestDatabase;
let database: Database;
const organisations: Id[] = [];
beforeAll(async () => {
  stored = await testDatabase();
  // One connection, so that whatever a statement leaves behind the next one would meet.
  database = connect({
    url: stored.apiUrl,
    poolMax: 1,
    applicationName: 'test-scope',
    statementTimeoutMs: 10_000,
    log: silentLog,
  });
  for (const name of ['A', 'B']) {
    const { run } = scoped(database, 'platform');
    organisations.push((await createOrganisation(run, { name, country: 'FR', weight: 1 })).id);
  }
});
afterAll(async () => {
  await database.close();
  await stored.drop();
});

const of = (index: number) => scoped(database, { organisation: organisations[index] ?? '' });
const names = { name: 'test_names', text: 'select name from lists order by name' };
const setting = { name: 'test_setting', text: "select current_setting('tocsin.organisation', true) as organisation" };

test('scope - a statement sees its organisation only, whoever used the connection before', async () => {
  for (const index of [0, 1]) await createList(of(index).run, `list ${index}`);
  for (const index of [0, 1, 1, 0]) expect(await of(index).run(names)).toEqual([{ name: `list ${index}` }]);
  expect(await unscoped(database)(names)).toEqual([]);
  expect(await scoped(database, 'platform').run(names)).toEqual([]);
});

test('scope - the setting ends with its statement and with its transaction', async () => {
  const own = [{ organisation: organisations[0] }];
  expect(await of(0).run(setting)).toEqual(own);
  expect(await unscoped(database)(setting)).toEqual([{ organisation: '' }]);
  expect(await of(0).transaction((run) => run(setting))).toEqual(own);
  expect(await unscoped(database)(setting)).toEqual([{ organisation: '' }]);
});

test('scope - a row for another organisation is refused by the database', async () => {
  const foreign = { name: 'test_foreign', text: 'insert into lists (organisation_id, name) values ($1, $2)' };
  await expect(of(0).run(foreign, [organisations[1], 'smuggled'])).rejects.toMatchObject({ code: '42501' });
  expect(await of(1).run(names)).toEqual([{ name: 'list 1' }]);
});

test('scope - a refused statement says why and leaves the connection sound', async () => {
  const twice = createList(of(0).run, 'list 0');
  expect(await twice.catch(uniqueViolation)).toBe('lists_name');
  expect(await of(0).run(names)).toEqual([{ name: 'list 0' }]);
  const undone = of(0).transaction(async (run) => {
    await createList(run, 'new');
    throw new Error('changed my mind');
  });
  await expect(undone).rejects.toThrow('changed my mind');
  expect(await of(0).run(names)).toEqual([{ name: 'list 0' }]);
});

test('scope - a lost connection is a fault, and the next statement has a new one', async () => {
  const sleep = of(0).run({ name: 'test_sleep', text: 'select pg_sleep(60)' });
  const caught = sleep.then(
    () => undefined,
    (error: unknown) => error,
  );
  const owner = new pg.Client({ connectionString: stored.ownerUrl });
  await owner.connect();
  const end = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'test-scope'";
  const busy = `${end} and query like '%pg_sleep%' and state = 'active'`;
  await expect.poll(async () => (await owner.query(busy)).rowCount).toBe(1);
  await owner.end();
  expect(isFault(await caught, 'postgres')).toBe(true);
  expect(await of(0).run(names)).toEqual([{ name: 'list 0' }]);
});
