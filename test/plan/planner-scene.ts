/** Planners on real PostgreSQL and Redis, for the tests of this folder. */
import pg from 'pg';
import { afterEach, beforeEach } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { connect, type Database } from '../../src/db/client.ts';
import type { Batch, CommandQueue, Enqueue, Id, ProgressEvent } from '../../src/handoff.ts';
import { Planner, type PlannerLimits } from '../../src/plan/planner.ts';
import { Commands } from '../../src/stream/commands.ts';
import { readBatch } from '../../src/stream/entry.ts';
import { carrierKeys } from '../../src/stream/keys.ts';
import { Producer } from '../../src/stream/producer.ts';
import { connectRedis, type RedisConnection } from '../../src/stream/redis.ts';
import { silentLog } from '../../src/telemetry.ts';
import { type TestDatabase, testDatabase } from '../support/postgres.ts';
import { testRedis } from '../support/redis.ts';
import { addManyResidents, addOrganisation } from '../support/town.ts';

/** Residents of the organisation, each with a number. */
export const recipients = 260;
/** Carriers of the planners. */
export const carriers = [
  { name: 'north', prefixes: ['336'], order: 0, ratePerSecond: 10 },
  { name: 'south', prefixes: ['3363998010'], order: 0, ratePerSecond: 10 },
];
const limits: PlannerLimits = {
  batchSecondsMax: 1,
  batchRecipientsMax: 500,
  campaignsAtOnceMax: 1,
  leaseMs: 1000,
  sweepMs: 20,
  receiptWaitMs: 3_600_000,
};

let database: TestDatabase;
/** Of the test that runs, as all of these. */
export let owner: pg.Client;
export let service: Database;
let redisUrl: string;
export let redis: RedisConnection;
export let organisation: Id;
export let events: ProgressEvent[];
/** Planners that were started, to be stopped at the end. */
export const planners: Planner[] = [];
const connections: RedisConnection[] = [];

/** Prepares everything before each test of a file, and ends it afterwards. */
export function preparePlanners(): void {
  beforeEach(async () => {
    database = await testDatabase();
    owner = new pg.Client({ connectionString: database.ownerUrl });
    await owner.connect();
    const options = { poolMax: 4, applicationName: 'test', statementTimeoutMs: 0, log: silentLog };
    service = connect({ url: database.serviceUrl, ...options });
    redisUrl = (await testRedis()).url;
    redis = await connectRedis(redisUrl, 'command', silentLog);
    organisation = await addOrganisation(owner);
    await addManyResidents(owner, organisation, recipients);
    events = [];
  });

  afterEach(async () => {
    for (const planner of planners.splice(0)) await planner.stop();
    for (const connection of connections.splice(0)) connection.disconnect();
    redis.disconnect();
    await service.close();
    await owner.end();
    await database.drop();
  });
}

/** An enqueuer into the Redis of the test. */
export function producer(waitingBytesMax = 1 << 30): Producer {
  return new Producer(redis, waitingBytesMax, systemClock, silentLog);
}

/** A planner at work. */
export async function startPlanner(
  name: string,
  enqueue: Enqueue = producer(),
  changed: Partial<PlannerLimits> = {},
): Promise<Planner> {
  const reading = await connectRedis(redisUrl, 'reading', silentLog);
  connections.push(reading);
  const commands: CommandQueue = new Commands(reading, redis, name);
  const planner = new Planner({
    planner: name,
    database: service,
    commands,
    enqueue,
    publish: async (told) => void events.push(...told),
    carriers,
    limits: { ...limits, ...changed },
    clock: systemClock,
    log: silentLog,
  });
  planners.push(planner);
  await planner.start();
  return planner;
}

/** Looks until it holds; each look is a round trip to a server. */
export async function until<T>(look: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await look();
    if (holds(value)) return value;
  }
}

/** Where a campaign stands. */
export async function campaignOf(id: Id): Promise<{ status: string; enqueued: boolean; planner: string | null }> {
  const { rows } = await owner.query<{ status: string; enqueued: boolean; planner: string | null }>(
    'select status, enqueued_at is not null as enqueued, planner from campaigns where id = $1',
    [id],
  );
  return rows[0]!;
}

/** Batches of a campaign that wait at a carrier. */
export async function batchesOf(carrier: string, campaign: Id): Promise<Batch[]> {
  const entries = await redis.xrangeBuffer(carrierKeys(carrier).campaign(campaign), '-', '+');
  return entries.map(([, fields]) => readBatch(fields));
}

/** Addresses of all its batches. */
export async function addressesOf(campaign: Id): Promise<string[]> {
  const batches = [...(await batchesOf('north', campaign)), ...(await batchesOf('south', campaign))];
  return batches.flatMap((batch) => batch.packed.toString().split('\x1e'));
}

/** Addresses of all residents. */
export const allAddresses = Array.from({ length: recipients }, (_, i) => String(33_639_980_000 + i));
