/**
 * Finds campaigns that would never end: nothing of them is left in Redis, every outcome there is recorded, and still
 * recipients lack theirs. A Redis that fell back by a moment does that, when outcomes of that moment were not recorded
 * yet and their batches were finished afterwards. Runs in the recorder process.
 */
import type { Database } from '../db/client.ts';
import {
  carriersOfCampaign,
  enqueuedShares,
  type LostShare,
  type OpenCampaign,
  openCampaigns,
  recordedThrough,
  unfinishedCampaigns,
} from '../db/reconcile.ts';
import type { Conveyor, Id } from '../handoff.ts';

/** What the search asks. */
export type StrandedParts = { readonly database: Database; readonly conveyor: Conveyor };

/** Remembers from look to look which campaigns seemed stranded: one that still moves is none. */
export class Stranded {
  #suspects: ReadonlyMap<Id, number> = new Map();

  /** Shares of campaigns that seemed stranded at the last look, and have not moved since. */
  async shares(parts: StrandedParts): Promise<LostShare[]> {
    const { pool } = parts.database;
    const before = this.#suspects;
    const suspects = new Map<Id, number>();
    const stranded: LostShare[] = [];
    const unfinished = await unfinishedCampaigns(pool);
    const open = unfinished.size === 0 ? [] : await openCampaigns(pool);
    for (const campaign of open.filter(({ id }) => unfinished.has(id))) {
      const shares = await enqueuedShares(pool, campaign.id);
      if (!(await isOver(parts, campaign))) continue;
      // Only now: what was recorded meanwhile counts.
      const known = (await unfinishedCampaigns(pool)).get(campaign.id);
      if (known === undefined) continue;
      suspects.set(campaign.id, known);
      if (before.get(campaign.id) === known) stranded.push(...shares.map((share) => ({ ...share, campaign })));
    }
    this.#suspects = suspects;
    return stranded;
  }
}

/**
 * No batch is left, and then every outcome is recorded: a batch's last outcomes come in the step that ends it. Of all
 * its carriers, also those for which nothing was planned and which got what others gave up.
 */
async function isOver({ database, conveyor }: StrandedParts, { id }: OpenCampaign): Promise<boolean> {
  const carriers = await carriersOfCampaign(database.pool, id);
  for (const carrier of carriers) if ((await conveyor.batchesLeft(carrier, id)) > 0) return false;
  const last = new Map<string, string>();
  for (const carrier of carriers) last.set(carrier, await conveyor.lastOutcome(carrier));
  const recorded = await recordedThrough(database.pool);
  return carriers.every((carrier) => !isLater(last.get(carrier) ?? '0-0', recorded.get(carrier) ?? '0-0'));
}

/** Whether the entry id `one` is later than `other`. */
function isLater(one: string, other: string): boolean {
  const [ms = 0, sequence = 0] = one.split('-').map(Number);
  const [otherMs = 0, otherSequence = 0] = other.split('-').map(Number);
  return ms === otherMs ? sequence > otherSequence : ms > otherMs;
}
