/**
 * Which processes live, as each tells of itself every second, and what the operator wishes of one. A word that is not
 * repeated is forgotten within seconds; a wish stays as long as its process lives. Every process; the operator's
 * command reads. A process that finds no wish goes on as it is, so a Redis that lost its data changes nothing.
 */
import { planKeys } from './keys.ts';
import type { RedisConnection } from './redis.ts';
import { type Script, script } from './script.ts';

/** A worker's lines to one carrier at a moment. */
export type LinePresence = {
  readonly carrier: string;
  readonly slots: number;
  readonly bound: number;
  /** Segments that wait for an answer. */
  readonly open: number;
  /** Batches in hand. */
  readonly batches: number;
};

/** What a worker does: `drained` holds nothing, and takes nothing until it is told to. */
export type WorkerPhase = 'sending' | 'draining' | 'drained' | 'stopping';

/** What a process tells of itself. */
export type Presence = {
  readonly role: string;
  /** Its alone, for ever. */
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  readonly startedAtMs: number;
  /** Of workers only. */
  readonly phase?: WorkerPhase;
  readonly lines?: readonly LinePresence[];
};

/** What the operator wishes of a worker. */
export type Wish = 'drain' | 'work';

/** How long a word holds. */
const wordMs = 5_000;
/** How long a wish outlives its process's last word. */
const wishMs = 24 * 3_600_000;

/** KEYS prefix. ARGV name, word as JSON, its milliseconds, a wish's milliseconds. Returns the wish, or ''. */
const tellScript = `#!lua flags=allow-oom
local prefix, name = KEYS[1], ARGV[1]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('SET', prefix .. ':process:' .. name, ARGV[2], 'PX', ARGV[3])
redis.call('ZADD', prefix .. ':processes', now + tonumber(ARGV[3]), name)
redis.call('ZREMRANGEBYSCORE', prefix .. ':processes', '-inf', now)
local wish = redis.call('GET', prefix .. ':wish:' .. name)
if wish then redis.call('PEXPIRE', prefix .. ':wish:' .. name, ARGV[4]) end
return wish or ''
`;

/** One process's word, told over a connection that is shared with others. */
export class PresenceWord {
  readonly #redis: RedisConnection;
  readonly #tell: Script;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
    this.#tell = script(redis, tellScript);
  }

  /** Tells, and hears what the operator wishes; undefined when nothing. */
  async tell(presence: Presence): Promise<Wish | undefined> {
    const reply = await this.#tell(planKeys.prefix, presence.name, JSON.stringify(presence), wordMs, wishMs);
    const wish = (reply as Buffer).toString();
    return wish === 'drain' || wish === 'work' ? wish : undefined;
  }

  /** The process ends. */
  async farewell(name: string): Promise<void> {
    await this.#redis.zrem(planKeys.processes, name);
    await this.#redis.del(planKeys.process(name), planKeys.wish(name));
  }
}

/** Processes that live, by role and name. */
export async function readPresences(redis: RedisConnection): Promise<Presence[]> {
  const names = await redis.zrange(planKeys.processes, '0', '-1');
  const words = await Promise.all(names.map((name) => redis.get(planKeys.process(name))));
  return words
    .flatMap((word) => (word === null ? [] : [JSON.parse(word) as Presence]))
    .toSorted((a, b) => (a.role + a.name < b.role + b.name ? -1 : 1));
}

/** Says what the operator wishes of a process; it hears within a second. */
export async function tellWish(redis: RedisConnection, name: string, wish: Wish): Promise<void> {
  await redis.set(planKeys.wish(name), wish, 'PX', wishMs);
}
