/** What was set aside because nobody could read it: kept for a while for a person to look at. Planner process. */
import { carrierKeys } from './keys.ts';
import { clockOf } from './owner.ts';
import type { RedisConnection } from './redis.ts';

const dayMs = 86_400_000;

/** Removes what was set aside more than `days` ago by Redis's clock; resolves with how many entries. */
export async function trimAside(redis: RedisConnection, carrier: string, days: number): Promise<number> {
  const { aside, prefix } = carrierKeys(carrier);
  const nowMs = await clockOf(redis)(prefix);
  return await redis.xtrim(aside, 'MINID', Math.floor(nowMs) - days * dayMs);
}
