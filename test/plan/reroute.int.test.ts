/** What a carrier gave up, on real PostgreSQL and Redis: into the next carrier's stream, once, whatever happens. */
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { connect, type Database } from '../../src/db/client.ts';
import { type Cutting, claimCampaigns, freeze } from '../../src/db/plan.ts';
import { addReroutes } from '../../src/db/reroutes.ts';
import { type Batch, type Enqueue, type Id, recordSeparator } from '../../src/handoff.ts';
import { Rerouter } from '../../src/plan/reroute.ts';
import { isReplaced, routeTable } from '../../src/plan/route.ts';
import { readBatch } from '../../src/stream/entry.ts';
import { carrierKeys, planKeys } from '../../src/stream/keys.ts';
import { Producer } from '../../src/stream/producer.ts';
import { connectRedis, type RedisConnection } from '../../src/stream/redis.ts';
import { silentLog } from '../../src/telemetry.ts';
import { removeFolder } from '../support/folder.ts';
import { type TestDatabase, testDatabase } from '../support/postgres.ts';
import { testRedis } from '../support/redis.ts';
import { standingEnqueue } from '../support/standing-enqueue.ts';
import { addCampaign, addManyResidents, addOrganisation } from '../support/town.ts';
import { unpackRelease } from '../upgrade/release.ts';

const carriers = [
  { name: 'north', prefixes: ['336'], order: 0 },
  { name: 'south', prefixes: [''], order: 0 },
];

let database: TestDatabase;
let owner: pg.Client;
let service: Database;
let redis: RedisConnection;
let campaign: Id;
let givenUp = 0;
const rerouters: Rerouter[] = [];
const goOns: (() => void)[] = [];

beforeEach(async () => {
  database = await testDatabase();
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  service = connect({
    url: database.serviceUrl,
    poolMax: 4,
    applicationName: 'test',
    statementTimeoutMs: 0,
    log: silentLog,
  });
  redis = await connectRedis((await testRedis()).url, 'command', silentLog);
  const organisation = await addOrganisation(owner);
  await addManyResidents(owner, organisation, 60);
  campaign = await addCampaign(owner, organisation);
  const claim = { planner: 'one', leaseMs: 60_000, nature: 'information' as const, limit: 1 };
  const [claimed] = await claimCampaigns(service.pool, claim);
  const cutting: Cutting = {
    routes: routeTable(carriers),
    fields: [],
    batchRecipients: () => 30,
    shardsOf: (account) => [account],
  };
  await freeze(service, claimed!, cutting);
});

afterEach(async () => {
  for (const goOn of goOns.splice(0)) goOn();
  for (const rerouter of rerouters.splice(0)) await rerouter.stop();
  redis.disconnect();
  await service.close();
  await owner.end();
  await database.drop();
});

function begin(usable: (carrier: string) => boolean, enqueue: Enqueue = producer()): Rerouter {
  const routes = () => routeTable(carriers, usable);
  const rerouter = new Rerouter({ database: service, enqueue, routes, clock: systemClock, log: silentLog });
  rerouters.push(rerouter);
  void rerouter.start();
  return rerouter;
}

function producer(): Producer {
  return new Producer(redis, 1 << 30, systemClock, silentLog);
}

/** Each time as another attempt: the same is not given up twice. */
async function giveUp(carrier: string, batch: number, indexes: readonly number[]): Promise<void> {
  givenUp += 1;
  const all = [{ carrier, campaign, batch, indexes, sourceAttempt: givenUp }];
  await service.service(({ client }) => addReroutes(client, all));
}

async function nothingWaits(): Promise<void> {
  for (;;) {
    const { rows } = await owner.query<{ left: number }>('select count(*)::int as left from reroutes where not is_in');
    if (rows[0]!.left === 0) return;
  }
}

async function streamOf(carrier: string): Promise<Batch[]> {
  const entries = await redis.xrangeBuffer(carrierKeys(carrier).campaign(campaign), '-', '+');
  return entries.map(([, fields]) => readBatch(fields));
}

const isUp = (carrier: string) => carrier !== 'north';

test('reroute - what a carrier gave up goes to the next of its route, with its places and a new attempt', async () => {
  await giveUp('north', 1, [4, 2, 9]);
  await giveUp(
    'north',
    2,
    Array.from({ length: 30 }, (_, at) => at),
  );
  begin(isUp);
  await nothingWaits();
  const [first, second] = await streamOf('south');
  expect(first).toMatchObject({ number: 1, attempt: 2, firstOrdinal: 0, recipients: 30, only: [2, 4, 9] });
  expect(first?.packed.toString().split(recordSeparator)).toHaveLength(30);
  expect(second).toMatchObject({ number: 2, attempt: 2, firstOrdinal: 30 });
  expect(second?.only).toBeUndefined();
  // It is one of the campaign's carriers now, though nothing was planned for it.
  const { rows } = await owner.query(
    'select carrier, recipients from campaign_carriers where campaign_id = $1 order by carrier',
    [campaign],
  );
  expect(rows).toEqual([
    { carrier: 'north', recipients: 60 },
    { carrier: 'south', recipients: 0 },
  ]);
});

test('reroute - the last release, which may be at work beside us, gives nothing away a second time', async () => {
  await giveUp('north', 1, [4, 2, 9]);
  begin(isUp);
  await nothingWaits();
  const { folder, program } = unpackRelease(`reroutes-${process.pid}`);
  const file = async <Exports>(path: string) => (await import(`${program}/src/${path}.js`)) as Exports;
  const old = {
    ...(await file<{ Rerouter: new (parts: object) => Rerouter }>('plan/reroute')),
    ...(await file<{ Producer: new (...parts: unknown[]) => Enqueue }>('stream/producer')),
  };
  const enqueue = new old.Producer(redis, 1 << 30, systemClock);
  const routes = () => routeTable(carriers, isUp);
  const rerouter = new old.Rerouter({ database: service, enqueue, routes, clock: systemClock, log: silentLog });
  rerouters.push(rerouter);
  void rerouter.start();
  const left = async () => (await owner.query('select from reroutes')).rowCount;
  while ((await left()) !== 0);
  removeFolder(folder);
  expect(await streamOf('north')).toEqual([]);
  expect(await streamOf('south')).toHaveLength(1);
});

test('reroute - killed after it enqueued, and two at once: everything is in once', async () => {
  for (const batch of [1, 2, 1, 2]) await giveUp('north', batch, batch === 1 ? [1, 2] : [3]);
  const real = producer();
  let killed = false;
  const dying: Enqueue = {
    open: (...args) => real.open(...args),
    control: (...args) => real.control(...args),
    close: (...args) => real.close(...args),
    async enqueue(...args) {
      const added = await real.enqueue(...args);
      if (killed) return added;
      killed = true;
      throw new Error('killed');
    },
  };
  begin(isUp, dying);
  begin(isUp);
  await nothingWaits();
  const entries = await streamOf('south');
  expect(entries.map(({ number, attempt, only }) => [number, attempt, only])).toEqual([
    [1, 2, [1, 2]],
    [1, 3, [1, 2]],
    [2, 2, [3]],
    [2, 3, [3]],
  ]);
});

test('reroute - what is decided stays so, though carriers came and went: nothing is in two streams', async () => {
  await giveUp('north', 1, [1, 2]);
  await giveUp('north', 2, [3]);
  const real = producer();
  let enqueued: () => void = () => undefined;
  const isIn = new Promise<void>((resolve) => (enqueued = resolve));
  const dying: Enqueue = {
    open: (...args) => real.open(...args),
    control: (...args) => real.control(...args),
    close: (...args) => real.close(...args),
    async enqueue(...args) {
      await real.enqueue(...args);
      enqueued();
      throw new Error('killed');
    },
  };
  const killed = begin(isUp, dying);
  await isIn;
  await killed.stop();
  await giveUp('north', 2, [4]);
  // Its successor has not found out yet that the carrier is away.
  begin(() => true);
  await nothingWaits();
  const placesOf = async (carrier: string) =>
    (await streamOf(carrier)).map(({ number, attempt, only }) => [number, attempt, only]);
  expect(await placesOf('south')).toEqual([
    [1, 2, [1, 2]],
    [2, 2, [3]],
  ]);
  expect(await placesOf('north')).toEqual([[2, 3, [4]]]);
});

test('reroute - of a batch that is gone nothing is left waiting', async () => {
  await giveUp('north', 9, [0]);
  await giveUp('north', 1, [0]);
  begin(isUp);
  await nothingWaits();
  expect(await streamOf('south')).toMatchObject([{ number: 1, only: [0] }]);
});

test('reroute - of a cancelled campaign the next carrier hears first that it is cancelled', async () => {
  await owner.query("update campaigns set status = 'cancelling' where id = $1", [campaign]);
  await giveUp('north', 1, [0]);
  begin(isUp);
  await nothingWaits();
  expect(await redis.hget(carrierKeys('south').meta(campaign), 'state')).toBe('cancelled');
});

test('reroute - a carrier that is back keeps what no other can have', async () => {
  await giveUp('north', 1, [0]);
  begin(() => true);
  await nothingWaits();
  expect(await streamOf('south')).toEqual([]);
  expect(await streamOf('north')).toMatchObject([{ number: 1, attempt: 2, only: [0] }]);
});

test.each(['open', 'enqueue'] as const)(
  'reroute - one that stood still before %s adds nothing to a campaign that is over',
  async (step) => {
    await giveUp('north', 1, [1, 2]);
    const still = standingEnqueue(producer(), step);
    goOns.push(still.goOn);
    const late = begin(isUp, still.enqueue);
    await still.reached;
    begin(isUp);
    await nothingWaits();
    // Everything is sent, and the campaign closed.
    await redis.xtrim(carrierKeys('south').campaign(campaign), 'MAXLEN', 0);
    for (const { name } of carriers) expect(await producer().close(name, campaign)).toBe(true);
    await owner.query("update campaigns set status = 'completed', finished_at = now() where id = $1", [campaign]);
    still.goOn();
    await late.stop();
    expect(await streamOf('south')).toEqual([]);
    expect(await redis.exists(carrierKeys('south').meta(campaign))).toBe(0);
  },
);

test('reroute - of a campaign that is over nothing waits', async () => {
  await giveUp('north', 1, [1, 2]);
  await owner.query("update campaigns set status = 'completed', finished_at = now() where id = $1", [campaign]);
  begin(isUp);
  await nothingWaits();
  expect(await streamOf('south')).toEqual([]);
});

test('reroute - what went into data that were lost meanwhile goes in again', async () => {
  await owner.query("insert into settings values ('redis-epoch', 'one')");
  await redis.set(planKeys.epoch, 'one');
  await giveUp('north', 1, [1, 2]);
  const real = producer();
  let isLost = false;
  const losing: Enqueue = {
    control: (...args) => real.control(...args),
    close: (...args) => real.close(...args),
    open: (...args) => real.open(...args),
    async enqueue(...args) {
      const added = await real.enqueue(...args);
      if (isLost) return added;
      isLost = true;
      await redis.flushdb();
      await redis.set(planKeys.epoch, 'restoring:two');
      await owner.query("insert into settings values ('redis-epoch-restoring', 'two')");
      return added;
    },
  };
  begin(isUp, losing);
  await nothingWaits();
  expect(await streamOf('south')).toMatchObject([{ number: 1, attempt: 2, only: [1, 2] }]);
});

test('replaced - only a carrier whose every prefix somebody else serves now', () => {
  const three = [...carriers, { name: 'east', prefixes: ['49', '336'], order: 1 }];
  expect(isReplaced(three, isUp, 'north')).toBe(true);
  expect(isReplaced(three, (name) => name === 'north', 'north')).toBe(false);
  expect(isReplaced(three, (name) => name !== 'south', 'south')).toBe(false);
  expect(isReplaced(three, (name) => name !== 'east', 'east')).toBe(true);
});
