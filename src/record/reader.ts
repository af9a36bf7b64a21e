/**
 * Which entries of a carrier's two streams go into the next transaction: outcomes as they come, receipts once
 * the outcomes of their time are there, not more rows than a transaction takes. Reads on before that transaction
 * is committed; after a failure it must be thrown away and begun anew. Runs in the recorder.
 */
import type { Clock } from '../clock.ts';
import type { OutcomeRecord, ReceiptRecord, RecordOffsets, RecordSource } from '../handoff.ts';
import { outcomeRows, receiptRows } from '../stream/entry.ts';

/** Limits of reading. */
export type ReaderLimits = { readonly rowsMax: number; readonly receiptHoldMs: number };

/** Entries of one transaction, and the offsets when it is committed. */
export type Entries = {
  readonly outcomes: readonly OutcomeRecord[];
  readonly receipts: readonly ReceiptRecord[];
  readonly through: RecordOffsets;
  /** When all these are committed, so is every outcome that Redis had at this moment; monotonic. */
  readonly completeAtMs: number;
};

const entriesMin = 16;
const entriesMax = 2000;
/** An entry that is read right after the clock may be later than it by no more. */
const clockMsMax = 1000;

/** See the head of this file. */
export class Reader {
  readonly #source: RecordSource;
  readonly #carrier: string;
  readonly #limits: ReaderLimits;
  readonly #clock: Clock;
  /** Behind the entries that were read last. */
  #offsets: RecordOffsets;
  /** Entries to ask for: as many as fill a transaction, by the size of the last ones. */
  #outcomeEntries = entriesMin;
  #receiptEntries = entriesMin;
  #completeAtMs = Number.NEGATIVE_INFINITY;
  #dueInMs = Number.POSITIVE_INFINITY;

  /** Begins after `offsets`. */
  constructor(source: RecordSource, carrier: string, offsets: RecordOffsets, limits: ReaderLimits, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
    this.#carrier = carrier;
    this.#offsets = offsets;
    this.#limits = limits;
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
    const read = await this.#source.read(this.#carrier, this.#offsets, {
      outcomeEntriesMax: this.#outcomeEntries,
      receiptEntriesMax: this.#receiptEntries,
    });
    // A stream that is ahead of the clock stamps what comes with its last moment, until the clock has caught up: that
    // says nothing of when it came.
    const isAhead = msOf(read.receipts.at(-1)?.id) > read.nowMs + clockMsMax;
    const dueAt = (throughMs: number) =>
      read.receipts.filter((entry) => isAhead || msOf(entry.id) <= throughMs - receiptHoldMs);
    // Receipts that are due fill a transaction before further outcomes do: else they fall behind in a backlog, until
    // the ids that they name are no longer in memory.
    const overdue = upToRows(dueAt(msOf(this.#offsets.outcomes)), receiptRows, rowsMax);
    const isBehind = overdue.rows >= rowsMax;
    const { entries: outcomes } = isBehind ? nothing : upToRows(read.outcomes, outcomeRows, rowsMax);
    const throughMs = outcomes.length < read.outcomes.length ? msOf(outcomes.at(-1)?.id) : read.outcomesThroughMs;
    const { entries: receipts } = isBehind ? overdue : upToRows(dueAt(throughMs), receiptRows, rowsMax);
    if (!isBehind) this.#outcomeEntries = entriesFor(this.#outcomeEntries, read.outcomes.length, outcomes.length);
    this.#receiptEntries = entriesFor(this.#receiptEntries, read.receipts.length, receipts.length);
    // By our own clock from before we asked: the other one is only asked how long ago the last entry came.
    if (!isBehind) this.#completeAtMs = askedMs - Math.max(0, read.nowMs - throughMs);
    if (outcomes.length === 0 && receipts.length === 0) {
      const [held] = read.receipts;
      this.#dueInMs = held === undefined ? Number.POSITIVE_INFINITY : msOf(held.id) + receiptHoldMs - throughMs;
      return undefined;
    }
    this.#offsets = {
      outcomes: outcomes.at(-1)?.id ?? this.#offsets.outcomes,
      receipts: receipts.at(-1)?.id ?? this.#offsets.receipts,
    };
    return { outcomes, receipts, through: this.#offsets, completeAtMs: this.#completeAtMs };
  }
}

/** Twice as many when all that was asked for came and was used; half when less than half was used. */
function entriesFor(asked: number, came: number, used: number): number {
  if (came === asked && used === came) return Math.min(entriesMax, asked * 2);
  return came === asked && used * 2 < came ? Math.max(entriesMin, Math.floor(asked / 2)) : asked;
}

const nothing = { entries: [], rows: 0 } as const;

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

/** Redis's milliseconds in an entry id. */
function msOf(id: string | undefined): number {
  return Number(id?.split('-')[0] ?? 0);
}
