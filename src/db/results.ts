/**
 * What became of each recipient of a campaign, read from the bytes of its batches. API process; scope: an
 * organisation. States of a slice of batches are read and folded first, then only the recipients asked for, so
 * that looking for a few failures among a million costs some kilobytes.
 */
import { type Id, type MessageState, messageStateCodes } from '../handoff.ts';
import { foldBatch } from './fold.ts';
import type { Run, Statement } from './scope.ts';

/** One recipient and the state of the message to them. */
export type ResultRow = {
  readonly ordinal: number;
  readonly resident: Id;
  /** Of the resident as it is now; null when it was deleted. */
  readonly externalReference: string | null;
  readonly firstName: string | null;
  readonly lastName: string | null;
  /** E.164 with plus. */
  readonly address: string;
  readonly carrier: string;
  readonly language: string;
  readonly state: MessageState;
};

/** Batches whose states are read at once: at most 40 × 500 recipients. */
const sliceBatches = 40;

type BatchRow = {
  number: number;
  carrier: string;
  language: string;
  firstOrdinal: number;
  recipients: number;
};
type StatesRow = { batch: number; carrier: string; segment: number; states: Buffer };
type RecipientRow = Omit<ResultRow, 'carrier' | 'language' | 'state'>;
type Found = Pick<ResultRow, 'carrier' | 'language' | 'state'>;

const selectBatches: Statement = {
  name: 'results_batches',
  text: `select number, carrier, language, first_ordinal as "firstOrdinal", recipients from batches
    where campaign_id = $1 and number > $2 and first_ordinal + recipients > $3 order by number limit $4`,
};
const selectStates: Statement = {
  name: 'results_states',
  text: `select batch, carrier, segment, states from batch_states
    where campaign_id = $1 and batch between $2 and $3 order by batch, carrier, segment`,
};
const selectRecipients: Statement = {
  name: 'results_recipients',
  text: `select c.ordinal, c.resident_id as resident, '+' || c.address as address,
      r.external_reference as "externalReference", r.first_name as "firstName", r.last_name as "lastName"
    from recipients c left join residents r on r.id = c.resident_id
    where c.campaign_id = $1 and c.ordinal between $2 and $3 and c.ordinal = any ($4::int[]) order by c.ordinal`,
};

const stateNames = Object.keys(messageStateCodes) as MessageState[];
const nameOfCode = new Map<number, MessageState>(stateNames.map((name) => [messageStateCodes[name], name]));

/** What a reading of results is of. */
export type ResultQuery = {
  readonly campaign: Id;
  /** Only messages in this state. */
  readonly state: MessageState | undefined;
  /** Recipients behind this ordinal; -1 is from the beginning. */
  readonly after: number;
  /** Most recipients of one part. */
  readonly limit: number;
};

/**
 * Results in order of ordinals, in parts of at most `limit`. Each part is read when it is asked for, so what a
 * late part says may be newer than an early one.
 */
export async function* readResults(run: Run, query: ResultQuery): AsyncGenerator<ResultRow[], void, void> {
  const { campaign, limit } = query;
  let through = 0;
  for (;;) {
    const batches = await run<BatchRow>(selectBatches, [campaign, through, query.after + 1, sliceBatches]);
    const first = batches[0];
    const last = batches.at(-1);
    if (first === undefined || last === undefined) return;
    const states = await run<StatesRow>(selectStates, [campaign, first.number, last.number]);
    const found = findOrdinals(batches, states, query);
    for (let start = 0; start < found.length; start += limit) {
      yield await readPart(run, campaign, found.slice(start, start + limit));
    }
    through = last.number;
  }
}

/** Ordinals that the query asks for, ascending, with what their batches say of them. */
function findOrdinals(
  batches: readonly BatchRow[],
  states: readonly StatesRow[],
  query: ResultQuery,
): [number, Found][] {
  const rowsOf = new Map<number, Map<string, Uint8Array[]>>();
  for (const { batch, carrier, segment, states: bytes } of states) {
    const carriers = rowsOf.get(batch) ?? new Map<string, Uint8Array[]>();
    const rows = carriers.get(carrier) ?? [];
    rows[segment] = bytes;
    rowsOf.set(batch, carriers.set(carrier, rows));
  }
  const found: [number, Found][] = [];
  for (const { number, carrier, language, firstOrdinal, recipients } of batches) {
    const codes = foldBatch([...(rowsOf.get(number)?.values() ?? [])], recipients);
    codes.forEach((code, index) => {
      const state = nameOfCode.get(code) ?? 'pending';
      const isAsked = firstOrdinal + index > query.after && (query.state === undefined || query.state === state);
      if (isAsked) found.push([firstOrdinal + index, { carrier, language, state }]);
    });
  }
  return found;
}

async function readPart(run: Run, campaign: Id, found: readonly [number, Found][]): Promise<ResultRow[]> {
  const ordinals = found.map(([ordinal]) => ordinal);
  const rows = await run<RecipientRow>(selectRecipients, [campaign, ordinals[0], ordinals.at(-1), ordinals]);
  const known = new Map(found);
  return rows.flatMap((row) => {
    const of = known.get(row.ordinal);
    return of === undefined ? [] : [{ ...row, ...of }];
  });
}
