/**
 * One carrier's streams into PostgreSQL: takes entries, finds the message of each receipt, folds states, and
 * writes everything with the offsets in one transaction. Runs on the recorder's main thread. After a failed
 * `write` the book holds things that were never committed, so it must be thrown away and begun anew.
 */
import type { ClientBase, Database } from '../db/client.ts';
import { segmentStates, stateOfOutcome, stateOfReceipt } from '../db/fold.ts';
import { idAtMs } from '../db/partitions.ts';
import { addProgress, type ProgressDelta } from '../db/progress.ts';
import {
  addInbound,
  addOrphans,
  advance,
  findSubmissions,
  loadStates,
  type NewStateRow,
  type OrphanReceipt,
  type RecorderLease,
  takeOrphans,
  writeStates,
} from '../db/record.ts';
import { RecordRows } from '../db/record-rows.ts';
import {
  type Id,
  type InboundMessage,
  outcomeCodes,
  type OutcomeRecord,
  type ReceiptRecord,
  type RecordOffsets,
} from '../handoff.ts';
import { readOutcomes, readReceipts } from '../stream/entry.ts';
import type { OrphanIds } from './orphans.ts';
import { type Place, RecentIds } from './recent.ts';
import { type BatchState, type CampaignDelta, StateCache } from './states.ts';

/** Limits of one carrier's book. */
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

/** What one flush takes. */
export type Flush = {
  readonly outcomes: readonly OutcomeRecord[];
  readonly receipts: readonly ReceiptRecord[];
  /** The last entries of both, or the old offsets where there are none. */
  readonly through: RecordOffsets;
  readonly nowMs: number;
  readonly leaseMs: number;
};

/** What one flush did. */
export type Flushed = {
  readonly rows: number;
  readonly orphaned: number;
  /** Campaigns whose counts changed. */
  readonly campaigns: readonly Id[];
};

/** A receipt whose message is known by now. */
type Match = {
  readonly state: BatchState;
  readonly index: number;
  readonly segment: number;
  readonly receipt: OrphanReceipt;
};

/** See the head of this file. */
export class CarrierBook {
  readonly #lease: RecorderLease;
  readonly #limits: BookLimits;
  readonly #states: StateCache;
  readonly #recent: RecentIds;
  readonly #rows: RecordRows;
  readonly #orphans: OrphanIds;
  /** Where each receipt of the flush belongs, in order; undefined when it is not among the recent ids. */
  #places: ({ state: BatchState; index: number; segment: number } | undefined)[] = [];

  /** `orphans`: those that PostgreSQL has of this carrier. */
  constructor(lease: RecorderLease, limits: BookLimits, orphans: OrphanIds) {
    this.#lease = lease;
    this.#limits = limits;
    this.#states = new StateCache(limits.batchesMax);
    this.#recent = new RecentIds(limits.recentIdsMax);
    this.#rows = new RecordRows(lease.carrier);
    this.#orphans = orphans;
  }

  /**
   * Records entries in one transaction.
   * @throws Fault `fenced` when the carrier is another recorder's, `postgres`, `unreadable`.
   */
  async write(database: Database, flush: Flush): Promise<Flushed> {
    const { carrier } = this.#lease;
    const batches = flush.outcomes.map(({ header }) => this.#states.get(header));
    const arrived = this.#noteIds(flush.outcomes, batches);
    const late = this.#placeReceipts(flush.receipts);
    const done = await database.service(async ({ client }) => {
      await advance(client, this.#lease, flush.through, flush.leaseMs);
      await this.#load(client, batches);
      flush.outcomes.forEach((entry, at) => this.#applyOutcomes(entry, batches[at] as BatchState));
      // Before receipts are matched, so that PostgreSQL knows whatever is no longer among the recent ids.
      const rows = await this.#rows.sendSubmissions(client);
      const waiting = arrived.length === 0 ? [] : await takeOrphans(client, carrier, arrived);
      const { matches, orphans } = await this.#match(client, [...waiting, ...late], flush.nowMs);
      await this.#load(client, [...this.#places.map((place) => place?.state), ...matches.map((match) => match.state)]);
      this.#applyReceipts(flush.receipts);
      for (const match of matches) this.#applyMatch(match);
      const receiptRows = await this.#rows.sendReceipts(client);
      await addOrphans(client, carrier, orphans);
      await addInbound(client, carrier, inboundOf(flush.receipts));
      const { batches: changed, deltas } = this.#states.changes();
      await writeStates(client, carrier, changed.flatMap(rowsToWrite));
      await addProgress(client, carrier, deltas.map(progressDelta));
      return { rows: rows + receiptRows, orphans, campaigns: deltas.map((delta) => delta.campaign) };
    });
    this.#states.clean();
    this.#rows.clear();
    this.#orphans.replace(
      arrived,
      done.orphans.map((orphan) => orphan.messageId),
    );
    return { rows: done.rows, orphaned: done.orphans.length, campaigns: done.campaigns };
  }

  /** Notes where each accepted segment's id belongs; returns the ids that orphans may be waiting for. */
  #noteIds(entries: readonly OutcomeRecord[], batches: readonly BatchState[]): string[] {
    const arrived: string[] = [];
    entries.forEach(({ packed }, at) => {
      const state = batches[at] as BatchState;
      readOutcomes(packed, (index, _count, segment, _segments, outcome, _status, bytes, idStart, idEnd) => {
        if (outcome !== outcomeCodes.accepted || idStart === idEnd) return;
        this.#recent.add(bytes, idStart, idEnd, state, index, segment);
        if (this.#orphans.mayHave(bytes, idStart, idEnd)) arrived.push(bytes.toString('latin1', idStart, idEnd));
      });
    });
    return arrived;
  }

  /** Finds receipts among the recent ids; returns the others. */
  #placeReceipts(entries: readonly ReceiptRecord[]): OrphanReceipt[] {
    const late: OrphanReceipt[] = [];
    this.#places = [];
    for (const { packed, atMs } of entries) {
      readReceipts(packed, (state, doneAtSeconds, bytes, idStart, idEnd, errorStart, errorEnd) => {
        const place = this.#find(bytes, idStart, idEnd);
        this.#places.push(place);
        if (place !== undefined) return;
        const messageId = bytes.toString('latin1', idStart, idEnd).replaceAll('\0', '');
        const error = bytes.toString('latin1', errorStart, errorEnd);
        late.push({ messageId, state, error, doneAtSeconds, receivedAtMs: atMs });
      });
    }
    return late;
  }

  #find(
    bytes: Uint8Array,
    start: number,
    end: number,
  ): { state: BatchState; index: number; segment: number } | undefined {
    const found: Place = { state: undefined, index: 0, segment: 0 };
    if (!this.#recent.find(bytes, start, end, found) || found.state === undefined) return undefined;
    return { state: this.#states.keep(found.state), index: found.index, segment: found.segment };
  }

  /** Finds the messages of receipts: among the recent ids, else in PostgreSQL; the others are orphans. */
  async #match(
    client: ClientBase,
    receipts: readonly OrphanReceipt[],
    nowMs: number,
  ): Promise<{ readonly matches: readonly Match[]; readonly orphans: readonly OrphanReceipt[] }> {
    const matches: Match[] = [];
    const late: OrphanReceipt[] = [];
    for (const receipt of receipts) {
      const id = Buffer.from(receipt.messageId, 'latin1');
      const place = this.#find(id, 0, id.length);
      if (place === undefined) late.push(receipt);
      else matches.push({ ...place, receipt });
    }
    if (late.length === 0) return { matches, orphans: [] };
    const ids = [...new Set(late.map((receipt) => receipt.messageId))];
    const since = idAtMs(nowMs - this.#limits.receiptAgeMsMax);
    const places = await findSubmissions(client, this.#lease.carrier, ids, since);
    const orphans: OrphanReceipt[] = [];
    for (const receipt of late) {
      const place = places.get(receipt.messageId);
      if (place === undefined) orphans.push(receipt);
      else {
        const index = place.ordinal - place.firstOrdinal;
        matches.push({ state: this.#states.get(place), index, segment: place.segment, receipt });
      }
    }
    return { matches, orphans };
  }

  async #load(client: ClientBase, needed: readonly (BatchState | undefined)[]): Promise<void> {
    const missing = new Map<string, BatchState>();
    for (const state of needed) {
      if (state !== undefined && !state.isLoaded) missing.set(nameOf(state.key), state);
    }
    if (missing.size === 0) return;
    const rows = new Map<string, (Buffer | undefined)[]>();
    for (const row of await loadStates(
      client,
      this.#lease.carrier,
      [...missing.values()].map((state) => state.key),
    )) {
      const known = rows.get(nameOf(row)) ?? [];
      known[row.segment] = row.states;
      rows.set(nameOf(row), known);
    }
    for (const [name, state] of missing) state.load(rows.get(name) ?? []);
  }

  #applyOutcomes({ header, packed }: OutcomeRecord, state: BatchState): void {
    const counts = this.#states.countsOf(header);
    readOutcomes(packed, (index, count, segment, segments, outcome, status, bytes, idStart, idEnd) => {
      this.#rows.submission(header, index, count, segment, segments, outcome, status, bytes, idStart, idEnd);
      const to = stateOfOutcome[outcome] ?? 0;
      for (let at = index; at < index + count; at += 1) state.apply(at, segment, segments, to, counts);
    });
    this.#states.touch(state);
  }

  #applyReceipts(entries: readonly ReceiptRecord[]): void {
    let next = 0;
    for (const { packed, atMs } of entries) {
      readReceipts(packed, (code, doneAtSeconds, bytes, _idStart, _idEnd, errorStart, errorEnd) => {
        const place = this.#places[next++];
        if (place === undefined) return;
        const { state, index, segment } = place;
        const ordinal = state.key.firstOrdinal + index;
        this.#rows.receipt(state.key, ordinal, segment, code, doneAtSeconds, atMs, bytes, errorStart, errorEnd);
        state.receive(index, segment, stateOfReceipt[code] ?? 0, this.#states.countsOf(state.key));
        this.#states.touch(state);
      });
    }
  }

  #applyMatch({ state, index, segment, receipt }: Match): void {
    const { state: code, doneAtSeconds, receivedAtMs } = receipt;
    const error = Buffer.from(receipt.error, 'latin1');
    const ordinal = state.key.firstOrdinal + index;
    this.#rows.receipt(state.key, ordinal, segment, code, doneAtSeconds, receivedAtMs, error, 0, error.length);
    state.receive(index, segment, stateOfReceipt[code] ?? 0, this.#states.countsOf(state.key));
    this.#states.touch(state);
  }
}

function nameOf(key: { readonly campaign: Id; readonly batch: number }): string {
  return `${key.campaign}/${key.batch}`;
}

function inboundOf(entries: readonly ReceiptRecord[]): (InboundMessage & { readonly receivedAtMs: number })[] {
  return entries.flatMap(({ inbound, atMs }) => inbound.map((message) => ({ ...message, receivedAtMs: atMs })));
}

/** The rows of a batch that changed. */
function rowsToWrite(state: BatchState): NewStateRow[] {
  return state.rows.flatMap((states, segment) =>
    (state.dirty >> segment) & 1 ? [{ ...state.key, segment, states }] : [],
  );
}

/** Counts by segment state as counts by message state: a message stands where its lowest segment stands. */
function progressDelta({ campaign, organisation, counts }: CampaignDelta): ProgressDelta {
  const of = (...states: readonly (keyof typeof segmentStates)[]) =>
    states.reduce((sum, state) => sum + (counts[segmentStates[state]] ?? 0), 0);
  return {
    campaign,
    organisation,
    submitted: of('accepted', 'undelivered', 'delivered'),
    awaitingReceipt: of('accepted'),
    delivered: of('delivered'),
    failed: of('rejected', 'undelivered'),
    unknown: of('unknown'),
    expired: of('expired'),
    cancelled: of('cancelled'),
  };
}
