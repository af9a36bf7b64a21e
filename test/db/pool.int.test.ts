/** The bounds of a pool on real PostgreSQL: waits end, locks are not held for ever, and the server's room is known. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type Database, type DatabaseOptions } from '../../src/db/client.ts';
import { readRoom } from '../../src/db/room.ts';
import { scoped } from '../../src/db/scope.ts';
import { silentLog } from '../../src/telemetry.ts';
import { type TestDatabase, testDatabase } from '../support/postgres.ts';

let stored: TestDatabase;
let owner: pg.Client;
const opened: Database[] = [];

beforeAll(async () => {
  stored = await testDatabase();
  owner = new pg.Client({ connectionString: stored.ownerUrl });
  await owner.connect();
});

afterAll(async () => {
  for (const database of opened) await database.close();
  await owner.end();
  await stored.drop();
});

function open(bounds: Partial<DatabaseOptions>): Database {
  const usual = { poolMax: 2, applicationName: 'test-pool', statementTimeoutMs: 20_000, log: silentLog };
  const database = connect({ url: stored.serviceUrl, ...usual, ...bounds });
  opened.push(database);
  return database;
}

const unusable = { code: 'postgres' };

test('pool - whoever finds every connection in use waits for so long and no longer', async () => {
  // As long as a busy machine may need for the one connection that it opens.
  const database = open({ poolMax: 1, connectTimeoutMs: 4_000 });
  await database.service(async () => {
    const others = [
      database.service(async () => undefined),
      scoped(database, { organisation: '1' }).run({ text: 'select' }),
    ];
    for (const other of await Promise.allSettled(others)) {
      expect(other).toMatchObject({ status: 'rejected', reason: unusable });
    }
  });
  expect(await database.service(async ({ client }) => (await client.query('select')).rowCount)).toBe(1);
});

test('pool - a statement that waits too long for a lock says so, alone and in a transaction', async () => {
  const database = open({ lockTimeoutMs: 100 });
  await owner.query('begin; lock table settings');
  const insert = "insert into settings values ('pool', '')";
  await expect(database.service(({ client }) => client.query(insert))).rejects.toMatchObject(unusable);
  await expect(scoped(database, { organisation: '1' }).run({ text: insert })).rejects.toMatchObject(unusable);
  await owner.query('rollback');
  await database.service(({ client }) => client.query(insert));
});

test('pool - a transaction that says nothing is ended, and its locks with it', async () => {
  const database = open({ idleTransactionMs: 100 });
  const forgotten = database.service(async ({ client }) => {
    await client.query("insert into settings values ('idle', 'mine')");
    // Waits for the key until the server has ended the transaction above.
    await owner.query("insert into settings values ('idle', 'theirs')");
  });
  await expect(forgotten).rejects.toMatchObject(unusable);
  const { rows } = await owner.query("select value from settings where name = 'idle'");
  expect(rows).toEqual([{ value: 'theirs' }]);
});

test('pool - a server that does not answer is given up', async () => {
  const database = open({ queryTimeoutMs: 100 });
  const slow = { text: 'select pg_sleep(5)' };
  await expect(scoped(database, { organisation: '1' }).run(slow)).rejects.toMatchObject(unusable);
});

test('pool - the room that the server has is what it may give less what others have', async () => {
  const database = open({});
  const before = await readRoom(database.pool);
  const { rows } = await owner.query<{ max: number }>("select current_setting('max_connections')::int as max");
  expect(before.max).toBeLessThan(rows[0]!.max);
  expect(before.free).toBeLessThan(before.max);
  await owner.query('alter role tocsin_service connection limit 3');
  const limited = await readRoom(database.pool);
  await owner.query('alter role tocsin_service connection limit -1');
  expect(limited.max).toBe(3);
  expect(limited.free).toBeLessThanOrEqual(3);
});
