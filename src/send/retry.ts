/**
 * What is done with a segment after its answer, or after the lack of one. Keeps promise 2: information that
 * was written and not answered is `unknown` and stays so; an alert is written again. Pure.
 */
import type { Nature, OutcomeKind } from '../handoff.ts';
import type { Disposition } from '../smpp/command-status.ts';

/** What happened to a written segment: a disposition of its command_status, or no answer. */
export type Happening = Disposition | 'unanswered';

/** What is to be done. */
export type Decision =
  | { readonly kind: 'settle'; readonly outcome: OutcomeKind }
  /** Write it again at `atMs` (wall clock); `counts` against the tries or not. */
  | { readonly kind: 'again'; readonly atMs: number; readonly counts: boolean };

/** What the decision depends on. */
export type RetryContext = {
  readonly nature: Nature;
  /** Tries that were made before and counted. */
  readonly tries: number;
  readonly nowMs: number;
  readonly expiresAtMs: number;
};

/** Bounds of trying again. */
export type RetryLimits = { readonly retryMax: number; readonly retryDelayMs: number };

/** Decides about one segment. */
export function decide(happening: Happening, context: RetryContext, limits: RetryLimits): Decision {
  switch (happening) {
    case 'accepted':
      return { kind: 'settle', outcome: 'accepted' };
    case 'reject':
    // The planner chooses carriers; what one of them refused is not handed to another.
    case 'other-carrier':
      return { kind: 'settle', outcome: 'rejected' };
    case 'throttle':
      return { kind: 'again', atMs: context.nowMs, counts: false };
    case 'pause-bind':
    case 'stop-account':
    case 'retry-later':
      return again(context, limits, 'rejected');
    case 'unanswered':
      return context.nature === 'alert' ? again(context, limits, 'unknown') : { kind: 'settle', outcome: 'unknown' };
  }
}

function again(context: RetryContext, limits: RetryLimits, otherwise: OutcomeKind): Decision {
  const atMs = context.nowMs + limits.retryDelayMs * 2 ** context.tries;
  if (context.tries >= limits.retryMax || atMs >= context.expiresAtMs) return { kind: 'settle', outcome: otherwise };
  return { kind: 'again', atMs, counts: true };
}
