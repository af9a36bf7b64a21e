/** Migrations, partitions and connections on real PostgreSQL. */
import { randomBytes } from 'node:crypto';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { connect } from '../../src/db/client.ts';
import { type Busy, ensureRolePasswords, migrate, urlOfRole } from '../../src/db/migrate.ts';
import { ensurePartitions, idAtMs, idCreatedAtMs, partitionOf, partitionWeekMs } from '../../src/db/partitions.ts';
import { isFault } from '../../src/fault.ts';
import { silentLog } from '../../src/telemetry.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';
import { ownPostgres } from '../support/own-server.ts';
import { type TestDatabase, testDatabase } from '../support/postgres.ts';
import { frozenRecipients } from '../support/recipients.ts';
import { addCampaign, addOrganisation } from '../support/town.ts';

let database: TestDatabase;
let owner: pg.Client;

beforeAll(async () => {
  database = await testDatabase();
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
});

afterAll(async () => {
  await owner.end();
  await database.drop();
});

function options(url: string) {
  return { url, poolMax: 2, applicationName: 'test', statementTimeoutMs: 0, log: silentLog };
}

async function tablesOf(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select relname as name from pg_class
      where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace order by 1`,
  );
  return rows.map((row) => row.name);
}

type Journal = { readonly entries: readonly { readonly idx: number; readonly when: number; readonly tag: string }[] };

/** A copy of our migrations with another journal; the caller removes it. */
function migrationsWith(change: (folder: string, journal: Journal) => Journal): string {
  const folder = temporaryFolder();
  cpSync('src/db/migrations', folder, { recursive: true });
  const path = join(folder, 'meta', '_journal.json');
  writeFileSync(path, JSON.stringify(change(folder, JSON.parse(readFileSync(path, 'utf8')) as Journal)));
  return folder;
}

/** Brings an empty database to the schema as it was after `last`. */
async function migrateThrough(url: string, last: string): Promise<void> {
  const folder = migrationsWith((_, journal) => {
    const through = journal.entries.findIndex((entry) => entry.tag === last);
    expect(through).toBeGreaterThan(0);
    return { ...journal, entries: journal.entries.slice(0, through + 1) };
  });
  await migrate(url, { folder });
  removeFolder(folder);
}

/** Our migrations and one more. */
function migrationsAnd(sql: string): string {
  return migrationsWith((folder, journal) => {
    writeFileSync(join(folder, 'one_more.sql'), sql);
    const last = journal.entries.at(-1)!;
    const more = { ...last, idx: last.idx + 1, when: last.when + 1, tag: 'one_more' };
    return { ...journal, entries: [...journal.entries, more] };
  });
}

test('migrate - several at once on an empty database leave one schema, and again changes nothing', async () => {
  const server = new URL(inject('postgresUrl'));
  const admin = new pg.Client({ connectionString: server.href });
  await admin.connect();
  await admin.query('create database migrate_at_once');
  server.pathname = 'migrate_at_once';
  await Promise.all([1, 2, 3].map(() => migrate(server.href)));
  const client = new pg.Client({ connectionString: server.href });
  await client.connect();
  const tables = await tablesOf(client);
  expect(tables).toEqual(await tablesOf(owner));
  await migrate(server.href);
  expect(await tablesOf(client)).toEqual(tables);
  await client.end();
  await admin.query('drop database migrate_at_once with (force)');
  await admin.end();
});

test('migrate - recipients that an older version froze one by one are packed by batch', async () => {
  const server = new URL(inject('postgresUrl'));
  const admin = new pg.Client({ connectionString: server.href });
  await admin.connect();
  await admin.query('create database migrate_recipients');
  server.pathname = 'migrate_recipients';
  await migrateThrough(server.href, '0004_message_id_hash');
  const client = new pg.Client({ connectionString: server.href });
  await client.connect();
  const organisation = await addOrganisation(client);
  const campaigns = [
    await addCampaign(client, organisation, { contents: { fr: 'Bonjour' } }),
    await addCampaign(client, organisation, { contents: { fr: 'Bonjour {{ firstName }}' } }),
  ];
  await client.query('select tocsin_ensure_partitions($1, $1)', [Date.now()]);
  for (const [at, campaign] of campaigns.entries()) {
    const own = [campaign, organisation];
    await client.query(
      `insert into batches select $1, n, $2, 'north', 'fr', (n - 1) * 3, 4 - n from generate_series(1, 2) n`,
      own,
    );
    await client.query(
      `insert into recipients select $1, o, $2, 100 + o, (33639980000 + o)::text,
          case $3::int when 1 then 'R' || o else '' end from generate_series(0, 4) o`,
      [...own, at],
    );
  }
  await migrate(server.href);
  const recipient = (ordinal: number, field: string) => {
    return { ordinal, resident: String(100 + ordinal), address: String(33_639_980_000 + ordinal), fields: field };
  };
  const ordinals = [0, 1, 2, 3, 4];
  expect(await frozenRecipients(client, campaigns[0]!)).toEqual(ordinals.map((o) => recipient(o, '')));
  expect(await frozenRecipients(client, campaigns[1]!)).toEqual(ordinals.map((o) => recipient(o, `R${o}`)));
  const { rows } = await client.query('select packed from recipients where campaign_id = $1 order by batch', [
    campaigns[0],
  ]);
  expect(rows[1]).toEqual({ packed: '33639980003\x1e33639980004' });
  await client.end();
  await admin.query('drop database migrate_recipients with (force)');
  await admin.end();
});

test('migrate - waits for nobody who works: others get on before it, and it comes again until it is done', async () => {
  const own = await testDatabase();
  const [working, other] = ['working', 'other'].map(
    (name) => new pg.Client({ connectionString: own.ownerUrl, application_name: name }),
  ) as [pg.Client, pg.Client];
  await Promise.all([working.connect(), other.connect()]);
  const folder = migrationsAnd(
    'CREATE TABLE "early" ();--> statement-breakpoint\nALTER TABLE "campaigns" ADD COLUMN "late" integer;',
  );
  await working.query('begin; select from campaigns');
  const seen: unknown[] = [];
  const busy: Busy[] = [];
  let freed: Promise<unknown> | undefined;
  await migrate(own.ownerUrl, {
    folder,
    onBusy(now) {
      if (now.holders.length === 0) return;
      busy.push(now);
      freed ??= (async () => {
        // Nothing of it is there, and whoever works goes on working.
        seen.push((await other.query("select to_regclass('early') as early")).rows[0]);
        seen.push((await other.query('update campaigns set name = name')).rowCount);
        await working.query('commit');
      })();
    },
  });
  await freed;
  expect(seen).toEqual([{ early: null }, 0]);
  expect(busy[0]?.holders).toMatchObject([{ application: 'working', state: 'idle in transaction' }]);
  expect((await other.query('select late from campaigns')).rows).toEqual([]);
  await Promise.all([working.end(), other.end()]);
  removeFolder(folder);
  await own.drop();
});

test('migrate - one that fails leaves nothing of itself, and all of those before it', async () => {
  const own = await testDatabase();
  const folder = migrationsAnd('CREATE TABLE "half" ();--> statement-breakpoint\nselect 1 / 0;');
  await expect(migrate(own.ownerUrl, { folder })).rejects.toSatisfy((error) => isFault(error, 'postgres'));
  const client = new pg.Client({ connectionString: own.ownerUrl });
  await client.connect();
  expect(await tablesOf(client)).toEqual(await tablesOf(owner));
  await client.end();
  removeFolder(folder);
  await own.drop();
});

test('migrate - passwords are set as they are, quotes and all, by several at once', async () => {
  // Roles belong to the whole server, so this needs one that no other test logs in to.
  const server = await ownPostgres();
  const { ownerUrl } = server.database;
  const api = `it's "a\\b" %20 password`;
  await Promise.all([1, 2, 3, 4].map(() => ensureRolePasswords(ownerUrl, { api, service: 'other' })));
  for (const [role, password] of [['tocsin_api', api] as const, ['tocsin_service', 'other'] as const]) {
    const client = connect(options(urlOfRole(ownerUrl, role, password)));
    await client.ready();
    await client.close();
  }
  await server.dispose();
});

test('migrate - a role that does not own the database is told to be the wrong one', async () => {
  const stranger = `stranger_${randomBytes(4).toString('hex')}`;
  await owner.query(`create role ${stranger} login password 'stranger'`);
  const url = new URL(database.ownerUrl);
  [url.username, url.password] = [stranger, 'stranger'];
  for (const [wrong, role] of [
    [database.serviceUrl, 'tocsin_service'],
    [database.apiUrl, 'tocsin_api'],
    [url.href, stranger],
  ] as const) {
    const fault = await migrate(wrong).catch((error: unknown) => error);
    expect(isFault(fault, 'config') && fault.message).toMatch(`role ${role}, which may not change the database`);
  }
  await owner.query(`drop role ${stranger}`);
});

test('migrate - a database that cannot be reached is one clear fault', async () => {
  await expect(migrate('postgres://postgres@127.0.0.1:1/none')).rejects.toSatisfy((error) =>
    isFault(error, 'postgres'),
  );
});

test('partitions - cover two weeks back to eight ahead, and are made once', async () => {
  const nowMs = Date.now();
  expect(await ensurePartitions(owner, nowMs)).toBe(0);
  const laterMs = nowMs + 3 * partitionWeekMs;
  const service = connect(options(database.serviceUrl));
  const made = await Promise.all([1, 2, 3].map(() => ensurePartitions(service.pool, laterMs)));
  expect(made.reduce((a, b) => a + b)).toBe(15);
  await service.close();
  const id = idAtMs(laterMs + 8 * partitionWeekMs);
  await owner.query("insert into batches values ($1, 1, 1, 'north', 'fr', 0, 1)", [id]);
  const { rows } = await owner.query<{ place: string }>('select tableoid::regclass::text as place from batches');
  expect(rows[0]?.place).toBe(partitionOf('batches', id));
});

test('partitions - an id says when it was made', async () => {
  const { rows } = await owner.query<{ id: string; ms: number }>(
    `insert into organisations (name) values ('x')
      returning id, (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`,
  );
  expect(Math.abs(idCreatedAtMs(rows[0]!.id) - rows[0]!.ms)).toBeLessThan(1000);
  expect(idCreatedAtMs(idAtMs(1_234_567))).toBe(1_234_567);
});

test('client - a transaction whose work fails leaves nothing, and its error comes through as it is', async () => {
  const service = connect(options(database.serviceUrl));
  const failing = service.service(async ({ client }) => {
    await client.query("insert into settings values ('half', 'done')");
    await client.query('select 1 / 0');
  });
  await expect(failing).rejects.toMatchObject({ code: '22012' });
  expect((await service.pool.query("select from settings where name = 'half'")).rows).toHaveLength(0);
  await service.close();
});

test('client - a connection that is cut is a postgres fault, and the next transaction works', async () => {
  const service = connect(options(database.serviceUrl));
  const cut = service.service(async ({ client }) => {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    await owner.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
    await client.query('select 1');
  });
  await expect(cut).rejects.toSatisfy((error) => isFault(error, 'postgres'));
  expect(await service.service(async ({ client }) => (await client.query('select')).rowCount)).toBe(1);
  await service.close();
});

test('client - an id that is not decimal never reaches SQL', async () => {
  const service = connect(options(database.apiUrl));
  expect(() => service.tenant("1'; drop table residents; --", async () => undefined)).toThrow();
  await service.close();
});
