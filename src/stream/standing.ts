/**
 * Which carriers can be sent to: workers tell while they have a bind, and the operator may pause a carrier; workers
 * and planners ask. A worker's word that is not repeated is forgotten within seconds, the operator's never.
 */
import { carrierKeys } from './keys.ts';
import { clockOf } from './owner.ts';
import type { RedisConnection } from './redis.ts';

/** How long a worker's word holds; workers repeat it with every renewal of their slots. */
const upForMs = 5_000;

/**
 * The operator's word on a carrier: sent to, or not. What waits for a paused one waits on (`wait`), or is given to
 * the carriers that serve the same numbers (`reroute`).
 */
export type CarrierPause = 'none' | 'wait' | 'reroute';

/** The word, and since when it holds, epoch milliseconds of Redis. */
export type PauseWord = { readonly pause: CarrierPause; readonly sinceMs: number };

/** What nobody said anything of. */
export const notPaused: PauseWord = { pause: 'none', sinceMs: 0 };

/** Says that this worker has a bind of `carrier`. */
export async function tellUp(redis: RedisConnection, carrier: string): Promise<void> {
  await redis.set(carrierKeys(carrier).up, '1', 'PX', upForMs);
}

/** Those of `carriers` of which some worker has a bind. */
export async function askUp(redis: RedisConnection, carriers: readonly string[]): Promise<ReadonlySet<string>> {
  const words = await Promise.all(carriers.map((carrier) => redis.get(carrierKeys(carrier).up)));
  return new Set(carriers.filter((_, at) => words[at] !== null));
}

/** Says for the operator whether `carrier` is sent to, and tells its workers to look. */
export async function tellPause(redis: RedisConnection, carrier: string, pause: CarrierPause): Promise<PauseWord> {
  const { pause: key, wake } = carrierKeys(carrier);
  const word = { pause, sinceMs: Math.floor(await clockOf(redis)(carrierKeys(carrier).prefix)) };
  await redis.set(key, spelt(word));
  await redis.publish(wake, 'standing');
  return word;
}

/**
 * The operator's word on each of `carriers`. A Redis that lost it is told again by whoever asks and knew of a pause:
 * `known` is what the last answer was.
 */
export async function askPauses(
  redis: RedisConnection,
  carriers: readonly string[],
  known: ReadonlyMap<string, PauseWord> = new Map(),
): Promise<ReadonlyMap<string, PauseWord>> {
  const words = await Promise.all(carriers.map((carrier) => askPause(redis, carrier, known.get(carrier))));
  return new Map(carriers.map((carrier, at) => [carrier, words[at] ?? notPaused]));
}

async function askPause(redis: RedisConnection, carrier: string, known: PauseWord = notPaused): Promise<PauseWord> {
  const key = carrierKeys(carrier).pause;
  const word = readWord(await redis.get(key));
  if (word !== undefined || known.pause === 'none') return word ?? notPaused;
  await redis.set(key, spelt(known), 'NX');
  return known;
}

function spelt({ pause, sinceMs }: PauseWord): string {
  return `${pause} ${sinceMs}`;
}

function readWord(text: string | null): PauseWord | undefined {
  const [pause, sinceMs] = text?.split(' ') ?? [];
  if (pause !== 'none' && pause !== 'wait' && pause !== 'reroute') return undefined;
  return { pause, sinceMs: Number(sinceMs) };
}
