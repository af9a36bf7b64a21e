/**
 * Results and reports from a streaming replica: the same as from the primary, which answers in its place when it is
 * away or behind. Whoever was told something by the primary never reads less than that.
 */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createApi } from '../../src/api/app.ts';
import { defaultLimits } from '../../src/api/limits.ts';
import { systemClock } from '../../src/clock.ts';
import { connect, type Database } from '../../src/db/client.ts';
import { Replica } from '../../src/db/replica.ts';
import type { Id } from '../../src/handoff.ts';
import { silentLog } from '../../src/telemetry.ts';
import { ownPostgres, type OwnPostgres, type OwnServer } from '../support/own-server.ts';
import { type Answer, type Caller, caller, goodCampaign, platformKey, TestFeed } from './harness.ts';

/** Longer than a test takes on a slow machine; what must not be read is too old by what it lacks. */
const lagMsMax = 3_600_000;

let primary: OwnPostgres;
let standby: OwnServer;
let owner: pg.Client;
let onStandby: pg.Client;
let main: Database;
let reports: Database;
let replica: Replica;
let town: Caller;
/** Statements that the replica was asked. */
let asked = 0;

beforeAll(async () => {
  primary = await ownPostgres();
  standby = await primary.replica();
  const { ownerUrl, apiUrl } = primary.database;
  owner = new pg.Client({ connectionString: ownerUrl });
  await owner.connect();
  main = open(apiUrl, 'primary');
  reports = open(there(apiUrl), 'replica');
  reports.pool.on('acquire', () => {
    asked += 1;
  });
  replica = new Replica({ primary: main, replica: reports, lagMsMax, clock: systemClock, log: silentLog });
  onStandby = await onReplica();
  const app = createApi({
    database: main,
    replica,
    commands: { publish: () => Promise.resolve() },
    progress: new TestFeed(),
    carriers: [],
    routes: [],
    platformKey,
    limits: defaultLimits,
    clock: systemClock,
    log: silentLog,
    stopping: new AbortController().signal,
  });
  const platform = caller(app, '', platformKey);
  const { body } = await platform.request('POST', '/organisations', { name: 'Commune' });
  const { body: key } = await platform.request('POST', `/organisations/${body.id}/keys`, { name: 'test' });
  town = caller(app, body.id, key.key);
});

afterAll(async () => {
  await replica.stop();
  await onStandby.end().catch(() => undefined);
  await owner.end();
  await main.close();
  await standby.dispose();
  await primary.dispose();
});

function open(url: string, applicationName: string): Database {
  return connect({
    url,
    poolMax: 3,
    applicationName,
    statementTimeoutMs: 20_000,
    connectTimeoutMs: 2_000,
    log: silentLog,
  });
}

/** The same address on the replica. */
function there(url: string): string {
  const at = new URL(url);
  at.port = new URL(standby.url).port;
  return at.href;
}

async function onReplica(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: there(primary.database.ownerUrl) });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Resolves when the replica has all that the primary has now, and has been looked at since. */
async function caughtUp(): Promise<void> {
  const { rows } = await owner.query<{ lsn: string }>('select pg_current_wal_flush_lsn()::text as lsn');
  await onStandby.query(
    `do $$ begin while pg_last_wal_replay_lsn() < '${rows[0]?.lsn}' loop perform pg_sleep(0.01); end loop; end $$`,
  );
  // A record behind whatever end of the log it is compared with.
  do {
    await owner.query('select pg_log_standby_snapshot()');
    await replica.look();
  } while (!replica.isFresh);
}

/** A campaign as it is when it was frozen, of one batch. */
async function plannedCampaign(recipients: number): Promise<Id> {
  const { id } = (await town.request('POST', '/campaigns', goodCampaign)).body;
  await owner.query("insert into batches values ($1, 1, $2, 'north', 'fr', 0, $3)", [
    id,
    town.organisation,
    recipients,
  ]);
  await owner.query(
    `insert into recipients (campaign_id, batch, organisation_id, residents, packed)
      select $1, 1, $2, array_agg(n), string_agg(n::text, chr(30)) from generate_series(1, $3) n`,
    [id, town.organisation, recipients],
  );
  await owner.query("update campaigns set status = 'sending', planned_at = now(), recipients = $2 where id = $1", [
    id,
    recipients,
  ]);
  return id;
}

async function all(id: Id): Promise<Answer[]> {
  const paths = ['results', 'results?state=pending&limit=2', 'results.csv', 'report', 'progress'];
  return await Promise.all(paths.map((path) => town.request('GET', `/campaigns/${id}/${path}`)));
}

const bodies = (answers: readonly Answer[]) => answers.map(({ status, text }) => ({ status, text }));

/** What the replica was asked while `work` ran. */
async function askedIn<T>(work: () => Promise<T>): Promise<[T, number]> {
  const before = asked;
  const result = await work();
  return [result, asked - before];
}

test('replica - answers what the primary would, once it has what the primary has', async () => {
  const id = await plannedCampaign(5);
  const [fromPrimary, none] = await askedIn(() => all(id));
  expect(none).toBe(0);
  await caughtUp();
  const [fromReplica, some] = await askedIn(() => all(id));
  expect(some).toBeGreaterThan(5);
  expect(bodies(fromReplica)).toEqual(bodies(fromPrimary));
  expect(fromReplica[0]?.body.items).toHaveLength(5);
  // Row-level security holds there too.
  const [foreign] = await askedIn(() => town.request('GET', '/campaigns/1/results'));
  expect(foreign.status).toBe(404);
});

test('replica - a campaign that stands otherwise there is read on the primary', async () => {
  const old = await plannedCampaign(2);
  await caughtUp();
  await onStandby.query('select pg_wal_replay_pause()');
  await onStandby.query(
    "do $$ begin while pg_get_wal_replay_pause_state() <> 'paused' loop perform pg_sleep(0.01); end loop; end $$",
  );
  const fresh = await plannedCampaign(3);
  const [, , csv] = await all(fresh);
  expect(csv?.text.trim().split('\r\n')).toHaveLength(4);
  expect((await town.request('GET', `/campaigns/${fresh}/results`)).body.items).toHaveLength(3);
  // One that was there already, and has finished since.
  await owner.query("update campaigns set status = 'completed', finished_at = now() where id = $1", [old]);
  await owner.query("insert into batch_states values ($1, 1, 'north', 0, $2, 0, $3)", [
    old,
    town.organisation,
    Buffer.alloc(2, 0x18),
  ]);
  const { body } = await town.request('GET', `/campaigns/${old}/results`);
  expect(body.items.map(({ state }) => state)).toEqual(['delivered', 'delivered']);
});

test('replica - one that is too far behind is not read', async () => {
  // Paused since the test before.
  const impatient = new Replica({
    primary: main,
    replica: reports,
    lagMsMax: 0.001,
    clock: systemClock,
    log: silentLog,
  });
  await impatient.look();
  expect([impatient.isFresh, replica.isFresh]).toEqual([false, true]);
  await onStandby.query('select pg_wal_replay_resume()');
  await caughtUp();
  const list = await town.request('GET', '/campaigns?status=completed');
  expect(list.body.items).toHaveLength(1);
});

test('replica - the primary answers while it is dead, and it answers again when it is back', async () => {
  const id = await plannedCampaign(4);
  await caughtUp();
  const before = bodies(await all(id));
  await standby.kill();
  expect(bodies(await all(id))).toEqual(before);
  await replica.look();
  expect(replica.isFresh).toBe(false);
  const [answers, none] = await askedIn(() => all(id));
  expect([bodies(answers), none]).toEqual([before, 0]);
  await standby.start();
  onStandby = await onReplica();
  await caughtUp();
  const [again, some] = await askedIn(() => all(id));
  expect(bodies(again)).toEqual(before);
  expect(some).toBeGreaterThan(0);
});

test('replica - a server that is no replica is not taken for one', async () => {
  const same = open(primary.database.apiUrl, 'not-a-replica');
  const none = new Replica({ primary: main, replica: same, lagMsMax, clock: systemClock, log: silentLog });
  await none.start();
  expect(none.isFresh).toBe(false);
  await none.stop();
});
