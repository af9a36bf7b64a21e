/**
 * The carriers' own account of a campaign: for each number what arrived there and what the handset said of it, from
 * the logs of the simulators alone. Campaigns are told apart by their sender.
 */
import { type LoggedSegment, readEvents } from '../../src/smsc/log-reader.ts';

const throttled = 0x58;
/** message_state of a delivery (SMPP 3.4 §5.2.28). */
const deliveredState = 2;

/** What a carrier knows of one number. */
export type Arrived = {
  readonly carrier: string;
  /** Of all parts together, those refused included, in order. */
  readonly text: string;
  readonly parts: number;
  readonly state: 'delivered' | 'failed' | 'submitted';
};

/** A carrier's account. */
export type Account = {
  readonly arrived: ReadonlyMap<string, Arrived>;
  /** What must never be: parts that came twice or not at all, by number. */
  readonly faults: readonly string[];
  /** Segments that were refused for good, by `carrier command_status`. */
  readonly refused: ReadonlyMap<string, number>;
  /** Epoch milliseconds of each segment's arrival, ascending, throttled ones included. */
  readonly atMs: readonly number[];
};

/** Reads `logs` (paths by carrier) and puts together what came from `sender`. */
export async function accountOf(logs: Readonly<Record<string, string>>, sender: string): Promise<Account> {
  const arrived = new Map<string, Arrived>();
  const faults: string[] = [];
  const refused = new Map<string, number>();
  const atMs: number[] = [];
  for (const [carrier, path] of Object.entries(logs)) {
    const segments = new Map<string, LoggedSegment[]>();
    const states = new Map<string, number>();
    for await (const event of readEvents(path)) {
      if (event.kind === 'receipt-answer' && event.status === 0) states.set(event.messageId, event.state);
      if (event.kind !== 'segment' || event.source !== sender) continue;
      atMs.push(event.atMicros / 1000);
      if (event.status === throttled) continue;
      segments.set(event.destination, [...(segments.get(event.destination) ?? []), event]);
      const key = `${carrier} 0x${event.status.toString(16).padStart(8, '0')}`;
      if (event.status !== 0) refused.set(key, (refused.get(key) ?? 0) + 1);
    }
    for (const [number, parts] of segments) {
      if (arrived.has(number)) faults.push(`${number}: by two carriers`);
      const wrong = faultOf(parts);
      if (wrong !== undefined) faults.push(`${number}: ${wrong}`);
      arrived.set(number, messageOf(carrier, parts, states));
    }
  }
  return { arrived, faults, refused, atMs: atMs.toSorted((a, b) => a - b) };
}

function faultOf(segments: readonly LoggedSegment[]): string | undefined {
  const [first] = segments;
  const wanted = Array.from({ length: first?.parts ?? 0 }, (_, index) => index + 1).join();
  const got = segments.map(({ part }) => part).toSorted((a, b) => a - b);
  if (got.join() !== wanted) return `parts ${got.join()} instead of ${wanted}`;
  return new Set(segments.map(({ reference }) => reference)).size > 1 ? 'parts of two messages' : undefined;
}

function messageOf(carrier: string, parts: readonly LoggedSegment[], states: ReadonlyMap<string, number>): Arrived {
  const text = parts
    .toSorted((a, b) => a.part - b.part)
    .map((segment) => segment.text)
    .join('');
  const ends = parts.map(({ status, messageId }) => (status === 0 ? states.get(messageId) : 0));
  const failed = ends.some((end) => end !== undefined && end !== deliveredState);
  const delivered = ends.every((end) => end === deliveredState);
  return { carrier, text, parts: parts.length, state: failed ? 'failed' : delivered ? 'delivered' : 'submitted' };
}

/** How many of `values` there are of each. */
export function tally(values: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}
