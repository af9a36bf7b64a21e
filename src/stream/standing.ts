/**
 * Which carriers can be sent to: workers tell while they have a bind, planners ask. A word that is not repeated is
 * forgotten within seconds.
 */
import type { Redis } from 'ioredis';
import { carrierKeys } from './keys.ts';

/** How long a worker's word holds; workers repeat it with every renewal of their slots. */
const upForMs = 5_000;

/** Says that this worker has a bind of `carrier`. */
export async function tellUp(redis: Redis, carrier: string): Promise<void> {
  await redis.set(carrierKeys(carrier).up, '1', 'PX', upForMs);
}

/** Those of `carriers` of which some worker has a bind. */
export async function askUp(redis: Redis, carriers: readonly string[]): Promise<ReadonlySet<string>> {
  const words = await Promise.all(carriers.map((carrier) => redis.get(carrierKeys(carrier).up)));
  return new Set(carriers.filter((_, at) => words[at] !== null));
}
