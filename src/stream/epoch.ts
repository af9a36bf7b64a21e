/** The name of a carrier's data in Redis, by which whoever puts something in knows that they are still the same. */
import { carrierKeys, planKeys } from './keys.ts';
import type { RedisConnection } from './redis.ts';

/** The name; undefined when there is none. Before each carrier had its own there was one for all. */
export async function readEpoch(redis: RedisConnection, carrier: string): Promise<string | undefined> {
  return (await redis.get(carrierKeys(carrier).epoch)) ?? (await redis.get(planKeys.epoch)) ?? undefined;
}
