/**
 * The lifecycle contract of every long-lived part. `cluster/run.ts` starts parts in order and stops
 * them in reverse.
 */

/** A part with a life of its own. Each method may be called more than once. */
export type Service = {
  /** Name in logs and health reports. */
  readonly name: string;
  /** Resolves when the part is at work; rejects with a `Fault` and leaves nothing running. */
  start(): Promise<void>;
  /**
   * Takes on nothing new, finishes or gives back what is in hand, and resolves when all is released.
   * `deadlineMs` (monotonic) is when waiting must end. Safe before `start` and when called twice.
   */
  stop(deadlineMs: number): Promise<void>;
};
