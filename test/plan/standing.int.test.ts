/** Which carriers are planned for: told on real Redis, judged in virtual time. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { routeOf, routeTable } from '../../src/plan/route.ts';
import { Standings } from '../../src/plan/standing.ts';
import { connectRedis, type RedisConnection } from '../../src/stream/redis.ts';
import { askUp, tellUp } from '../../src/stream/standing.ts';
import { silentLog } from '../../src/telemetry.ts';
import { HandClock } from '../support/hand-clock.ts';
import { testRedis } from '../support/redis.ts';

const names = ['west', 'east'];
const carriers = [
  { name: 'west', prefixes: ['33'], order: 0 },
  { name: 'east', prefixes: ['33'], order: 1 },
];
const carrierOf = () =>
  routeOf(
    routeTable(carriers, (name) => standings.usable(name)),
    '33639980000',
  )?.carrier;

let redis: RedisConnection;
let clock: HandClock;
let standings: Standings;
let asked: () => void;

beforeEach(async () => {
  redis = await connectRedis((await testRedis()).url, 'command', silentLog);
  clock = new HandClock();
  const askAndTell = async () => {
    const up = await askUp(redis, names);
    queueMicrotask(asked);
    return up;
  };
  standings = new Standings({ carriers: names, askUp: askAndTell, awayMs: 10_000, clock, log: silentLog });
});
afterEach(async () => {
  await standings.stop();
  await redis.quit();
});

/** Lets the next look happen, `ms` from now. */
async function lookAfter(ms: number): Promise<void> {
  const looked = new Promise<void>((resolve) => (asked = resolve));
  await clock.untilArmed();
  await clock.advance(ms);
  await looked;
  await clock.untilArmed();
}

test('standing - a carrier that is long without a bind gives way to its fallback, and comes back at once', async () => {
  const first = new Promise<void>((resolve) => (asked = resolve));
  await standings.start();
  await first;
  expect(carrierOf()).toBe('west');
  await tellUp(redis, 'east');
  await lookAfter(9_000);
  expect(carrierOf()).toBe('west');
  await tellUp(redis, 'east');
  await lookAfter(1_000);
  expect(carrierOf()).toBe('east');
  await tellUp(redis, 'west');
  await lookAfter(1_000);
  expect(carrierOf()).toBe('west');
});

test('standing - when nobody serves a number its own carrier keeps it', async () => {
  const first = new Promise<void>((resolve) => (asked = resolve));
  await standings.start();
  await first;
  await lookAfter(20_000);
  expect(names.map((name) => standings.usable(name))).toEqual([false, false]);
  expect(carrierOf()).toBe('west');
});
