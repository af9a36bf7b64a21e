/**
 * One account's streams as PostgreSQL will have them: takes entries, finds the message of each receipt, folds states,
 * and fills pages to be written. The next page is filled while the one before is being written, so it lets other
 * work run every few entries. Runs on the recorder's main thread. After a failed write the book holds things that
 * were never committed, so it must be thrown away and begun anew.
 */
import { setImmediate } from 'node:timers/promises';
import type { Database } from '../db/client.ts';
import { stateOfOutcome, stateOfReceipt } from '../db/fold.ts';
import { ensureWeek, idAtMs, weekOf } from '../db/partitions.ts';
import { findSubmissions, loadStates, type OrphanReceipt, orphansOf, type RecorderLease } from '../db/record.ts';
import { RecordRows } from '../db/record-rows.ts';
import { type Id, type InboundMessage, outcomeCodes, type OutcomeRecord, type ReceiptRecord } from '../handoff.ts';
import { readOutcomes, readReceipts } from '../stream/entry.ts';
import type { OrphanIds } from './orphans.ts';
import type { GivenUpEntry, Page, TracedPart } from './page.ts';
import type { Entries } from './reader.ts';
import { type Place, RecentIds } from './recent.ts';
import { type BatchState, StateCache } from './states.ts';

/** Limits of one account's book. */
export type BookLimits = {
  /** Batches whose states stay in memory between flushes. */
  readonly batchesMax: number;
  /** Message ids that are found without a query: between this many and twice as many. */
  readonly recentIdsMax: number;
  /** Ids of orphans that are remembered; above it every flush asks PostgreSQL. */
  readonly orphanIdsMax: number;
  /** How far back a submission is looked for. */
  readonly receiptAgeMsMax: number;
};

/** A receipt whose message is known by now. */
type Match = {
  readonly state: BatchState;
  readonly index: number;
  readonly segment: number;
  readonly receipt: OrphanReceipt;
};

/** What a page holds before it is done. */
type Draft = {
  readonly rows: RecordRows;
  /** Accepted ids that orphans may be waiting for. */
  readonly arrived: string[];
  /** Receipts of recent ids whose batch is not in memory any more. */
  readonly unloaded: Match[];
  /** Receipts whose ids are not among the recent ones. */
  readonly late: OrphanReceipt[];
  /** Messages that the carrier gave up, by entry. */
  readonly givenUp: GivenUpEntry[];
  readonly traced: TracedPart[];
};

/** Traced batches whose first receipt is waited for. */
const awaitedMax = 256;
/** Entries that are applied without a pause: a few milliseconds. */
const entriesAtOnce = 8;

/** See the head of this file. */
export class AccountBook {
  readonly #lease: RecorderLease;
  readonly #limits: BookLimits;
  readonly #database: Database;
  readonly #states: StateCache;
  readonly #recent: RecentIds;
  readonly #orphans: OrphanIds;
  /** Of two pages, one is written while the other is filled. */
  readonly #rows: [RecordRows, RecordRows];
  /** Batches that are traced and have no receipt yet, with their place in the trace. */
  readonly #awaited = new Map<BatchState, string>();
  /** Weeks whose partitions are there: an entry of one that retention has dropped must not stop the recorder. */
  readonly #weeks = new Set<number>();
  readonly #place: Place = { state: undefined, index: 0, segment: 0 };

  /** `orphans`: those that PostgreSQL has of this account. */
  constructor(lease: RecorderLease, limits: BookLimits, database: Database, orphans: OrphanIds) {
    this.#lease = lease;
    this.#limits = limits;
    this.#database = database;
    this.#states = new StateCache(limits.batchesMax);
    this.#recent = new RecentIds(limits.recentIdsMax);
    this.#rows = [new RecordRows(lease.account), new RecordRows(lease.account)];
    this.#orphans = orphans;
  }

  /**
   * Fills a page. `before`: the page before this one is committed, and nothing older is being written; what the
   * memory does not know is asked of PostgreSQL only then, which knows everything by that time.
   * @throws Fault `postgres`, `unreadable`.
   */
  async fill({ outcomes, receipts, through }: Entries, before: Promise<unknown>, nowMs: number): Promise<Page> {
    this.#recent.beginPage();
    this.#rows.reverse();
    const [rows] = this.#rows;
    rows.clear();
    const draft: Draft = { rows, arrived: [], unloaded: [], late: [], givenUp: [], traced: [] };
    await this.#ensureWeeks(new Set(outcomes.map(({ header }) => weekOf(header.campaign))));
    const batches = outcomes.map(({ header }) => this.#states.get(header));
    await this.#load(batches);
    await eachWithPauses(outcomes, (entry, at) => this.#applyOutcomes(entry, batches[at] as BatchState, draft));
    await eachWithPauses(receipts, (entry) => this.#applyReceipts(entry, draft));
    const { arrived, unloaded, late, givenUp } = draft;
    if (arrived.length + late.length > 0) await before;
    const waiting = arrived.length === 0 ? [] : await orphansOf(this.#database.pool, this.#lease.account, arrived);
    const { matches, orphans } = await this.#match([...waiting, ...late], nowMs);
    const all = [...unloaded, ...matches];
    await this.#load(all.map((match) => match.state));
    for (const match of all) this.#applyMatch(match, rows);
    this.#orphans.replace(
      arrived,
      orphans.map((orphan) => orphan.messageId),
    );
    const traced = [...draft.traced, ...this.#firstReceipts()];
    const changes = this.#states.take();
    return { through, rows, changes, adopted: arrived, orphans, givenUp, inbound: inboundOf(receipts), traced };
  }

  async #ensureWeeks(weeks: ReadonlySet<number>): Promise<void> {
    for (const week of weeks) {
      if (this.#weeks.has(week)) continue;
      await ensureWeek(this.#database.pool, week);
      this.#weeks.add(week);
    }
  }

  #applyOutcomes({ carrier, id, header, packed }: OutcomeRecord, state: BatchState, draft: Draft): void {
    const { rows, arrived, givenUp } = draft;
    const rerouted: number[] = [];
    const counts = this.#states.countsOf(header);
    rows.batch(header);
    readOutcomes(packed, (index, count, segment, segments, outcome, status, bytes, idStart, idEnd) => {
      rows.submission(index, count, segment, segments, outcome, status, bytes, idStart, idEnd);
      const to = stateOfOutcome[outcome] ?? 0;
      for (let at = index; at < index + count; at += 1) state.apply(at, segment, segments, to, counts);
      if (outcome === outcomeCodes.rerouted) for (let at = index; at < index + count; at += 1) rerouted.push(at);
      if (outcome !== outcomeCodes.accepted || idStart === idEnd) return;
      this.#recent.add(bytes, idStart, idEnd, state, index, segment);
      if (this.#orphans.mayHave(bytes, idStart, idEnd)) arrived.push(bytes.toString('latin1', idStart, idEnd));
    });
    this.#states.touch(state);
    if (header.traceParent !== undefined) this.#trace(header.traceParent, state, draft.traced);
    if (rerouted.length === 0) return;
    const { campaign, batch, attempt: sourceAttempt } = header;
    givenUp.push({ carrier, entry: id, campaign, batch, sourceAttempt, indexes: rerouted });
  }

  #trace(parent: string, state: BatchState, traced: TracedPart[]): void {
    traced.push({ name: 'record.outcomes', parent });
    this.#awaited.set(state, parent);
    const oldest = this.#awaited.size > awaitedMax ? this.#awaited.keys().next().value : undefined;
    if (oldest !== undefined) this.#awaited.delete(oldest);
  }

  /** Traced batches of which this page has the first receipt. */
  #firstReceipts(): TracedPart[] {
    const found = [...this.#awaited].filter(([state]) => state.hasReceipt);
    for (const [state] of found) this.#awaited.delete(state);
    return found.map(([, parent]) => ({ name: 'record.receipt', parent }));
  }

  #applyReceipts({ packed, atMs }: ReceiptRecord, { rows, unloaded, late }: Draft): void {
    readReceipts(packed, (code, doneAtSeconds, bytes, idStart, idEnd, errorStart, errorEnd) => {
      const place = this.#place;
      const state = this.#recent.find(bytes, idStart, idEnd, place) ? place.state : undefined;
      if (state?.isLoaded === true) {
        const { index, segment } = place;
        rows.receipt(
          state.key,
          state.key.firstOrdinal + index,
          segment,
          code,
          doneAtSeconds,
          atMs,
          bytes,
          errorStart,
          errorEnd,
        );
        state.receive(index, segment, stateOfReceipt[code] ?? 0, this.#states.countsOf(state.key));
        this.#states.touch(state);
        return;
      }
      const messageId = bytes.toString('latin1', idStart, idEnd).replaceAll('\0', '');
      const error = bytes.toString('latin1', errorStart, errorEnd);
      const receipt = { messageId, state: code, error, doneAtSeconds, receivedAtMs: atMs };
      if (state === undefined) late.push(receipt);
      else unloaded.push({ state: this.#states.keep(state), index: place.index, segment: place.segment, receipt });
    });
  }

  /** Finds the messages of receipts: among the recent ids, else in PostgreSQL; the others are orphans. */
  async #match(
    receipts: readonly OrphanReceipt[],
    nowMs: number,
  ): Promise<{ readonly matches: readonly Match[]; readonly orphans: readonly OrphanReceipt[] }> {
    const matches: Match[] = [];
    const late: OrphanReceipt[] = [];
    const place = this.#place;
    for (const receipt of receipts) {
      const id = Buffer.from(receipt.messageId, 'latin1');
      const state = this.#recent.find(id, 0, id.length, place) ? place.state : undefined;
      if (state === undefined) late.push(receipt);
      else matches.push({ state: this.#states.keep(state), index: place.index, segment: place.segment, receipt });
    }
    if (late.length === 0) return { matches, orphans: [] };
    const ids = [...new Set(late.map((receipt) => receipt.messageId))];
    const since = idAtMs(nowMs - this.#limits.receiptAgeMsMax);
    const places = await findSubmissions(this.#database.pool, this.#lease.account, ids, since);
    const orphans: OrphanReceipt[] = [];
    for (const receipt of late) {
      const found = places.get(receipt.messageId);
      if (found === undefined) orphans.push(receipt);
      else {
        const index = found.ordinal - found.firstOrdinal;
        matches.push({ state: this.#states.get(found), index, segment: found.segment, receipt });
      }
    }
    return { matches, orphans };
  }

  /** Reads what PostgreSQL has of batches that are not in memory; none of them is on a page that is being written. */
  async #load(needed: readonly BatchState[]): Promise<void> {
    const missing = new Map<string, BatchState>();
    for (const state of needed) if (!state.isLoaded) missing.set(nameOf(state.key), state);
    if (missing.size === 0) return;
    const keys = [...missing.values()].map((state) => state.key);
    const rows = new Map<string, (Buffer | undefined)[]>();
    for (const row of await loadStates(this.#database.pool, this.#lease.account, keys)) {
      const known = rows.get(nameOf(row)) ?? [];
      known[row.segment] = row.states;
      rows.set(nameOf(row), known);
    }
    for (const [name, state] of missing) state.load(rows.get(name) ?? []);
  }

  #applyMatch({ state, index, segment, receipt }: Match, rows: RecordRows): void {
    const { state: code, doneAtSeconds, receivedAtMs } = receipt;
    const error = Buffer.from(receipt.error, 'latin1');
    const ordinal = state.key.firstOrdinal + index;
    rows.receipt(state.key, ordinal, segment, code, doneAtSeconds, receivedAtMs, error, 0, error.length);
    state.receive(index, segment, stateOfReceipt[code] ?? 0, this.#states.countsOf(state.key));
    this.#states.touch(state);
  }
}

async function eachWithPauses<Entry>(entries: readonly Entry[], apply: (entry: Entry, at: number) => void) {
  for (const [at, entry] of entries.entries()) {
    apply(entry, at);
    if ((at + 1) % entriesAtOnce === 0) await setImmediate();
  }
}

function nameOf(key: { readonly campaign: Id; readonly batch: number }): string {
  return `${key.campaign}/${key.batch}`;
}

function inboundOf(entries: readonly ReceiptRecord[]): (InboundMessage & { readonly receivedAtMs: number })[] {
  return entries.flatMap(({ inbound, atMs }) => inbound.map((message) => ({ ...message, receivedAtMs: atMs })));
}
