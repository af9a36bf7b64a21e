/** What a sender counts by lane, for metrics. Pure. */
import type { OutcomeKind } from '../handoff.ts';

type Counted = OutcomeKind | 'written' | 'throttled' | 'again';

/** Totals of a sender since its start: segments by outcome, and what happened to them on the way. */
export type SenderCounts = { [kind in Counted]: number };

/** Counts to begin with. */
export function noCounts(): SenderCounts {
  return {
    accepted: 0,
    rejected: 0,
    unknown: 0,
    expired: 0,
    cancelled: 0,
    rerouted: 0,
    written: 0,
    throttled: 0,
    again: 0,
  };
}
