/**
 * What the bytes of `batch_states` say: the state of each segment, the state of a message as the fold of its
 * segments, and the counts that follow. Used by the recorder, which writes them, and by results, which read
 * them. Pure.
 *
 * A segment only moves to a state of higher rank, so late, doubled and reordered events change nothing. A message
 * stands where its lowest segment stands; the lowest of rising values never falls, so neither does a message.
 */
import { type MessageState, messageStateCodes, outcomeCodes, receiptStateCodes } from '../handoff.ts';

/**
 * States of a segment. What a carrier was seen to accept is above everything that says it was not
 * sent, because an acceptance proves itself; `delivered` is above `undelivered` for the same reason.
 * `rerouted`: another carrier has the message, so it does not count here. Never renumber: bytes are kept.
 */
export const segmentStates = {
  none: 0,
  unknown: 1,
  cancelled: 2,
  expired: 3,
  rejected: 4,
  rerouted: 5,
  accepted: 6,
  undelivered: 7,
  delivered: 8,
} as const;

/**
 * Rank by segment state: that of the numbers, but `rerouted` is below all that can happen at a carrier which gave a
 * message up and was given it again.
 */
export const rankOfState: Readonly<Uint8Array> = (() => {
  const ranks = Uint8Array.from({ length: 16 }, (_, state) => 2 * state);
  ranks[segmentStates.rerouted] = 2 * segmentStates.none + 1;
  return ranks;
})();

/** How many states a segment has. */
export const segmentStatesCount = 9;

/** Most segments of a message that four bits can say. */
export const segmentsMax = 15;

/** Segment state by outcome code (`outcomeCodes`); `none` for codes that do not exist. */
export const stateOfOutcome: Readonly<Uint8Array> = table(outcomeCodes, {
  accepted: segmentStates.accepted,
  rejected: segmentStates.rejected,
  unknown: segmentStates.unknown,
  expired: segmentStates.expired,
  cancelled: segmentStates.cancelled,
  rerouted: segmentStates.rerouted,
});

/**
 * Segment state by message_state of a receipt (SMPP 3.4 §5.2.28). `enroute` and `accepted` are not final, but
 * a receipt of any kind says that the carrier had accepted the segment.
 */
export const stateOfReceipt: Readonly<Uint8Array> = table(receiptStateCodes, {
  enroute: segmentStates.accepted,
  delivered: segmentStates.delivered,
  expired: segmentStates.undelivered,
  deleted: segmentStates.undelivered,
  undeliverable: segmentStates.undelivered,
  accepted: segmentStates.accepted,
  unknown: segmentStates.undelivered,
  rejected: segmentStates.undelivered,
});

function table<Name extends string>(
  codes: Readonly<Record<Name, number>>,
  states: Readonly<Record<Name, number>>,
): Uint8Array {
  const byCode = new Uint8Array(256);
  for (const name of Object.keys(codes) as Name[]) byCode[codes[name]] = states[name];
  return byCode;
}

/** State of a message by the state of its lowest segment; undefined: another carrier has it. */
export const messageStates: readonly (MessageState | undefined)[] = [
  'pending',
  'unknown',
  'cancelled',
  'expired',
  'failed',
  undefined,
  'submitted',
  'failed',
  'delivered',
];

/** Bytes of one batch on one carrier: `rows[s]` are the states of segment s. */
export type StateRows = readonly (Uint8Array | undefined)[];

/** The lowest state of a message's segments; `none` while any has no outcome, or nothing is known. */
export function lowestState(rows: StateRows, index: number): number {
  const head = rows[0]?.[index] ?? 0;
  const segments = head >> 4;
  let lowest = head & 15;
  for (let segment = 1; segment < segments; segment += 1) {
    const state = (rows[segment]?.[index] ?? 0) & 15;
    if ((rankOfState[state] as number) < (rankOfState[lowest] as number)) lowest = state;
  }
  return lowest;
}

/**
 * States of a batch's messages over all carriers that had it: for each of `recipients` indexes a code of
 * `messageStateCodes`. A message that was rerouted stands where the other carrier put it. Of an alert that went out at
 * two carriers the higher state counts, in whatever order they come.
 */
export function foldBatch(carriers: readonly StateRows[], recipients: number): Uint8Array {
  const codes = new Uint8Array(recipients);
  const ranks = new Uint8Array(recipients);
  for (const rows of carriers) {
    for (let index = 0; index < recipients; index += 1) {
      const lowest = lowestState(rows, index);
      const rank = rankOfState[lowest] as number;
      const state = messageStates[lowest];
      if (state === undefined || rank <= (ranks[index] as number)) continue;
      codes[index] = messageStateCodes[state];
      ranks[index] = rank;
    }
  }
  return codes;
}
