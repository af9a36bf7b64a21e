/** A clock that stands still until a test moves it. Wall clock and monotonic clock move together. */
import type { Clock } from '../../src/clock.ts';

/** See above; timers fire in the order in which they are due, each with the clock at its own time. */
export class HandClock implements Clock {
  #atMs = 1_000_000;
  readonly #timers = new Set<{ dueMs: number; action: () => void }>();
  #onArmed: (() => void) | undefined;

  nowMs(): number {
    return this.#atMs;
  }

  monotonicMs(): number {
    return this.#atMs;
  }

  after(delayMs: number, action: () => void): () => void {
    const timer = { dueMs: this.#atMs + delayMs, action };
    this.#timers.add(timer);
    this.#onArmed?.();
    return () => this.#timers.delete(timer);
  }

  /** Timers that are armed. */
  get armed(): number {
    return this.#timers.size;
  }

  /** Resolves when a timer is armed, at once when one is. */
  async untilArmed(): Promise<void> {
    if (this.#timers.size === 0) await new Promise<void>((resolve) => (this.#onArmed = resolve));
    this.#onArmed = undefined;
  }

  /** Moves on by `ms`, firing what is due; between timers promises have their turn. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#atMs + ms;
    for (let timer = this.#next(endMs); timer !== undefined; timer = this.#next(endMs)) {
      this.#timers.delete(timer);
      this.#atMs = Math.max(this.#atMs, timer.dueMs);
      timer.action();
      await settled();
    }
    this.#atMs = endMs;
    await settled();
  }

  /** Moves on at once, as for a process that was stopped: timers fire afterwards, all late. */
  async jump(ms: number): Promise<void> {
    this.#atMs += ms;
    await this.advance(0);
  }

  #next(endMs: number) {
    const due = [...this.#timers].filter(({ dueMs }) => dueMs <= endMs);
    return due.sort((a, b) => a.dueMs - b.dueMs)[0];
  }
}

/** Lets every promise that can go on do so. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
