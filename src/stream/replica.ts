/**
 * Waits until what a connection wrote is on a replica too, where there is one: a replica that takes over then knows of
 * it. Runs in workers. A replica that does not answer in time counts as none for a while, since
 * sending must go on without it.
 */
import type { Redis } from 'ioredis';
import type { Clock } from '../clock.ts';
import type { Log } from '../telemetry.ts';

/** How long a write may take to reach a replica. */
const reachMs = 100;
/** How long an answer to "is there a replica?" is believed. */
const believeMs = 2_000;
/** How long a replica that did not answer in time counts as none. */
const ignoreMs = 5_000;

/** The replicas of the server of one connection. */
export class Replicas {
  readonly #redis: Redis;
  readonly #clock: Clock;
  readonly #log: Log;
  #isThere = false;
  #askAtMs = 0;

  /** `redis`: the connection whose writes are waited for; others wait behind it meanwhile. */
  constructor(redis: Redis, clock: Clock, log: Log) {
    this.#redis = redis;
    this.#clock = clock;
    this.#log = log;
  }

  /** Resolves when the writes of the connection so far are on a replica, or there is none to wait for. */
  async reached(): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#askAtMs) {
      this.#askAtMs = nowMs + believeMs;
      this.#isThere = /\nconnected_slaves:[1-9]/.test(await this.#redis.info('replication'));
    }
    if (!this.#isThere || (await this.#redis.wait(1, reachMs)) > 0) return;
    this.#isThere = false;
    this.#askAtMs = this.#clock.monotonicMs() + ignoreMs;
    this.#log.warn('redis.replica-behind', { reachMs });
  }
}
