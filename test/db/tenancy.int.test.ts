/** Row-level security: what each role can see and do, asked of PostgreSQL itself. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type Database } from '../../src/db/client.ts';
import type { Id } from '../../src/handoff.ts';
import { silentLog } from '../../src/telemetry.ts';
import { type TestDatabase, testDatabase } from '../support/postgres.ts';
import { addCampaign, addOrganisation, addResidents } from '../support/town.ts';

let test1: TestDatabase;
let owner: pg.Client;
let api: Database;
let ours: Id;
let theirs: Id;

const tenantTables = [
  'residents',
  'contact_points',
  'lists',
  'list_members',
  'campaigns',
  'idempotency_keys',
  'outbox',
  'recipients',
  'batches',
  'campaign_carriers',
  'batch_states',
  'submissions',
  'receipts',
  'campaign_progress',
];

beforeAll(async () => {
  test1 = await testDatabase();
  owner = new pg.Client({ connectionString: test1.ownerUrl });
  await owner.connect();
  const options = { poolMax: 4, applicationName: 'test', statementTimeoutMs: 0, log: silentLog };
  api = connect({ url: test1.apiUrl, ...options });
  [ours, theirs] = [await addOrganisation(owner, 'Ours'), await addOrganisation(owner, 'Theirs')];
  for (const organisation of [ours, theirs]) {
    const [resident] = await addResidents(owner, organisation, [{ mobiles: ['+33639980001'] }]);
    const campaign = await addCampaign(owner, organisation);
    const own = [organisation, campaign];
    await owner.query(
      `with l as (insert into lists (organisation_id, name) values ($1, 'L') returning id)
      insert into list_members select $1, id, $2 from l`,
      [organisation, resident],
    );
    await owner.query("insert into idempotency_keys values ($1, 'k', '\\x00', 200, '{}')", [organisation]);
    await owner.query("insert into outbox (organisation_id, campaign_id, command) values ($1, $2, 'launch')", own);
    await owner.query(
      `insert into recipients (campaign_id, batch, organisation_id, residents, packed)
        values ($2, 1, $1, '{1}', '33639980001')`,
      own,
    );
    await owner.query("insert into batches values ($2, 1, $1, 'north', 'fr', 0, 1)", own);
    await owner.query("insert into campaign_carriers values ($2, 'north', $1, 1, 1, 1, 0)", own);
    await owner.query("insert into batch_states values ($2, 1, 'north', 0, $1, 0, '\\x16')", own);
    await owner.query("insert into submissions values ($2, 0, 1, 0, 1, 1, 1, 0, $1, 'north', 1, 0, 'a', now())", own);
    await owner.query("insert into receipts values ($2, 0, 0, $1, 'north', 2, '', null, now())", own);
    await owner.query(
      "insert into campaign_progress (campaign_id, carrier, organisation_id) values ($2, 'north', $1)",
      own,
    );
  }
});

afterAll(async () => {
  await api.close();
  await owner.end();
  await test1.drop();
});

test('tenancy - every table with an organisation has forced row-level security', async () => {
  const { rows } = await owner.query<{ name: string }>(
    `select c.relname as name from pg_class c
      join pg_attribute a on a.attrelid = c.oid and a.attname = 'organisation_id'
      where c.relkind in ('r', 'p') and not c.relispartition and not (c.relrowsecurity and c.relforcerowsecurity)`,
  );
  expect(rows).toEqual([]);
  const all = await owner.query<{ name: string }>(
    `select c.relname as name from pg_class c
      join pg_attribute a on a.attrelid = c.oid and a.attname = 'organisation_id'
      where c.relkind in ('r', 'p') and not c.relispartition order by 1`,
  );
  expect(all.rows.map((row) => row.name)).toEqual([...tenantTables, 'api_keys'].sort());
});

test('tenancy - an organisation sees its own rows and nobody else’s, in every table', async () => {
  for (const table of tenantTables) {
    const { rows } = await api.tenant(ours, ({ client }) =>
      client.query<{ organisation: Id }>(`select organisation_id as organisation from ${table}`),
    );
    expect(rows, table).toEqual([{ organisation: ours }]);
  }
});

test('tenancy - without an organisation nothing is seen, also after a transaction that had one', async () => {
  for (const table of tenantTables) {
    const { rows } = await api.pool.query(`select from ${table}`);
    expect(rows, table).toHaveLength(0);
  }
});

test('tenancy - a row of another organisation can neither be written nor changed nor deleted', async () => {
  const insert = api.tenant(ours, ({ client }) =>
    client.query("insert into lists (organisation_id, name) values ($1, 'stolen')", [theirs]),
  );
  await expect(insert).rejects.toMatchObject({ code: '42501' });
  const changed = await api.tenant(ours, async ({ client }) => {
    const update = await client.query("update residents set last_name = 'x' where organisation_id = $1", [theirs]);
    const removal = await client.query('delete from residents where organisation_id = $1', [theirs]);
    return [update.rowCount, removal.rowCount];
  });
  expect(changed).toEqual([0, 0]);
  const moved = api.tenant(ours, ({ client }) => client.query('update lists set organisation_id = $1', [theirs]));
  await expect(moved).rejects.toMatchObject({ code: '42501' });
});

test('tenancy - a resident of another organisation cannot be put on a list', async () => {
  const { rows } = await owner.query<{ id: Id }>('select id from residents where organisation_id = $1', [theirs]);
  const list = await owner.query<{ id: Id }>('select id from lists where organisation_id = $1', [ours]);
  const values = [ours, list.rows[0]!.id, rows[0]!.id];
  const steal = api.tenant(ours, ({ client }) => client.query('insert into list_members values ($1, $2, $3)', values));
  await expect(steal).rejects.toMatchObject({ code: '23503', constraint: 'list_members_own_resident' });
});

test('tenancy - the API role writes no record of messages and sees no partition or recorder table', async () => {
  const { rows } = await owner.query<{ name: string }>(
    `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
      where c.relkind in ('r', 'p') and has_table_privilege('tocsin_api', c.oid, 'insert, update, delete, truncate')`,
  );
  const writable = ['api_keys', 'campaigns', 'contact_points', 'idempotency_keys', 'list_members', 'lists'];
  expect(rows.map((row) => row.name).sort()).toEqual([...writable, 'organisations', 'outbox', 'residents']);
  const readable = await owner.query<{ name: string }>(
    `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
      where c.relkind in ('r', 'p') and has_table_privilege('tocsin_api', c.oid, 'select')`,
  );
  expect(readable.rows.map((row) => row.name).sort()).toEqual([...tenantTables, 'api_keys', 'organisations'].sort());
});

test('tenancy - no role of the program is a superuser or bypasses row-level security', async () => {
  const { rows } = await owner.query<{ rolsuper: boolean; rolbypassrls: boolean }>(
    "select rolsuper, rolbypassrls from pg_roles where rolname in ('tocsin_api', 'tocsin_service')",
  );
  expect(rows).toEqual([1, 2].map(() => ({ rolsuper: false, rolbypassrls: false })));
});

test('tenancy - a key is found by its hash, a revoked one is not, and nothing outlives the call', async () => {
  await owner.query(
    `insert into api_keys (organisation_id, name, prefix, key_hash, revoked_at)
      values ($1, 'a', 'p', '\\x01', null), ($1, 'b', 'p', '\\x02', now())`,
    [ours],
  );
  const { rows } = await api.pool.query<{ organisation_id: Id }>(
    "select organisation_id from tocsin_authenticate('\\x01')",
  );
  expect(rows).toEqual([{ organisation_id: ours }]);
  expect((await api.pool.query("select from tocsin_authenticate('\\x02')")).rows).toHaveLength(0);
  expect((await api.pool.query('select from api_keys')).rows).toHaveLength(0);
  const seen = await api.platform(({ client }) => client.query('select from api_keys'));
  expect(seen.rows).toHaveLength(2);
});

test('tenancy - a query of an organisation still uses the index and prunes partitions', async () => {
  const { rows } = await api.tenant(ours, async ({ client }) => {
    await client.query('set local enable_seqscan = off');
    return client.query<{ 'QUERY PLAN': string }>(
      'explain select * from recipients where campaign_id = $1 and batch = 3',
      [(await owner.query<{ id: Id }>('select id from campaigns where organisation_id = $1', [ours])).rows[0]!.id],
    );
  });
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
  expect(plan.match(/recipients_w\d+/g)?.length).toBeGreaterThan(0);
  expect(new Set(plan.match(/on recipients_w\d+/g)).size).toBe(1);
  expect(plan).toContain('Index Cond: ((campaign_id =');
});
