/**
 * Waits until what a connection wrote is on a replica too, where there is one: a replica that takes over then knows of
 * it. Runs in workers, planners and recorders. A replica that does not answer in time counts as none for a while, since
 * sending must go on without it.
 */
import type { Redis } from 'ioredis';
import type { Clock } from '../clock.ts';
import type { Log } from '../telemetry.ts';
import { OwnerOf } from './owner.ts';
import { generationOf, type RedisConnection } from './redis.ts';

/** How long a write may take to reach a replica. */
const reachMs = 100;
/** How long an answer to "is there a replica?" is believed. */
const believeMs = 2_000;
/** How long a replica that did not answer in time counts as none. */
const ignoreMs = 5_000;

/** The replicas of the server that has one carrier's keys. */
export class Replicas {
  readonly #redis: RedisConnection;
  readonly #owner: OwnerOf;
  readonly #clock: Clock;
  readonly #log: Log;
  #isThere = false;
  #askAtMs = 0;

  /**
   * `redis`: the connection whose writes are waited for; others wait behind it meanwhile. `key`: common start of the
   * keys that are written.
   */
  constructor(redis: RedisConnection, key: string, clock: Clock, log: Log) {
    this.#redis = redis;
    this.#owner = new OwnerOf(redis, key);
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Resolves with what `write` gives when it is on a replica, or there is none to wait for. Where the connection was
   * made anew meanwhile, maybe to a replica that took over without it, it is written again: it must be repeatable.
   */
  async reached<Reply>(write: () => Promise<Reply>): Promise<Reply> {
    for (;;) {
      const [before, generation] = [await this.#owner.connection(), generationOf(this.#redis)];
      const reply = await write();
      const isSame = async () =>
        generation === generationOf(this.#redis) && before === (await this.#owner.connection());
      if (before === undefined || !(await isSame())) continue;
      try {
        await this.#wait(before);
      } catch (error) {
        // The node is gone; what is wrong with a connection that stays is not to be tried for ever.
        if (await isSame()) throw error;
      }
      if (await isSame()) return reply;
    }
  }

  async #wait(server: Redis): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#askAtMs) {
      this.#askAtMs = nowMs + believeMs;
      this.#isThere = /\nconnected_slaves:[1-9]/.test(await server.info('replication'));
    }
    if (!this.#isThere || (await server.wait(1, reachMs)) > 0) return;
    this.#isThere = false;
    this.#askAtMs = this.#clock.monotonicMs() + ignoreMs;
    this.#log.warn('redis.replica-behind', { reachMs });
  }
}
