/**
 * Which server of a cluster has a key, for what belongs to a connection and not to a key: waiting for a replica, facts
 * of the server. A single server has every key.
 */
import { Cluster, type Redis } from 'ioredis';
import type { RedisConnection } from './redis.ts';
import { script } from './script.ts';

/** Finds the connection over which commands with a key go at the moment. */
export class OwnerOf {
  readonly #redis: RedisConnection;
  readonly #key: string;
  #slot: number | undefined;

  constructor(redis: RedisConnection, key: string) {
    this.#redis = redis;
    this.#key = key;
  }

  /** The connection; undefined while nobody is known to have the key. */
  async connection(): Promise<Redis | undefined> {
    const redis = this.#redis;
    if (!(redis instanceof Cluster)) return redis;
    this.#slot ??= Number(await redis.cluster('KEYSLOT', this.#key));
    const address = redis.slots[this.#slot]?.[0];
    return redis.nodes('master').find(({ options }) => `${options.host}:${options.port}` === address);
  }
}

/** Milliseconds by the clock of the server that has `key`. */
export function clockOf(redis: RedisConnection): (key: string) => Promise<number> {
  const ask = script(redis, "return redis.call('TIME')");
  return async (key) => {
    const [seconds, micros] = (await ask(key)) as [Buffer, Buffer];
    return Number(seconds) * 1000 + Number(micros) / 1000;
  };
}
