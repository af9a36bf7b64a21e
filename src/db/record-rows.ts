/**
 * Rows of `submissions` and `receipts` on their way into PostgreSQL, by COPY into the weekly partition of
 * their campaign (COPY refuses tables with row-level security). Runs in the recorder.
 */
import type { ClientBase } from 'pg';
import type { Id, OutcomeHeader } from '../handoff.ts';
import { CopyRows, readyId, readyInt2, readyInt4, readyMoment, readyText } from './copy.ts';
import { partitionOf } from './partitions.ts';

const submissionColumns = `campaign_id, organisation_id, batch, attempt, first_ordinal, submitted_at, carrier,
  ordinal, recipients, segment, segments, outcome, command_status, message_id`;
const receiptColumns = `campaign_id, organisation_id, carrier, ordinal, segment, state, done_at, received_at, error`;

/** Whose rows follow; the campaign and organisation are written into each of them. */
export type RowOwner = { readonly campaign: Id; readonly organisation: Id };

/** What the rows of one campaign begin with, and where they go. */
type Owned = { readonly ids: Buffer; readonly submissions: CopyRows; readonly receipts: CopyRows };

/** The rows of one flush of one carrier. */
export class RecordRows {
  readonly #carrier: Buffer;
  readonly #submissions = new Map<string, CopyRows>();
  readonly #receipts = new Map<string, CopyRows>();
  readonly #owners = new Map<Id, Owned>();
  /** Where submissions go, what each begins with, and the ordinal of the first recipient: of the last `batch`. */
  #submissionsOfBatch = new CopyRows(0);
  #head = Buffer.alloc(0);
  #firstOrdinal = 0;

  constructor(carrier: string) {
    this.#carrier = readyText(carrier);
  }

  /** Says whose submissions follow. */
  batch(header: OutcomeHeader): void {
    const { ids, submissions } = this.#ownerOf(header);
    this.#submissionsOfBatch = submissions;
    this.#firstOrdinal = header.firstOrdinal;
    const { batch, attempt, firstOrdinal, atMs } = header;
    const values = [readyInt4(batch), readyInt2(attempt), readyInt4(firstOrdinal), readyMoment(atMs)];
    this.#head = Buffer.concat([ids, ...values, this.#carrier]);
  }

  /** One outcome of `recipients` ordinals; its message id is Latin-1 `bytes[idStart, idEnd)`. */
  submission(
    index: number,
    recipients: number,
    segment: number,
    segments: number,
    outcome: number,
    commandStatus: number,
    bytes: Uint8Array,
    idStart: number,
    idEnd: number,
  ): void {
    const copy = this.#submissionsOfBatch;
    copy.row(14, 64 + this.#head.length + 2 * (idEnd - idStart));
    copy.ready(this.#head);
    copy.int4(this.#firstOrdinal + index);
    copy.int2(recipients);
    copy.int2(segment);
    copy.int2(segments);
    copy.int2(outcome);
    copy.int4(commandStatus);
    copy.latin1(bytes, idStart, idEnd);
  }

  /** One receipt whose submission is known; its error is Latin-1 `bytes[errorStart, errorEnd)`. */
  receipt(
    owner: RowOwner,
    ordinal: number,
    segment: number,
    state: number,
    doneAtSeconds: number,
    receivedAtMs: number,
    bytes: Uint8Array,
    errorStart: number,
    errorEnd: number,
  ): void {
    const { ids, receipts: copy } = this.#ownerOf(owner);
    copy.row(9, 64 + ids.length + this.#carrier.length + 2 * (errorEnd - errorStart));
    copy.ready(ids);
    copy.ready(this.#carrier);
    copy.int4(ordinal);
    copy.int2(segment);
    copy.int2(state);
    if (doneAtSeconds === 0) copy.nothing();
    else copy.moment(doneAtSeconds * 1000);
    copy.moment(receivedAtMs);
    copy.latin1(bytes, errorStart, errorEnd);
  }

  /** Copies all of them, in the client's transaction; returns how many. */
  async send(client: ClientBase): Promise<number> {
    const submissions = await sendAll(client, this.#submissions, submissionColumns);
    return submissions + (await sendAll(client, this.#receipts, receiptColumns));
  }

  /** Empties it for the next flush; keeps its memory for the partitions that were in use. */
  clear(): void {
    for (const tables of [this.#submissions, this.#receipts]) {
      for (const [table, copy] of tables) {
        if (copy.rows === 0) tables.delete(table);
        copy.clear();
      }
    }
    this.#owners.clear();
  }

  #ownerOf(owner: RowOwner): Owned {
    let known = this.#owners.get(owner.campaign);
    if (known === undefined) {
      known = {
        ids: Buffer.concat([readyId(owner.campaign), readyId(owner.organisation)]),
        submissions: tableOf(this.#submissions, partitionOf('submissions', owner.campaign)),
        receipts: tableOf(this.#receipts, partitionOf('receipts', owner.campaign)),
      };
      this.#owners.set(owner.campaign, known);
    }
    return known;
  }
}

function tableOf(tables: Map<string, CopyRows>, table: string): CopyRows {
  let copy = tables.get(table);
  if (copy === undefined) {
    copy = new CopyRows(64 * 1024);
    tables.set(table, copy);
  }
  return copy;
}

async function sendAll(client: ClientBase, tables: ReadonlyMap<string, CopyRows>, columns: string): Promise<number> {
  let rows = 0;
  for (const [table, copy] of tables) {
    await copy.send(client, table, columns);
    rows += copy.rows;
  }
  return rows;
}
