/**
 * Retention on real PostgreSQL and Redis: what was kept long enough goes, while others write and read, and nothing
 * else does. Weeks lie in the past by the ids of their campaigns.
 */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { connect, type Database } from '../../src/db/client.ts';
import { takeLease } from '../../src/db/leases.ts';
import { detachPartition, markWeek } from '../../src/db/retention.ts';
import { ensureWeek, idAtMs, partitionedTables, partitionWeekMs, weekOf } from '../../src/db/partitions.ts';
import type { Id } from '../../src/handoff.ts';
import { Retention, type RetentionOptions } from '../../src/plan/retention.ts';
import { trimAside } from '../../src/stream/aside.ts';
import { carrierKeys } from '../../src/stream/keys.ts';
import { connectRedis, type RedisConnection } from '../../src/stream/redis.ts';
import { silentLog } from '../../src/telemetry.ts';
import { type TestDatabase, testDatabase } from '../support/postgres.ts';
import { testRedis } from '../support/redis.ts';
import { addOrganisation } from '../support/town.ts';

const dayMs = 86_400_000;
const carrier = 'north';

let stored: TestDatabase;
let owner: pg.Client;
let service: Database;
let redis: RedisConnection;
let organisation: Id;
let number = 0;
/** Every connection of these tests waits for locks as long as it takes, but those of retention. */
let closed: string[] = [];

beforeAll(async () => {
  stored = await testDatabase();
  owner = new pg.Client({ connectionString: stored.ownerUrl });
  await owner.connect();
  const options = { poolMax: 6, applicationName: 'test', statementTimeoutMs: 0, log: silentLog };
  service = connect({ url: stored.serviceUrl, ...options });
  redis = await connectRedis((await testRedis()).url, 'command', silentLog);
  organisation = await addOrganisation(owner);
});

afterAll(async () => {
  redis.disconnect();
  await service.close();
  await owner.end();
  await stored.drop();
});

function retention(changed: Partial<RetentionOptions> = {}): Retention {
  return new Retention({
    owner: 'one',
    database: service,
    close: async (name, campaign) => {
      closed.push(`${name} ${campaign}`);
      return true;
    },
    trimAside: (name, days) => trimAside(redis, name, days),
    carriers: [carrier],
    days: { messages: 60, orphans: 30, inbound: 30, idempotency: 7 },
    clock: systemClock,
    log: silentLog,
    ...changed,
  });
}

/** A campaign made `daysAgo`, with one row in each of its tables; `finishedDaysAgo` is null while it is open. */
async function campaignOf(daysAgo: number, finishedDaysAgo: number | null, status = 'completed'): Promise<Id> {
  number += 1;
  const id = String(BigInt(idAtMs(Date.now() - daysAgo * dayMs)) + BigInt(number));
  await ensureWeek(owner, weekOf(id));
  await owner.query(
    `insert into campaigns (id, organisation_id, name, nature, status, sender, audience, contents, default_language,
        validity_seconds, launched_at, planned_at, enqueued_at, finished_at, recipients, batches)
      values ($1, $2, 'Old', 'information', $3, 'Town', '{"all": true}', '{"fr": "x"}', 'fr', 60,
        now() - $4 * interval '1 day', now() - $4 * interval '1 day', now(), now() - $5 * interval '1 day', 1, 1)`,
    [id, organisation, status, daysAgo, finishedDaysAgo],
  );
  await owner.query(
    `insert into campaign_progress (campaign_id, carrier, organisation_id, submitted, delivered)
      values ($1, $2, $3, 1, 1)`,
    [id, carrier, organisation],
  );
  await owner.query('insert into campaign_carriers values ($1, $2, $3, 1, 1, 1, 1)', [id, carrier, organisation]);
  const rows = {
    recipients: `(campaign_id, batch, organisation_id, residents, packed) values ($1, 1, $2, '{7}', '33639980000')`,
    batches: `values ($1, 1, $2, 'north', 'fr', 0, 1)`,
    batch_states: `values ($1, 1, 'north', 0, $2, 0, '\\x18')`,
    submissions: `values ($1, 0, 1, 0, 1, 1, 1, 0, $2, 'north', 1, 0, 'id', now())`,
    receipts: `values ($1, 0, 0, $2, 'north', 1, '', now(), now())`,
  };
  for (const table of partitionedTables) await owner.query(`insert into ${table} ${rows[table]}`, [id, organisation]);
  return id;
}

async function rowsOf(campaign: Id): Promise<number[]> {
  const counts: number[] = [];
  for (const table of partitionedTables) {
    const { rows } = await owner.query<{ count: number }>(
      `select count(*)::int as count from ${table} where campaign_id = $1`,
      [campaign],
    );
    counts.push(rows[0]!.count);
  }
  return counts;
}

async function isMarked(campaign: Id): Promise<boolean> {
  const { rows } = await owner.query<{ marked: boolean }>(
    'select messages_removed_at is not null as marked from campaigns where id = $1',
    [campaign],
  );
  return rows[0]!.marked;
}

async function partitionsOf(campaign: Id): Promise<string[]> {
  const { rows } = await owner.query<{ name: string }>(
    `select relname as name from pg_class where relkind = 'r' and relname like '%\\_w' || $1 order by 1`,
    [weekOf(campaign)],
  );
  return rows.map(({ name }) => name);
}

const all = [1, 1, 1, 1, 1];
const none = [0, 0, 0, 0, 0];

test('retention - a week goes when all its campaigns are over for long enough; their counts stay', async () => {
  const old = await campaignOf(120, 110);
  const neighbour = await campaignOf(90, 80);
  const open = await campaignOf(90, null, 'sending');
  const late = await campaignOf(150, 20);
  const removed = new Map<string, number>();
  const onRemoved = (what: string, count: number) => removed.set(what, (removed.get(what) ?? 0) + count);
  expect(await retention({ onRemoved }).look()).toBe(true);
  expect([await rowsOf(old), await isMarked(old), await partitionsOf(old)]).toEqual([none, true, []]);
  expect(removed.get('partitions')).toBe(5);
  const { rows } = await owner.query('select delivered from campaign_progress where campaign_id = $1', [old]);
  expect(rows).toEqual([{ delivered: 1 }]);
  // Of one week with one that is open; made long ago, and over since not so long ago.
  expect(weekOf(neighbour)).toBe(weekOf(open));
  for (const kept of [neighbour, open, late]) expect([await rowsOf(kept), await isMarked(kept)]).toEqual([all, false]);
  await owner.query(
    "update campaigns set status = 'completed', finished_at = now() - interval '61 days' where id = $1",
    [open],
  );
  await retention().look();
  for (const gone of [neighbour, open]) expect([await rowsOf(gone), await isMarked(gone)]).toEqual([none, true]);
});

test('retention - 0 days keeps everything', async () => {
  const old = await campaignOf(800, 700);
  await retention({ days: { messages: 0, orphans: 0, inbound: 0, idempotency: 0 } }).look();
  expect([await rowsOf(old), await isMarked(old)]).toEqual([all, false]);
  await retention().look();
  expect(await rowsOf(old)).toEqual(none);
});

test('retention - who waits behind it gets on while whoever it waits for still works, and it comes again', async () => {
  const old = await campaignOf(200, 190);
  const working = new pg.Client({ connectionString: stored.serviceUrl });
  const writing = new pg.Client({ connectionString: stored.serviceUrl });
  await Promise.all([working.connect(), writing.connect()]);
  await working.query('begin; select count(*) from batches');
  const lease = (await takeLease(service.pool, 'retention', 'two', 60_000))!;
  const detaching = detachPartition(service.pool, lease, { table: 'batches', week: weekOf(old) }, 60);
  await waitingFor('batches', 'AccessExclusiveLock');
  const now = idAtMs(Date.now());
  // Queues behind the detachment, and is done before the transaction that both of them wait for has ended.
  await writing.query("insert into batches values ($1, 1, $2, 'north', 'fr', 0, 1)", [now, organisation]);
  expect(await detaching).toBe('busy');
  expect(await rowsOf(old)).toEqual(all);
  await working.query('commit');
  expect(await detachPartition(service.pool, lease, { table: 'batches', week: weekOf(old) }, 60)).toBe('detached');
  // The next one finishes what was begun.
  await owner.query("update leases set lease_until = '-infinity'");
  await retention().look();
  expect([await rowsOf(old), await partitionsOf(old)]).toEqual([none, []]);
  await Promise.all([working.end(), writing.end()]);
});

/** Resolves once somebody waits for that lock on a table. */
async function waitingFor(table: string, mode: string): Promise<void> {
  for (;;) {
    const { rowCount } = await owner.query(
      'select from pg_locks where relation = $1::regclass and mode = $2 and not granted',
      [table, mode],
    );
    if (rowCount !== 0) return;
  }
}

test('retention - writers and readers of other weeks see nothing of it', async () => {
  const olds = [await campaignOf(300, 290), await campaignOf(310, 290), await campaignOf(320, 290)];
  const current = await campaignOf(0, null, 'sending');
  let isOver = false;
  let [written, read] = [1, 0];
  const write = async () => {
    const client = new pg.Client({ connectionString: stored.serviceUrl });
    await client.connect();
    for (; !isOver; written += 1) {
      await client.query('begin');
      await client.query(
        `insert into batch_states values ($1, $2, 'north', 0, $3, 0, '\\x18') on conflict do nothing`,
        [current, written + 1, organisation],
      );
      await client.query(`insert into submissions values ($1, 0, 1, 0, 1, 1, 1, 0, $2, 'north', 1, 0, 'id', now())`, [
        current,
        organisation,
      ]);
      await client.query('commit');
    }
    await client.end();
  };
  const look = async () => {
    for (; !isOver; read += 1) {
      // A plan for any campaign, so that all partitions are in it.
      await service.pool.query({
        name: 'read-any',
        text: `select count(*) from batches b left join batch_states s on s.campaign_id = b.campaign_id
          where b.campaign_id = $1`,
        values: [current],
      });
    }
  };
  const busy = Promise.all([write(), look(), look()]);
  while (written < 50 || read < 50) await service.pool.query('select');
  const before = written;
  for (const old of olds) while ((await partitionsOf(old)).length > 0) await retention().look();
  expect(written).toBeGreaterThan(before);
  isOver = true;
  await busy;
  for (const old of olds) expect([await rowsOf(old), await isMarked(old)]).toEqual([none, true]);
  const { rows } = await owner.query<{ count: number }>(
    'select count(*)::int as count from submissions where campaign_id = $1',
    [current],
  );
  expect(rows[0]?.count).toBe(written);
  await owner.query("update campaigns set status = 'completed', finished_at = now() where id = $1", [current]);
});

test('retention - a detached table that somebody reads, as a dump does, holds nothing up and goes later', async () => {
  await owner.query('create table retired_receipts_w100 ()');
  const tables = async () =>
    (await owner.query("select from pg_class where relname = 'retired_receipts_w100'")).rowCount ?? 0;
  await owner.query('begin; lock table retired_receipts_w100 in access share mode');
  expect(await retention().look()).toBe(true);
  expect(await tables()).toBe(1);
  await owner.query('commit');
  expect(await retention().look()).toBe(true);
  expect(await tables()).toBe(0);
});

test('retention - a holder that lost its lease changes nothing more', async () => {
  const old = await campaignOf(400, 390);
  const lease = (await takeLease(service.pool, 'retention', 'slow', 60_000))!;
  await owner.query("update leases set lease_until = '-infinity'");
  await takeLease(service.pool, 'retention', 'quick', 60_000);
  await expect(markWeek(service, lease, weekOf(old), 60)).rejects.toMatchObject({ code: 'fenced' });
  const partition = { table: 'batches' as const, week: weekOf(old) };
  await expect(detachPartition(service.pool, lease, partition, 60)).rejects.toMatchObject({ code: 'fenced' });
  expect(await retention().look()).toBe(false);
  expect([await rowsOf(old), await isMarked(old)]).toEqual([all, false]);
  await owner.query("update leases set lease_until = '-infinity'");
});

test('retention - the database itself refuses weeks that are young, and tables that have none', async () => {
  const young = Math.floor(Date.now() / partitionWeekMs) - 3;
  await expect(service.pool.query("select tocsin_detach_partition('batches', $1)", [young])).rejects.toThrow(/young/);
  await expect(service.pool.query("select tocsin_detach_partition('campaigns', 1)")).rejects.toThrow(/no weeks/);
  await expect(service.pool.query("select tocsin_drop_retired('campaigns')")).rejects.toThrow(/not retired/);
  const api = new pg.Client({ connectionString: stored.apiUrl });
  await api.connect();
  await expect(api.query("select tocsin_drop_retired('x')")).rejects.toMatchObject({ code: '42501' });
  await expect(api.query("select tocsin_detach_partition('batches', 1)")).rejects.toMatchObject({ code: '42501' });
  await api.end();
});

test('retention - orphans, messages from handsets and answers to repeated requests go by their age', async () => {
  const idOf = (daysAgo: number) => idAtMs(Date.now() - daysAgo * dayMs);
  for (const daysAgo of [1, 29, 31, 400]) {
    await owner.query(
      `insert into orphan_receipts (id, carrier, message_id, state, error, received_at)
        values ($1, 'north', 'x', 1, '', now())`,
      [idOf(daysAgo)],
    );
    await owner.query(
      `insert into inbound_messages (id, carrier, source, destination, data_coding, esm_class, body, received_at)
        values ($1, 'north', '33639980000', '1234', 0, 0, '', now())`,
      [idOf(daysAgo)],
    );
    await owner.query(`insert into idempotency_keys values ($1, $2, '', 200, '{}', now() - $3 * interval '1 day')`, [
      organisation,
      `key-${daysAgo}`,
      daysAgo,
    ]);
  }
  await retention().look();
  const left = async (table: string) => (await owner.query(`select from ${table}`)).rowCount;
  expect([await left('orphan_receipts'), await left('inbound_messages'), await left('idempotency_keys')]).toEqual([
    2, 2, 1,
  ]);
});

test('retention - what Redis may still have of a finished campaign is closed once more, once', async () => {
  await retention().look();
  closed = [];
  const finished = await campaignOf(3, 1);
  const justNow = await campaignOf(3, 0.01);
  await redis.xadd(carrierKeys(carrier).aside, `${Date.now() - 31 * dayMs}-1`, 'reason', 'old');
  await redis.xadd(carrierKeys(carrier).aside, '*', 'reason', 'new');
  await retention().look();
  await retention().look();
  expect(closed).toEqual([`north ${finished}`]);
  expect(closed).not.toContain(`north ${justNow}`);
  expect(await redis.xlen(carrierKeys(carrier).aside)).toBe(1);
});
