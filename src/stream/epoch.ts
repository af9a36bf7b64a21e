/** The name of a carrier's data in Redis, by which whoever puts something in knows that they are still the same. */
import { carrierKeys, planKeys } from './keys.ts';
import type { RedisConnection } from './redis.ts';

/**
 * The name; undefined when there is none. Before each carrier had its own there was one for all: that counts until the
 * first one is given.
 */
export async function readEpoch(redis: RedisConnection, carrier: string): Promise<string | undefined> {
  const own = await redis.get(carrierKeys(carrier).epoch);
  if (own !== null) return own;
  if ((await redis.exists(planKeys.epochsByCarrier)) === 1) return undefined;
  return (await redis.get(planKeys.epoch)) ?? undefined;
}

/**
 * Gives the name. The last release, which may be at work beside us or be gone back to, knows one for all, and would
 * put everything in once more if it found none.
 */
export async function writeEpoch(redis: RedisConnection, carrier: string, epoch: string): Promise<void> {
  await redis.set(planKeys.epochsByCarrier, '1');
  await redis.set(carrierKeys(carrier).epoch, epoch);
  await redis.set(planKeys.epoch, epoch);
}
