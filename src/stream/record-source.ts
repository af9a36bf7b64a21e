/**
 * The recorder's side of a carrier's streams: outcomes and receipts after the offsets that PostgreSQL holds.
 * Entries are deleted only once they are committed there.
 */
import type { Clock } from '../clock.ts';
import type { OutcomeRecord, ReceiptRecord, RecordOffsets, RecordRead, RecordSource } from '../handoff.ts';
import type { Log } from '../telemetry.ts';
import { readOutcomeEntry, readReceiptEntry } from './entry.ts';
import { carrierKeys } from './keys.ts';
import type { RedisConnection } from './redis.ts';
import { Replicas } from './replica.ts';
import { type Script, script } from './script.ts';

type Entry = [Buffer, Buffer[]];

/** KEYS prefix. Writes something, also at `maxmemory`, so that its way to a replica can be waited for. */
const seenScript = `#!lua flags=allow-oom
return redis.call('INCR', KEYS[1] .. ':seen')
`;

/**
 * KEYS prefix. ARGV offset of outcomes, of receipts. Redis's time, and of each stream the last id that it had where
 * that was below the offset. Such a stream fell back: its server lost the end of it, or all, and with a clock that is
 * behind it would give what comes now ids that count as recorded. An entry at the offset raises its last id, whether
 * the stream is there or not.
 */
const lookScript = `#!lua flags=allow-oom
local function parts(id)
  local ms, sequence = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(sequence)
end
local function last(stream)
  if redis.call('EXISTS', stream) == 0 then return '0-0' end
  local facts = redis.call('XINFO', 'STREAM', stream)
  for at = 1, #facts, 2 do
    if facts[at] == 'last-generated-id' then return facts[at + 1] end
  end
end
local function raise(stream, offset)
  local had = last(stream)
  local ms, sequence = parts(had)
  local offsetMs, offsetSequence = parts(offset)
  if ms > offsetMs or (ms == offsetMs and sequence >= offsetSequence) then return '' end
  redis.call('XADD', stream, offset, 'v', '0')
  redis.call('XDEL', stream, offset)
  return had
end
local t = redis.call('TIME')
return { t[1], t[2], raise(KEYS[1] .. ':outcomes', ARGV[1]), raise(KEYS[1] .. ':receipts', ARGV[2]) }
`;

/** Reads through one connection of the role `command`. */
export class StreamRecordSource implements RecordSource {
  readonly #redis: RedisConnection;
  readonly #look: Script;
  readonly #seen: Script;
  readonly #waiting: { readonly clock: Clock; readonly log: Log } | undefined;
  readonly #replicas = new Map<string, Replicas>();

  /** With `waiting` replicas are waited for where there are any. */
  constructor(redis: RedisConnection, waiting?: { readonly clock: Clock; readonly log: Log }) {
    this.#redis = redis;
    this.#look = script(redis, lookScript);
    this.#seen = script(redis, seenScript);
    this.#waiting = waiting;
  }

  /** See `RecordSource`. */
  async read(
    carrier: string,
    after: RecordOffsets,
    limits: { readonly outcomeEntriesMax: number; readonly receiptEntriesMax: number },
  ): Promise<RecordRead> {
    const keys = carrierKeys(carrier);
    const nowMs = await this.#now(carrier, after);
    const [outcomeEntries, receiptEntries] = await Promise.all([
      this.#range(keys.outcomes, `(${after.outcomes}`, '+', limits.outcomeEntriesMax),
      this.#range(keys.receipts, `(${after.receipts}`, '+', limits.receiptEntriesMax),
    ]);
    const lastId = outcomeEntries.at(-1)?.[0].toString() ?? after.outcomes;
    const mayHaveMore = outcomeEntries.length >= limits.outcomeEntriesMax;
    return {
      outcomes: outcomeEntries.map(
        ([id, fields]): OutcomeRecord => ({ carrier, id: id.toString(), ...readOutcomeEntry(fields) }),
      ),
      receipts: receiptEntries.map(
        ([id, fields]): ReceiptRecord => ({ carrier, id: id.toString(), ...readReceiptEntry(fields) }),
      ),
      outcomesThroughMs: mayHaveMore ? Number(lastId.split('-')[0]) : nowMs,
      nowMs,
    };
  }

  /** See `RecordSource`. */
  async staying(carrier: string, entries: readonly string[]): Promise<ReadonlySet<string>> {
    const { prefix, outcomes } = carrierKeys(carrier);
    // What is written now reaches a replica after everything that was written before.
    await this.#reached(prefix, () => this.#seen(prefix));
    // Asked for after that: another server may have answered meanwhile, and only what it has is sure.
    const found = await Promise.all(entries.map(async (id) => (await this.#range(outcomes, id, id, 1)).length > 0));
    return new Set(entries.filter((_, at) => found[at]));
  }

  /** See `RecordSource`. */
  async trim(carrier: string, through: RecordOffsets): Promise<void> {
    const keys = carrierKeys(carrier);
    // MINID is safe here, as MAXLEN never is: nothing at or before the offset is needed by anybody.
    await Promise.all([
      this.#redis.xtrim(keys.outcomes, 'MINID', afterId(through.outcomes)),
      this.#redis.xtrim(keys.receipts, 'MINID', afterId(through.receipts)),
    ]);
  }

  /** Milliseconds by the clock that stamps the carrier's entries, once the next of them will be behind `after`. */
  async #now(carrier: string, after: RecordOffsets): Promise<number> {
    const { prefix } = carrierKeys(carrier);
    const answer = (await this.#look(prefix, after.outcomes, after.receipts)) as Buffer[];
    const [seconds, micros, outcomes, receipts] = answer.map(String);
    for (const [stream, had] of Object.entries({ outcomes, receipts }))
      if (had !== '') this.#waiting?.log.warn('recorder.stream.fell-back', { carrier, stream, had });
    return Math.floor(Number(seconds) * 1000 + Number(micros) / 1000);
  }

  async #reached(prefix: string, write: () => Promise<unknown>): Promise<void> {
    if (this.#waiting === undefined) return;
    const { clock, log } = this.#waiting;
    const replicas = this.#replicas.get(prefix) ?? new Replicas(this.#redis, prefix, clock, log);
    this.#replicas.set(prefix, replicas);
    await replicas.reached(write);
  }

  async #range(key: string, from: string, through: string, entriesMax: number): Promise<Entry[]> {
    if (entriesMax < 1) return [];
    return await this.#redis.xrangeBuffer(key, from, through, 'COUNT', entriesMax);
  }
}

/** The smallest entry id after `id`. */
function afterId(id: string): string {
  const [ms = '0', sequence = '0'] = id.split('-');
  return `${ms}-${BigInt(sequence) + 1n}`;
}
