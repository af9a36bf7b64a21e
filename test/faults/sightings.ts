/**
 * What the simulated carriers received, read from their own logs alone: the judge's evidence. Runs in the test's
 * process.
 */
import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { type LoggedSegment, readLog } from '../../src/smsc/log-reader.ts';

/** One segment as a carrier received it. */
export type Sighting = Pick<
  LoggedSegment,
  'atMicros' | 'status' | 'answered' | 'messageId' | 'part' | 'parts' | 'text'
>;

/** Segments of one source address, by destination. */
export type BySource = ReadonlyMap<string, ReadonlyMap<string, readonly Sighting[]>>;

/** What carriers received from a moment on. */
export type Sightings = {
  readonly bySource: BySource;
  /** Arrival of every segment in epoch microseconds, refused ones included, by carrier, ascending. */
  readonly arrivals: ReadonlyMap<string, Float64Array>;
};

/** A carrier's log, and where to begin in it. */
export type LogPart = { readonly carrier: string; readonly path: string; readonly from: number };

/** Reads what the logs hold behind their beginnings. */
export async function readSightings(parts: readonly LogPart[]): Promise<Sightings> {
  const bySource = new Map<string, Map<string, Sighting[]>>();
  const arrivals = new Map<string, Float64Array>();
  for (const { carrier, path, from } of parts) {
    const times: number[] = [];
    for await (const segment of behind(path, from)) {
      times.push(segment.atMicros);
      const destinations = bySource.get(segment.source) ?? new Map<string, Sighting[]>();
      bySource.set(segment.source, destinations);
      const seen = destinations.get(segment.destination) ?? [];
      destinations.set(segment.destination, seen);
      const { atMicros, status, answered, messageId, part, parts: of, text } = segment;
      seen.push({ atMicros, status, answered, messageId: `${carrier}/${messageId}`, part, parts: of, text });
    }
    arrivals.set(carrier, Float64Array.from(times).sort());
  }
  return { bySource, arrivals };
}

/** Segments taken of each source address after its moment in epoch microseconds; sources without any are left out. */
export async function sentAfter(
  parts: readonly LogPart[],
  moments: ReadonlyMap<string, number>,
): Promise<ReadonlyMap<string, number>> {
  const late = new Map<string, number>();
  for (const { path, from } of parts) {
    for await (const { source, status, atMicros } of behind(path, from)) {
      if (status !== 0 || atMicros < (moments.get(source) ?? Number.POSITIVE_INFINITY)) continue;
      late.set(source, (late.get(source) ?? 0) + 1);
    }
  }
  return late;
}

/** Entries end where a simulator's write ended, so the rest of a log is a log. */
async function* behind(path: string, from: number): AsyncGenerator<LoggedSegment> {
  const rest = `${path}.rest`;
  await pipeline(createReadStream(path, { start: from }), createWriteStream(rest));
  try {
    yield* readLog(rest);
  } finally {
    rmSync(rest);
  }
}

/**
 * Most segments of any one second, less what may have waited in the line: what arrives after a silence may have been
 * sent during it, when the machine did not let the carrier read. A sender in its pace is never silent for long.
 */
export function busiestSecond(arrivals: Float64Array, ratePerSecond: number): number {
  let busiest = 0;
  let last = 0;
  let silence = 0;
  for (let first = 0; first < arrivals.length; first++) {
    const at = arrivals[first] ?? 0;
    while (last < arrivals.length && (arrivals[last] ?? 0) < at + 1e6) last++;
    // Of what waited, each segment that comes takes its own time off.
    const pause = first === 0 ? 0 : at - (arrivals[first - 1] ?? 0);
    silence = Math.min(1e6, Math.max(pause, silence - 1e6 / ratePerSecond));
    busiest = Math.max(busiest, last - first - (silence / 1e6) * ratePerSecond);
  }
  return Math.round(busiest);
}
