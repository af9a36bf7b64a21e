/** Several lines as one: to a Redis of several servers. Runs in the test's process. */
import type { Direction, Proxy, Toxics, Tripped, Tripwire } from './proxy.ts';

/** What cases do to the way from a process to what it talks to. */
export type Line = Pick<Proxy, 'poison' | 'blackhole' | 'inject' | 'reset' | 'heal' | 'tripwire' | 'connections'>;

/** See the head of this file. */
export class Lines implements Line {
  readonly #proxies: readonly Proxy[];

  constructor(proxies: readonly Proxy[]) {
    this.#proxies = proxies;
  }

  /** Open connections of all of them. */
  get connections(): number {
    return this.#proxies.reduce((sum, proxy) => sum + proxy.connections, 0);
  }

  /** See `Proxy`. */
  poison(toxics: Partial<Toxics>): void {
    for (const proxy of this.#proxies) proxy.poison(toxics);
  }

  /** See `Proxy`. */
  blackhole(): void {
    for (const proxy of this.#proxies) proxy.blackhole();
  }

  /** See `Proxy`. */
  inject(bytes: Buffer): void {
    for (const proxy of this.#proxies) proxy.inject(bytes);
  }

  /** See `Proxy`. */
  reset(): void {
    for (const proxy of this.#proxies) proxy.reset();
  }

  /** See `Proxy`. */
  heal(): void {
    for (const proxy of this.#proxies) proxy.heal();
  }

  /** The `nth` on any of them; only that line is held. */
  tripwire(bytes: string, direction: Direction, nth = 1): Promise<Tripped> {
    return new Promise((trip) => {
      const wire: Tripwire = { bytes: Buffer.from(bytes, 'latin1'), direction, left: nth - 1, isTripped: false, trip };
      for (const proxy of this.#proxies) proxy.watch(wire);
    });
  }
}
