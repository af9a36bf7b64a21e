/** What a carrier's contract gives in practice, and how many binds a rate needs. Pure. */

/** A contract; as in the carriers file. */
export type Contract = {
  readonly name: string;
  readonly binds: number;
  /** Unanswered submit_sm per bind. */
  readonly window: number;
  /** Segments a second over all binds. */
  readonly ratePerSecond: number;
  readonly roundTripMs: number;
  /** Parts of it in Redis; 1 when absent. */
  readonly shards?: number;
};

/** The most that a contract carries, and what keeps it from more. */
export type Capability = { readonly segmentsPerSecond: number; readonly limit: 'rate' | 'window' };

/** Part of each window that information may use; the rest is kept for alerts (TOCSIN_ALERT_WINDOW_SHARE). */
const informationWindow = 0.9;

/** Most binds of one carrier that is not divided into shards (config/shards.ts). */
export const bindsMax = 64;

/** Segments a second that one bind's window carries: it is full of what is on its way to an answer. */
export function windowRate({ window, roundTripMs }: Pick<Contract, 'window' | 'roundTripMs'>): number {
  return (window * informationWindow * 1000) / Math.max(1, roundTripMs);
}

/** What a contract carries. */
export function capabilityOf(contract: Contract): Capability {
  const byWindow = contract.binds * windowRate(contract);
  return byWindow < contract.ratePerSecond
    ? { segmentsPerSecond: byWindow, limit: 'window' }
    : { segmentsPerSecond: contract.ratePerSecond, limit: 'rate' };
}

/** Contracts of like binds that carry `segmentsPerSecond` together, two at least so that one may be away. */
export function contractsFor(
  segmentsPerSecond: number,
  bind: { readonly ratePerSecond: number; readonly window: number; readonly roundTripMs: number },
): Contract[] {
  const perBind = Math.min(bind.ratePerSecond, windowRate(bind));
  const binds = Math.max(2, Math.ceil(segmentsPerSecond / perBind));
  const carriers = Math.max(2, Math.ceil(binds / bindsMax));
  return Array.from({ length: carriers }, (_, index) => {
    const own = Math.floor((binds + index) / carriers);
    return { ...bind, name: `carrier-${index + 1}`, binds: own, ratePerSecond: own * bind.ratePerSecond };
  });
}
