/**
 * What became of each recipient of a campaign, read from the bytes of its batches. API process; scope: an
 * organisation. Where every recipient is wanted, they come with the states of their batches in one statement. Where
 * those of some states are, states of a slice of batches are read and folded first, then only the recipients asked for,
 * so that looking for a few failures among a million costs some kilobytes.
 */
import { accountOf } from '../account.ts';
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
  /** The account that it was planned for. */
  readonly carrier: string;
  readonly language: string;
  readonly state: MessageState;
};

/** Batches whose states are read at once: few at first, as for one page; at most 40 × 500 recipients. */
const [sliceBatchesFirst, sliceBatchesMax] = [4, 40];
/** Batches of which all recipients are read at once; a page has fewer. */
const partBatchesMax = 40;
/** What the column holds. */
const ordinalMax = 2 ** 31 - 1;

/** A batch with all that is known of it and those of its recipients that were asked for. */
type PartRow = {
  number: number;
  carrier: string;
  language: string;
  firstOrdinal: number;
  recipients: number;
  /** Null where nothing is known. */
  states: [carrier: string, segment: number, hex: string][] | null;
  /** As JSON, which is read faster than rows. */
  results: [resident: Id, number: string, reference: string | null, first: string | null, last: string | null][];
};

/** A batch and, where something is known of it, one of its rows of states. */
type SliceRow = {
  number: number;
  carrier: string;
  language: string;
  firstOrdinal: number;
  recipients: number;
  statesCarrier: string | null;
  segment: number | null;
  states: Buffer | null;
};
type RecipientRow = Omit<ResultRow, 'carrier' | 'language' | 'state'>;
type Found = Pick<ResultRow, 'carrier' | 'language' | 'state'> & { readonly batch: number };

const selectPart: Statement = {
  name: 'results_part',
  plannedOnce: true,
  text: `select b.number, b.carrier, b.language, b.first_ordinal as "firstOrdinal", b.recipients, s.states, r.results
    from (select number, carrier, language, first_ordinal, recipients,
          $3 - first_ordinal + 1 as low, $4 - first_ordinal + 1 as high
        from batches where campaign_id = $1 and number >= $2 and first_ordinal + recipients > $3
          and first_ordinal <= $4 order by number limit ${partBatchesMax}) b
      join recipients f on f.campaign_id = $1 and f.batch = b.number
      cross join lateral (select json_agg(json_build_array(carrier, segment, encode(states, 'hex'))) as states
        from batch_states where campaign_id = $1 and batch = b.number) s
      cross join lateral (select json_agg(json_build_array(u.resident::text, split_part(u.packed, chr(31), 1),
            r.external_reference, r.first_name, r.last_name) order by u.position) as results
        from unnest(f.residents[b.low : b.high], (string_to_array(f.packed, chr(30)))[b.low : b.high])
            with ordinality as u (resident, packed, position)
          left join residents r on r.id = u.resident) r
    order by b.number`,
};
const selectSlice: Statement = {
  name: 'results_slice',
  plannedOnce: true,
  text: `select b.*, s.carrier as "statesCarrier", s.segment, s.states from (
      select number, carrier, language, first_ordinal as "firstOrdinal", recipients from batches
      where campaign_id = $1 and number > $2 and first_ordinal + recipients > $3 order by number limit $4) b
    left join batch_states s on s.campaign_id = $1 and s.batch = b.number
    order by b.number, s.carrier, s.segment`,
};
const selectRecipients: Statement = {
  name: 'results_recipients',
  plannedOnce: true,
  text: `select c.ordinal, c.resident, '+' || split_part(c.packed, chr(31), 1) as address,
      r.external_reference as "externalReference", r.first_name as "firstName", r.last_name as "lastName"
    from (select b.first_ordinal + u.position::int - 1 as ordinal, u.resident, u.packed
        from batches b join recipients f on f.campaign_id = b.campaign_id and f.batch = b.number,
          unnest(f.residents, string_to_array(f.packed, chr(30))) with ordinality as u (resident, packed, position)
        where b.campaign_id = $1 and b.number between $2 and $3) c
      left join residents r on r.id = c.resident
    where c.ordinal between $4 and $5 and c.ordinal = any ($6::int[]) order by c.ordinal`,
};

const stateNames = Object.keys(messageStateCodes) as MessageState[];
const nameOfCode = new Map<number, MessageState>(stateNames.map((name) => [messageStateCodes[name], name]));

/** What a reading of results is of. */
export type ResultQuery = {
  readonly campaign: Id;
  /** Only messages in these states. */
  readonly states: ReadonlySet<MessageState> | undefined;
  /** Recipients behind this ordinal; -1 is from the beginning. */
  readonly after: number;
  /** Most recipients of one part. */
  readonly limit: number;
};

/**
 * Results in order of ordinals, in parts of at most `limit`. Each part is read when it is asked for, so what a
 * late part says may be newer than an early one.
 */
export function readResults(run: Run, query: ResultQuery): AsyncGenerator<ResultRow[], void, void> {
  return query.states === undefined ? readAll(run, query) : readSome(run, query);
}

async function* readAll(run: Run, { campaign, after, limit }: ResultQuery): AsyncGenerator<ResultRow[], void, void> {
  let [number, from] = [0, after + 1];
  for (;;) {
    const through = Math.min(from + limit - 1, ordinalMax);
    const batches = await run<PartRow>(selectPart, [campaign, number, Math.min(from, ordinalMax), through]);
    const last = batches.at(-1);
    if (last === undefined) return;
    yield batches.flatMap((batch) => resultsOf(batch, from));
    const end = last.firstOrdinal + last.recipients;
    // Fewer than was asked for, and not for too many batches: there are no more.
    if (end < from + limit && batches.length < partBatchesMax) return;
    [number, from] = [last.number, Math.min(end, from + limit)];
  }
}

/** Those of a batch's recipients that were read: from the ordinal `from` on, or all. */
function resultsOf({ carrier: shard, language, firstOrdinal, recipients, states, results }: PartRow, from: number) {
  const carrier = accountOf(shard);
  const carriers = new Map<string, Uint8Array[]>();
  for (const [statesCarrier, segment, hex] of states ?? []) {
    const known = carriers.get(statesCarrier) ?? [];
    known[segment] = Buffer.from(hex, 'hex');
    carriers.set(statesCarrier, known);
  }
  const codes = foldBatch([...carriers.values()], recipients);
  const skipped = Math.max(0, from - firstOrdinal);
  return results.map(([resident, number, externalReference, firstName, lastName], index): ResultRow => {
    const ordinal = firstOrdinal + skipped + index;
    const state = nameOfCode.get(codes[skipped + index] ?? 0) ?? 'pending';
    const address = `+${number}`;
    return { ordinal, resident, externalReference, firstName, lastName, address, carrier, language, state };
  });
}

async function* readSome(run: Run, query: ResultQuery): AsyncGenerator<ResultRow[], void, void> {
  const { campaign, limit } = query;
  let through = 0;
  for (let slice = sliceBatchesFirst; ; slice = Math.min(sliceBatchesMax, slice * 2)) {
    const rows = await run<SliceRow>(selectSlice, [campaign, through, Math.min(query.after + 1, ordinalMax), slice]);
    const last = rows.at(-1);
    if (last === undefined) return;
    const found = findOrdinals(rows, query);
    for (let start = 0; start < found.length; start += limit) {
      yield await readPart(run, campaign, found.slice(start, start + limit));
    }
    through = last.number;
  }
}

/** Ordinals that the query asks for, ascending, with what their batches say of them. */
function findOrdinals(rows: readonly SliceRow[], query: ResultQuery): [number, Found][] {
  const found: [number, Found][] = [];
  for (let from = 0; from < rows.length; ) {
    const batch = rows[from] as SliceRow;
    const carriers = new Map<string, Uint8Array[]>();
    let to = from;
    for (; rows[to]?.number === batch.number; to += 1) {
      const { statesCarrier, segment, states } = rows[to] as SliceRow;
      if (statesCarrier === null || segment === null || states === null) continue;
      const known = carriers.get(statesCarrier) ?? [];
      known[segment] = states;
      carriers.set(statesCarrier, known);
    }
    findInBatch(batch, [...carriers.values()], query, found);
    from = to;
  }
  return found;
}

function findInBatch(
  { number: batch, carrier, language, firstOrdinal, recipients }: SliceRow,
  known: readonly Uint8Array[][],
  query: ResultQuery,
  found: [number, Found][],
): void {
  const codes = foldBatch(known, recipients);
  for (let index = Math.max(0, query.after + 1 - firstOrdinal); index < recipients; index += 1) {
    const state = nameOfCode.get(codes[index] ?? 0) ?? 'pending';
    if (query.states?.has(state) === false) continue;
    found.push([firstOrdinal + index, { batch, carrier: accountOf(carrier), language, state }]);
  }
}

async function readPart(run: Run, campaign: Id, found: readonly [number, Found][]): Promise<ResultRow[]> {
  const ordinals = found.map(([ordinal]) => ordinal);
  const batches = [found[0]?.[1].batch, found.at(-1)?.[1].batch];
  const values = [campaign, ...batches, ordinals[0], ordinals.at(-1), ordinals];
  const rows = await run<RecipientRow>(selectRecipients, values);
  const known = new Map(found);
  return rows.flatMap((row) => {
    const of = known.get(row.ordinal);
    if (of === undefined) return [];
    const { carrier, language, state } = of;
    return [{ ...row, carrier, language, state }];
  });
}
