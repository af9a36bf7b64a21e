/**
 * Which batches go back into a Redis that lost its data, and which must be left alone. Pure.
 *
 * PostgreSQL knows what was enqueued and what was recorded; between the two lie batches that still waited,
 * and batches that workers had written when Redis went. A campaign's batches are taken in order, so only the
 * first of those without a record can have been written: as many as a carrier can send since the last
 * record, and those that lay in workers' hands. An information message among them may have been sent, and is
 * `unknown`; everything behind them was never taken and goes in again. Alerts go in again in any case.
 */
import { messageStateCodes, type Nature } from '../handoff.ts';

/** What bounds how far workers can have got. */
export type CarrierReach = {
  readonly ratePerSecond: number;
  /** Most recipients that all workers together can hold of this carrier. */
  readonly recipientsInHandsMax: number;
};

/** Which batches of one share can have been taken, asked in their order. */
export class Taken {
  #recipientsLeft: number;

  /** `sinceMs`: what was sent longer ago is recorded. */
  constructor({ ratePerSecond, recipientsInHandsMax }: CarrierReach, sinceMs: number) {
    this.#recipientsLeft = (ratePerSecond * Math.max(0, sinceMs)) / 1000 + recipientsInHandsMax;
  }

  /** Whether the next batch that lacks a record, of so many recipients, can have been taken. */
  next(recipients: number): boolean {
    if (this.#recipientsLeft <= 0) return false;
    this.#recipientsLeft -= recipients;
    return true;
  }
}

/** What becomes of a batch: nothing is missing, or `only` these indexes may have been sent, or are to be sent. */
export type Verdict =
  | { readonly kind: 'complete' }
  | { readonly kind: 'unknown' | 'again'; readonly only: readonly number[] };

/**
 * Judges a batch by its recorded states. Without `taken` it was judged before, and goes in again with the same
 * attempt, which changes nothing where it is in already. Places that are `waiting` to be given to another carrier are
 * not missing: a planner puts them in.
 */
export function judge(
  nature: Nature,
  states: Uint8Array,
  taken: Taken | undefined,
  waiting: ReadonlySet<number> = new Set(),
): Verdict {
  const only: number[] = [];
  for (let index = 0; index < states.length; index += 1) {
    if (waiting.has(index)) continue;
    const state = states[index];
    const isOpen = state === messageStateCodes.pending;
    if (isOpen || (nature === 'alert' && state === messageStateCodes.unknown)) only.push(index);
  }
  if (only.length === 0) return { kind: 'complete' };
  const mayBeSent = taken?.next(only.length) ?? false;
  return { kind: nature === 'information' && mayBeSent ? 'unknown' : 'again', only };
}
