/**
 * The judge of a fault: compares what the carriers received with the frozen recipients and with what PostgreSQL says.
 * Pure but for its type imports; what it is given was read by `books.ts` and `sightings.ts`.
 */
import type { MessageState, Nature } from '../../src/handoff.ts';
import { type Books, type BookedRecipient, counterNames } from './books.ts';
import { segmentsOfLanguage, textFor } from './population.ts';
import type { Sighting } from './sightings.ts';

/** What a fault may cost, by the promises; everything else may cost nothing. */
export type Allowance = {
  /** Segments that were open at the crashes: an alert may be doubled by so many, information by none. */
  readonly openSegments: number;
  /** Segments of information that may be doubled: none, but where Redis itself forgot what it had promised to keep. */
  readonly informationDoubledMax: number;
  /** Recipients that may end `unknown`. */
  readonly unknownMax: number;
  /** States that a recipient may end in without having been received by any carrier. */
  readonly unsent: readonly MessageState[];
  /** States that a recipient may end in whose every segment a carrier took. */
  readonly sent: readonly MessageState[];
};

/** A campaign before the judge. */
export type Trial = {
  readonly nature: Nature;
  readonly books: Books;
  readonly sightings: ReadonlyMap<string, readonly Sighting[]>;
  readonly allowance: Allowance;
};

/** What the judge found. */
export type Verdict = {
  readonly recipients: number;
  readonly segments: number;
  readonly lost: number;
  readonly doubled: number;
  readonly unknown: number;
  /** One line for each promise that was not kept; empty when all were. */
  readonly problems: readonly string[];
};

/** Judges one campaign. */
export function judge({ nature, books, sightings, allowance }: Trial): Verdict {
  const problems: string[] = [];
  const tell = (broken: readonly string[], what: string) => {
    if (broken.length > 0) problems.push(`${broken.length} ${what}, for example ${broken.slice(0, 3).join('; ')}`);
  };
  const lost: string[] = [];
  const misbooked: string[] = [];
  const wrong: string[] = [];
  for (const recipient of books.recipients) {
    const seen = taken(sightings.get(recipient.address));
    const isWhole = isComplete(seen, recipient);
    const { state, ordinal } = recipient;
    const where = `ordinal ${ordinal} is ${state}`;
    if (state === 'pending') lost.push(where);
    else if (isWhole && !allowance.sent.includes(state)) misbooked.push(`${where}, but was received`);
    else if (!isWhole && !allowance.unsent.includes(state)) lost.push(`${where}, but was not received whole`);
    if (isWhole && textOf(seen) !== textFor(recipient.language, recipient.firstName)) wrong.push(where);
  }
  tell(lost, 'recipients are lost');
  tell(misbooked, 'recipients are booked wrongly');
  tell(wrong, 'recipients received another text');
  const doubled = doubledOf(sightings);
  const doubledMax = nature === 'alert' ? allowance.openSegments : allowance.informationDoubledMax;
  if (doubled > doubledMax) problems.push(`${doubled} segments doubled; ${doubledMax} are allowed`);
  const unknown = books.recipients.filter(({ state }) => state === 'unknown').length;
  if (unknown > allowance.unknownMax) problems.push(`${unknown} are unknown; ${allowance.unknownMax} are allowed`);
  tell(strangers(books, sightings), 'segments went to nobody who was meant');
  tell(rowsAgainstLog(books, sightings), 'rows do not agree with the log');
  tell(unproven(books), 'recipients are delivered without a receipt');
  for (const name of counterNames) {
    if (books.counters[name] !== books.folded[name])
      problems.push(`counter ${name} says ${books.counters[name]}, the states say ${books.folded[name]}`);
  }
  const segments = [...sightings.values()].reduce((sum, seen) => sum + taken(seen).length, 0);
  return { recipients: books.recipients.length, segments, lost: lost.length, doubled, unknown, problems };
}

/** Segments that the carrier took, be they answered or not. */
function taken(seen: readonly Sighting[] | undefined): readonly Sighting[] {
  return seen?.filter(({ status }) => status === 0) ?? [];
}

function isComplete(seen: readonly Sighting[], { language }: BookedRecipient): boolean {
  return new Set(seen.map(({ part }) => part)).size === segmentsOfLanguage(language);
}

function textOf(seen: readonly Sighting[]): string {
  const parts = new Map(seen.map(({ part, text }) => [part, text]));
  return [...parts.entries()]
    .toSorted(([a], [b]) => a - b)
    .map(([, text]) => text)
    .join('');
}

/** Segments that were taken once more than needed, counted each time. */
export function doubledOf(sightings: ReadonlyMap<string, readonly Sighting[]>): number {
  let doubled = 0;
  for (const all of sightings.values()) {
    const seen = taken(all);
    doubled += seen.length - new Set(seen.map(({ part }) => part)).size;
  }
  return doubled;
}

function strangers({ recipients }: Books, sightings: ReadonlyMap<string, readonly Sighting[]>): string[] {
  const meant = new Set(recipients.map(({ address }) => address));
  return [...sightings.keys()].filter((address) => !meant.has(address)).map((_, i) => `the ${i + 1}. of them`);
}

/** Who is delivered has a receipt for every segment. */
function unproven({ recipients, receipts }: Books): string[] {
  const proven = new Set(receipts.map(({ ordinal, segment }) => `${ordinal}/${segment}`));
  const delivered = recipients.filter(({ state }) => state === 'delivered');
  return delivered.flatMap(({ ordinal, language }) =>
    Array.from({ length: segmentsOfLanguage(language) }, (_, segment) => `${ordinal}/${segment}`)
      .filter((segment) => !proven.has(segment))
      .map((segment) => `segment ${segment}`),
  );
}

/** Every row of an acceptance is one segment of the log, once; every answered acceptance has its row or is unknown. */
function rowsAgainstLog(books: Books, sightings: ReadonlyMap<string, readonly Sighting[]>): string[] {
  const broken: string[] = [];
  const rows = new Set<string>();
  const byOrdinal = new Map(books.recipients.map((recipient) => [recipient.ordinal, recipient]));
  for (const { ordinal, segment, messageId } of books.submissions) {
    const row = `${ordinal}/${segment}/${messageId}`;
    if (rows.has(row)) broken.push(`ordinal ${ordinal} segment ${segment} has the same row twice`);
    rows.add(row);
    const seen = taken(sightings.get(byOrdinal.get(ordinal)?.address ?? ''));
    const isLogged = seen.some((one) => one.part === segment + 1 && one.messageId.endsWith(`/${messageId}`));
    if (!isLogged) broken.push(`ordinal ${ordinal} segment ${segment} has a row and was never received`);
  }
  const booked = new Set(books.submissions.map(({ ordinal, segment }) => `${ordinal}/${segment}`));
  for (const { ordinal, address, state } of books.recipients) {
    for (const { part, answered } of taken(sightings.get(address))) {
      if (answered && state !== 'unknown' && !booked.has(`${ordinal}/${part - 1}`))
        broken.push(`ordinal ${ordinal} segment ${part - 1} is ${state} and has no row`);
    }
  }
  return broken;
}
