/** The clock of Redis beside a clock that is wrong, on real Redis. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../src/clock.ts';
import { connectRedis, type RedisConnection } from '../../src/stream/redis.ts';
import { startRedisClock } from '../../src/stream/redis-clock.ts';
import { silentLog } from '../../src/telemetry.ts';
import { testRedis } from '../support/redis.ts';

let redis: RedisConnection;
beforeAll(async () => {
  redis = await connectRedis((await testRedis()).url, 'command', silentLog);
});
afterAll(() => redis.quit());

async function redisNowMs(): Promise<number> {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1000 + Number(micros) / 1000;
}

test.each([3_600_000, -3_600_000])('redis clock - goes by Redis when the own clock is %d ms off', async (offMs) => {
  let off = offMs;
  const wrong: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() + off };
  const clock = await startRedisClock(redis, wrong, silentLog);
  const before = await redisNowMs();
  const nowMs = clock.nowMs();
  const after = await redisNowMs();
  expect(nowMs).toBeGreaterThan(before - 1_000);
  expect(nowMs).toBeLessThan(after + 1_000);
  // A leap of the own clock changes nothing either.
  off = -2 * offMs;
  expect(Math.abs(clock.nowMs() - (await redisNowMs()))).toBeLessThan(1_000);
  clock.stop();
});
