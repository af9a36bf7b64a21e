/**
 * Tells every second that this process lives, for the operator's command, and hears what the operator wishes of it.
 * Main thread of every process. Redis being away is no trouble here: the word is forgotten, and told again.
 */
import { hostname } from 'node:os';
import type { Clock } from '../src/clock.ts';
import { Loop } from '../src/loop.ts';
import type { Service } from '../src/service.ts';
import { type Presence, PresenceWord, type Wish } from '../src/stream/presence.ts';
import type { RedisConnection } from '../src/stream/redis.ts';
import type { Log } from '../src/telemetry.ts';

/** What a process has to say. */
export type PresenceParts = {
  readonly role: string;
  readonly name: string;
  readonly redis: RedisConnection;
  /** Asked at each word. */
  readonly doing?: () => Pick<Presence, 'phase' | 'lines'>;
  /** Hears the operator's wish, again with each word. */
  readonly wished?: (wish: Wish) => void;
  readonly clock: Clock;
  readonly log: Log;
};

const tellEveryMs = 1_000;

/** See the head of this file. */
export class PresenceTeller implements Service {
  readonly name = 'presence';
  readonly #parts: PresenceParts;
  readonly #word: PresenceWord;
  readonly #loop: Loop;
  readonly #startedAtMs: number;

  constructor(parts: PresenceParts) {
    this.#parts = parts;
    this.#word = new PresenceWord(parts.redis);
    this.#startedAtMs = parts.clock.nowMs();
    const { clock, log } = parts;
    this.#loop = new Loop({ name: 'presence', pauseMs: tellEveryMs, action: () => this.#tell(), clock, log });
  }

  /** Begins to tell. */
  async start(): Promise<void> {
    this.#loop.start();
  }

  /** Something changed: tells at once. */
  wake(): void {
    this.#loop.wake();
  }

  /** Says farewell, if Redis hears it. */
  async stop(): Promise<void> {
    await this.#loop.stop();
    const { name, redis, log } = this.#parts;
    if (redis.status !== 'ready') return;
    await this.#word.farewell(name).catch((error: unknown) => log.warn('presence.farewell-failed', {}, error));
  }

  async #tell(): Promise<void> {
    const { role, name, doing, wished, redis } = this.#parts;
    // While Redis is away a word would only wait for it, and be old then.
    if (redis.status !== 'ready') return;
    const self = { role, name, host: hostname(), pid: process.pid, startedAtMs: this.#startedAtMs };
    const wish = await this.#word.tell({ ...self, ...doing?.() });
    if (wish !== undefined) wished?.(wish);
  }
}
