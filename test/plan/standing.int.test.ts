/** Which carriers are planned for: told on real Redis, judged in virtual time. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { routeOf, routeTable } from '../../src/plan/route.ts';
import { Standings } from '../../src/plan/standing.ts';
import { connectRedis, type RedisConnection } from '../../src/stream/redis.ts';
import { askPauses as askPausesOf, askUp, tellPause, tellUp } from '../../src/stream/standing.ts';
import { silentLog } from '../../src/telemetry.ts';
import { until } from '../send/scene.ts';
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

/** Standings that heed the operator, and look when told to. */
function pausable(): Standings {
  const askPauses = (known: Parameters<typeof askPausesOf>[2]) => askPausesOf(redis, names, known);
  standings = new Standings({
    carriers: names,
    askUp: () => askUp(redis, names),
    askPauses,
    awayMs: 10_000,
    clock,
    log: silentLog,
  });
  return standings;
}

test('pause - a paused carrier keeps its numbers, bound or not; given away it loses them at once', async () => {
  await tellPause(redis, 'west', 'wait');
  await pausable().start();
  expect(standings.pauseOf('west').pause).toBe('wait');
  await tellUp(redis, 'east');
  await clock.untilArmed();
  await clock.advance(60_000);
  await clock.untilArmed();
  expect(carrierOf()).toBe('west');
  await tellPause(redis, 'west', 'reroute');
  standings.wake();
  await until(() => carrierOf() === 'east');
  await tellPause(redis, 'west', 'none');
  await tellUp(redis, 'west');
  standings.wake();
  await until(() => carrierOf() === 'west');
});

test('pause - a Redis that lost it is told again by whoever knew, and a word of after it stands', async () => {
  await tellPause(redis, 'west', 'wait');
  await pausable().start();
  await redis.flushdb();
  standings.wake();
  await until(async () => (await askPausesOf(redis, names)).get('west')?.pause === 'wait');
  expect(standings.pauseOf('west').pause).toBe('wait');
  await tellPause(redis, 'west', 'none');
  standings.wake();
  await until(() => standings.pauseOf('west').pause === 'none');
});
