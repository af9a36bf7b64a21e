/**
 * Is the peer still there? A bound link's timers as a value: what was last heard, what is asked, what waits. On the
 * worker's main thread, a few times per chunk or tick, never per message. It must never ask for the time or arm a
 * timer: monotonic milliseconds come in as arguments. Pure.
 *
 * Three rules (SMPP 3.4 §7.2). Silence brings an enquire_link. An enquire_link without any sign of life, or requests
 * of which not one is answered, mean a dead peer; so does silence altogether, which also covers a peer that lets
 * our bytes pile up unread. One lost answer among others is no death: the window gives that request up by itself.
 */

import assert from 'node:assert';

/** Limits of a bound link, in milliseconds. */
export type LinkLimits = {
  /** Silence of the peer after which we ask whether it is there (enquire_link_timer). */
  readonly enquireLinkMs: number;
  /** How long requests may go without any answer (response_timer). */
  readonly responseMs: number;
  /** Longest silence of the peer altogether (inactivity_timer); above `enquireLinkMs`. */
  readonly inactivityMs: number;
};

/** What is known of the link. */
export type LinkTimers = {
  readonly limits: LinkLimits;
  /** When the peer last sent anything. */
  readonly heardAtMs: number;
  /** When we sent the enquire_link that nothing has followed yet. */
  readonly enquiredAtMs: number | undefined;
  /** Since when requests have been open without one answer. */
  readonly waitingSinceMs: number | undefined;
};

/** Why the peer counts as dead. */
export type DeadReason = 'enquire-link-unanswered' | 'requests-unanswered' | 'silent';

/** What the timers ask for now. */
export type LinkVerdict =
  | { readonly kind: 'wait'; readonly untilMs: number }
  | { readonly kind: 'enquire' }
  | { readonly kind: 'dead'; readonly reason: DeadReason };

/** Stops on limits that make no sense together; they come from a configuration that was checked. */
export function assertLinkLimits(limits: LinkLimits): void {
  assert(limits.enquireLinkMs > 0 && limits.responseMs > 0, 'link limits must be positive');
  assert(limits.inactivityMs > limits.enquireLinkMs, 'inactivityMs must be above enquireLinkMs');
}

/** Timers of a link that has just been bound. */
export function startTimers(limits: LinkLimits, nowMs: number): LinkTimers {
  assertLinkLimits(limits);
  return { limits, heardAtMs: nowMs, enquiredAtMs: undefined, waitingSinceMs: undefined };
}

/** The peer sent a PDU, of any kind: it lives. */
export function heard(timers: LinkTimers, nowMs: number): LinkTimers {
  return { ...timers, heardAtMs: nowMs, enquiredAtMs: undefined };
}

/** We sent an enquire_link. */
export function enquired(timers: LinkTimers, nowMs: number): LinkTimers {
  return { ...timers, enquiredAtMs: nowMs };
}

/** We sent requests that take a place in the window. */
export function requested(timers: LinkTimers, nowMs: number): LinkTimers {
  return timers.waitingSinceMs === undefined ? { ...timers, waitingSinceMs: nowMs } : timers;
}

/** The peer answered requests of the window; `stillOpen` says whether others are waiting. */
export function answered(timers: LinkTimers, nowMs: number, stillOpen: boolean): LinkTimers {
  return {
    limits: timers.limits,
    heardAtMs: nowMs,
    enquiredAtMs: undefined,
    waitingSinceMs: stillOpen ? nowMs : undefined,
  };
}

/**
 * Requests of the window were given up, each for itself; `oldestMs` is when the oldest of the others was sent,
 * undefined when there is none. The wait for an answer is theirs from now on.
 */
export function gaveUp(timers: LinkTimers, oldestMs: number | undefined): LinkTimers {
  if (timers.waitingSinceMs === undefined) return timers;
  const waitingSinceMs = oldestMs === undefined ? undefined : Math.max(timers.waitingSinceMs, oldestMs);
  return { ...timers, waitingSinceMs };
}

/** What is to be done at `nowMs`. Every limit is reached at its very millisecond, not after it. */
export function verdict(timers: LinkTimers, nowMs: number): LinkVerdict {
  const { limits, heardAtMs, enquiredAtMs, waitingSinceMs } = timers;
  const enquireDeadMs = enquiredAtMs === undefined ? Number.POSITIVE_INFINITY : enquiredAtMs + limits.responseMs;
  const waitDeadMs = waitingSinceMs === undefined ? Number.POSITIVE_INFINITY : waitingSinceMs + limits.responseMs;
  const silentMs = heardAtMs + limits.inactivityMs;
  if (nowMs >= enquireDeadMs) return { kind: 'dead', reason: 'enquire-link-unanswered' };
  if (nowMs >= waitDeadMs) return { kind: 'dead', reason: 'requests-unanswered' };
  if (nowMs >= silentMs) return { kind: 'dead', reason: 'silent' };
  const enquireMs = enquiredAtMs === undefined ? heardAtMs + limits.enquireLinkMs : Number.POSITIVE_INFINITY;
  if (nowMs >= enquireMs) return { kind: 'enquire' };
  return { kind: 'wait', untilMs: Math.min(enquireMs, enquireDeadMs, waitDeadMs, silentMs) };
}
