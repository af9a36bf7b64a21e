/**
 * Says what a promise failed with, for tests of failures.
 */
import { Fault } from '../../src/fault.ts';

/** The fault that `promise` rejects with; an error when it resolves or rejects with anything else. */
export async function faultOf(promise: Promise<unknown>): Promise<Fault> {
  const outcome = await promise.then(
    (value) => new Error(`resolved with ${String(value)}`),
    (error: unknown) => error,
  );
  if (outcome instanceof Fault) return outcome;
  throw new Error('no fault', { cause: outcome });
}
