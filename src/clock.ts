/**
 * Time as a dependency. Nothing else in src/ asks the machine for the time or arms a timer for a rule,
 * so that rules can be tested in virtual time.
 */

/** Two clocks and a timer. */
export type Clock = {
  /** Wall clock, epoch milliseconds. May jump; never use it to measure a duration. */
  nowMs(): number;
  /** Monotonic clock, milliseconds from an arbitrary start. */
  monotonicMs(): number;
  /** Runs `action` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, action: () => void): () => void;
};

/** The machine's clocks. Timers do not keep the process alive by themselves. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, action) {
    const timer = setTimeout(action, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
