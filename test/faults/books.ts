/**
 * What PostgreSQL says of a campaign: its frozen recipients, the state of each, the counters and the rows. Reads as
 * the database's owner, in the test's process.
 */
import type pg from 'pg';
import { foldBatch, lowestState, messageStates, segmentStates } from '../../src/db/fold.ts';
import { frozenRecipients, type FrozenRecipient } from '../support/recipients.ts';
import { type MessageState, messageStateCodes, outcomeCodes } from '../../src/handoff.ts';

/** A frozen recipient with the state that it came to. */
export type BookedRecipient = {
  readonly ordinal: number;
  readonly address: string;
  readonly firstName: string;
  readonly language: string;
  readonly state: MessageState;
};

/** A row of an accepted submission. */
export type BookedSubmission = { readonly ordinal: number; readonly segment: number; readonly messageId: string };

/** A segment of which at least one receipt is recorded. */
export type BookedReceipt = Omit<BookedSubmission, 'messageId'>;

/** Counters of `campaign_progress`, by their columns. */
export type Counters = Readonly<Record<(typeof counterNames)[number], number>>;

/** Columns of `campaign_progress`. */
export const counterNames = [
  'submitted',
  'awaiting_receipt',
  'delivered',
  'failed',
  'unknown',
  'expired',
  'cancelled',
] as const;

/** Everything that PostgreSQL has of one campaign. */
export type Books = {
  readonly status: string;
  readonly recipients: readonly BookedRecipient[];
  readonly submissions: readonly BookedSubmission[];
  readonly receipts: readonly BookedReceipt[];
  /** As kept by the recorder, and as they follow from the states of the messages. */
  readonly counters: Counters;
  readonly folded: Counters;
};

type BatchRow = { number: number; language: string; first: number; recipients: number };
type StateRow = { batch: number; carrier: string; segment: number; states: Buffer };

/** Reads the books of a campaign. */
export async function readBooks(sql: pg.Pool, campaign: string): Promise<Books> {
  const all = async <Row extends pg.QueryResultRow>(text: string) => (await sql.query<Row>(text, [campaign])).rows;
  const [standing] = await all<{ status: string }>('select status from campaigns where id = $1');
  const batches = await all<BatchRow>(
    'select number, language, first_ordinal as first, recipients from batches where campaign_id = $1 order by number',
  );
  const frozen = await frozenRecipients(sql, campaign);
  const states = await all<StateRow>(
    'select batch, carrier, segment, states from batch_states where campaign_id = $1 order by batch, carrier, segment',
  );
  const submissions = await all<BookedSubmission>(
    `select ordinal, segment, message_id as "messageId" from submissions
      where campaign_id = $1 and outcome = ${outcomeCodes.accepted}`,
  );
  const receipts = await all<BookedReceipt>('select distinct ordinal, segment from receipts where campaign_id = $1');
  const sums = counterNames.map((name) => `coalesce(sum(${name}), 0)::int as ${name}`).join(', ');
  const [counters] = await all<Counters>(`select ${sums} from campaign_progress where campaign_id = $1`);
  const { recipients, folded } = fold(batches, frozen, states);
  return {
    status: standing?.status ?? 'none',
    recipients,
    submissions,
    receipts,
    counters: counters ?? zero(),
    folded,
  };
}

function zero(): Record<(typeof counterNames)[number], number> {
  return { submitted: 0, awaiting_receipt: 0, delivered: 0, failed: 0, unknown: 0, expired: 0, cancelled: 0 };
}

const stateNames = new Map(
  Object.entries(messageStateCodes).map(([name, code]) => [code as number, name as MessageState]),
);

function fold(
  batches: readonly BatchRow[],
  frozen: readonly FrozenRecipient[],
  states: readonly StateRow[],
): { recipients: BookedRecipient[]; folded: Counters } {
  const folded = zero();
  const recipients: BookedRecipient[] = [];
  const byBatch = new Map<number, Map<string, Uint8Array[]>>();
  for (const { batch, carrier, segment, states: bytes } of states) {
    const carriers = byBatch.get(batch) ?? new Map<string, Uint8Array[]>();
    byBatch.set(batch, carriers);
    const rows = carriers.get(carrier) ?? [];
    carriers.set(carrier, rows);
    rows[segment] = bytes;
  }
  for (const { number, language, first, recipients: count } of batches) {
    const carriers = [...(byBatch.get(number)?.values() ?? [])];
    for (const rows of carriers) for (let i = 0; i < count; i++) countOne(folded, lowestState(rows, i));
    const codes = foldBatch(carriers, count);
    for (let i = 0; i < count; i++) {
      const one = frozen[first + i];
      const state = stateNames.get(codes[i] ?? 0) ?? 'pending';
      if (one !== undefined) recipients.push({ ...one, firstName: one.fields, language, state });
    }
  }
  return { recipients, folded };
}

function countOne(counters: ReturnType<typeof zero>, state: number): void {
  const { accepted, undelivered, delivered } = segmentStates;
  if (state === accepted || state === undelivered || state === delivered) counters.submitted++;
  const name = messageStates[state];
  if (name === 'submitted') counters.awaiting_receipt++;
  else if (name !== undefined && name !== 'pending') counters[name]++;
}
