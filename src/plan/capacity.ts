/** How large batches are and how long a campaign takes at its carriers' rates. Pure. */

/** What capacity must know of a carrier. */
export type CarrierCapacity = {
  readonly name: string;
  /** Segments a second that the contract allows, over all binds. */
  readonly ratePerSecond: number;
  /** Slots that share the rate; 1 when absent. */
  readonly binds?: number;
  /** Parts that rate and slots are divided into, each with batches of its own; 1 when absent. */
  readonly shards?: number;
};

/** Bounds of a batch. */
export type BatchLimits = {
  /** Longest time in which one slot sends a batch. */
  readonly batchSecondsMax: number;
  readonly batchRecipientsMax: number;
};

/** Below this a batch costs more in overhead than an alert gains by waiting less. */
export const batchRecipientsMin = 25;

/**
 * So long does the whole carrier take for a batch at most: it is the least that campaigns take turns by, and what some
 * slots have left of an alert when the others are done.
 */
const turnSeconds = 0.0125;

/**
 * Most recipients in a batch: what the carrier, or a shard of it, sends in one turn, and one slot in `batchSecondsMax`,
 * so that a worker with few slots does not hold what others could send; at least 25 (or the maximum if that is less),
 * at most `batchRecipientsMax`.
 */
export function batchRecipients(carrier: CarrierCapacity, limits: BatchLimits): number {
  const { ratePerSecond, binds = 1, shards = 1 } = carrier;
  const sent = Math.floor(
    Math.min((ratePerSecond / shards) * turnSeconds, (ratePerSecond / binds) * limits.batchSecondsMax),
  );
  return Math.min(Math.max(sent, batchRecipientsMin), limits.batchRecipientsMax);
}

/**
 * Seconds until the last segment is submitted, when carriers work side by side and nothing else waits:
 * the slowest one decides. Carriers that are not listed count as having no rate: the answer is Infinity.
 */
export function expectedSeconds(
  carriers: readonly CarrierCapacity[],
  segments: readonly { readonly carrier: string; readonly segments: number }[],
): number {
  const total = new Map<string, number>();
  for (const share of segments) total.set(share.carrier, (total.get(share.carrier) ?? 0) + share.segments);
  let longest = 0;
  for (const [name, count] of total) {
    const rate = carriers.find((carrier) => carrier.name === name)?.ratePerSecond ?? 0;
    if (count > 0) longest = Math.max(longest, count / rate);
  }
  return longest;
}
