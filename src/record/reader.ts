/**
 * Which entries of an account's streams go into the next transaction: outcomes as they come, receipts once the
 * outcomes of their time are there, not more rows than a transaction takes. Each shard has two streams, and a receipt
 * may lie in another shard's than its submission, so all of them are read together and taken in the order of time.
 * Reads on before that transaction is committed; after a failure it must be thrown away and begun anew. Runs in the
 * recorder.
 */
import type { Clock } from '../clock.ts';
import type {
  AccountOffsets,
  OutcomeRecord,
  ReceiptRecord,
  RecordOffsets,
  RecordRead,
  RecordSource,
} from '../handoff.ts';
import { outcomeRows, receiptRows } from '../stream/entry.ts';

/** Limits of reading. */
export type ReaderLimits = { readonly rowsMax: number; readonly receiptHoldMs: number };

/** Entries of one transaction, and the offsets when it is committed. */
export type Entries = {
  readonly outcomes: readonly OutcomeRecord[];
  readonly receipts: readonly ReceiptRecord[];
  readonly through: AccountOffsets;
  /** When all these are committed, so is every outcome that Redis had at this moment; monotonic. */
  readonly completeAtMs: number;
};

const entriesMin = 16;
const entriesMax = 2000;
/** An entry that is read right after the clock may be later than it by no more. */
const clockMsMax = 1000;

/** The two streams of one shard. */
type Shard = {
  readonly carrier: string;
  /** Behind the entries that were read last. */
  offsets: RecordOffsets;
  /** Entries to ask for: as many as fill a transaction, by the size of the last ones. */
  outcomeEntries: number;
  receiptEntries: number;
};

type ShardRead = { readonly shard: Shard; readonly read: RecordRead };

/** See the head of this file. */
export class Reader {
  readonly #source: RecordSource;
  readonly #shards: readonly Shard[];
  readonly #limits: ReaderLimits;
  readonly #clock: Clock;
  /** Every outcome of up to then was given out, of all shards, each by the clock of its Redis node; milliseconds. */
  #throughMs: number;
  #completeAtMs = Number.NEGATIVE_INFINITY;
  #dueInMs = Number.POSITIVE_INFINITY;

  /** Begins after `offsets`. */
  constructor(source: RecordSource, offsets: AccountOffsets, limits: ReaderLimits, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
    this.#limits = limits;
    this.#shards = Array.from(offsets, ([carrier, of]) => {
      return { carrier, offsets: of, outcomeEntries: entriesMin, receiptEntries: entriesMin };
    });
    this.#throughMs = Math.min(...this.#shards.map((shard) => msOf(shard.offsets.outcomes)));
  }

  /** Every outcome that Redis had at this moment was given out; monotonic. */
  get completeAtMs(): number {
    return this.#completeAtMs;
  }

  /** After a look that found nothing: when the first receipt that is held will be due; Infinity when there is none. */
  get dueInMs(): number {
    return this.#dueInMs;
  }

  /** The next entries; undefined when there are none to record now. */
  async next(): Promise<Entries | undefined> {
    const { rowsMax, receiptHoldMs } = this.#limits;
    const askedMs = this.#clock.monotonicMs();
    const reads = await Promise.all(this.#shards.map((shard) => this.#read(shard)));
    const dueAt = (throughMs: number) => inOrder(reads.map(({ read }) => receiptsOf(read, throughMs - receiptHoldMs)));
    // Receipts that are due fill a transaction before further outcomes do: else they fall behind in a backlog, until
    // the ids that they name are no longer in memory.
    const overdue = upToRows(dueAt(this.#throughMs), receiptRows, rowsMax);
    if (overdue.rows >= rowsMax) return this.#taken(reads, undefined, overdue.entries);
    const outcomes = upToRows(inOrder(reads.map(({ read }) => read.outcomes)), outcomeRows, rowsMax).entries;
    const counts = countsOf(outcomes);
    const through = reads.map(({ shard, read }) => throughOf(read, counts.get(shard.carrier) ?? 0));
    this.#throughMs = Math.min(...through);
    // By our own clock from before we asked: the others are only asked how long ago the last entry came.
    this.#completeAtMs = askedMs - Math.max(0, ...reads.map(({ read }, at) => read.nowMs - (through[at] ?? 0)));
    return this.#taken(reads, outcomes, upToRows(dueAt(this.#throughMs), receiptRows, rowsMax).entries);
  }

  async #read(shard: Shard): Promise<ShardRead> {
    const { carrier, offsets, outcomeEntries, receiptEntries } = shard;
    const limits = { outcomeEntriesMax: outcomeEntries, receiptEntriesMax: receiptEntries };
    return { shard, read: await this.#source.read(carrier, offsets, limits) };
  }

  /** Moves behind what is taken; `outcomes` are undefined when it was not their turn. */
  #taken(
    reads: readonly ShardRead[],
    outcomes: readonly OutcomeRecord[] | undefined,
    receipts: readonly ReceiptRecord[],
  ): Entries | undefined {
    const [outcomeCounts, receiptCounts] = [countsOf(outcomes ?? []), countsOf(receipts)];
    for (const { shard, read } of reads) {
      const [used, usedReceipts] = [outcomeCounts.get(shard.carrier) ?? 0, receiptCounts.get(shard.carrier) ?? 0];
      if (outcomes !== undefined) shard.outcomeEntries = entriesFor(shard.outcomeEntries, read.outcomes.length, used);
      shard.receiptEntries = entriesFor(shard.receiptEntries, read.receipts.length, usedReceipts);
      if (used + usedReceipts === 0) continue;
      shard.offsets = {
        outcomes: read.outcomes[used - 1]?.id ?? shard.offsets.outcomes,
        receipts: read.receipts[usedReceipts - 1]?.id ?? shard.offsets.receipts,
      };
    }
    if (outcomeCounts.size + receiptCounts.size === 0) {
      const held = reads.flatMap(({ read }) => read.receipts.slice(0, 1));
      const { receiptHoldMs } = this.#limits;
      this.#dueInMs = Math.min(...held.map((receipt) => msOf(receipt.id) + receiptHoldMs - this.#throughMs));
      return undefined;
    }
    const through = new Map(this.#shards.map(({ carrier, offsets }) => [carrier, offsets]));
    return { outcomes: outcomes ?? [], receipts, through, completeAtMs: this.#completeAtMs };
  }
}

/**
 * Receipts that came until then. A stream that is ahead of the clock stamps what comes with its last moment, until the
 * clock has caught up: that says nothing of when it came.
 */
function receiptsOf({ receipts, nowMs }: RecordRead, untilMs: number): readonly ReceiptRecord[] {
  const last = receipts.at(-1);
  if (last === undefined || msOf(last.id) > nowMs + clockMsMax) return receipts;
  return receipts.filter((entry) => msOf(entry.id) <= untilMs);
}

/** Up to when the outcomes of a shard are complete, of which the first `used` that were read are taken. */
function throughOf({ outcomes, outcomesThroughMs }: RecordRead, used: number): number {
  const next = outcomes[used];
  return next === undefined ? outcomesThroughMs : msOf(next.id) - 1;
}

/** Entries of all shards by their time; those of one shard stay in order. */
function inOrder<Entry extends { readonly id: string }>(lists: readonly (readonly Entry[])[]): readonly Entry[] {
  const [first = [], ...others] = lists.filter((list) => list.length > 0);
  return others.length === 0 ? first : [first, ...others].flat().sort((a, b) => msOf(a.id) - msOf(b.id));
}

/** How many entries there are of each shard. */
function countsOf(entries: readonly { readonly carrier: string }[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { carrier } of entries) counts.set(carrier, (counts.get(carrier) ?? 0) + 1);
  return counts;
}

/** Twice as many when all that was asked for came and was used; half when less than half was used. */
function entriesFor(asked: number, came: number, used: number): number {
  if (came === asked && used === came) return Math.min(entriesMax, asked * 2);
  return came === asked && used * 2 < came ? Math.max(entriesMin, Math.floor(asked / 2)) : asked;
}

/** The first entries, at least one, up to the one with which there are `rowsMax` rows, and how many they hold. */
function upToRows<Entry extends { readonly packed: Buffer }>(
  entries: readonly Entry[],
  rowsOf: (packed: Buffer) => number,
  rowsMax: number,
): { readonly entries: readonly Entry[]; readonly rows: number } {
  let rows = 0;
  let taken = 0;
  while (taken < entries.length && rows < rowsMax) rows += rowsOf((entries[taken++] as Entry).packed);
  return { entries: entries.slice(0, taken), rows };
}

/** Redis's milliseconds in an entry id, which stand before its dash. */
function msOf(id: string): number {
  return Number.parseInt(id, 10);
}
