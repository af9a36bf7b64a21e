/**
 * The recorder's side of a carrier's streams: outcomes and receipts after the offsets that PostgreSQL holds.
 * Entries are deleted only once they are committed there.
 */
import type { OutcomeRecord, ReceiptRecord, RecordOffsets, RecordRead, RecordSource } from '../handoff.ts';
import { readOutcomeEntry, readReceiptEntry } from './entry.ts';
import { carrierKeys } from './keys.ts';
import { clockOf } from './owner.ts';
import type { RedisConnection } from './redis.ts';

type Entry = [Buffer, Buffer[]];

/** Reads through one connection of the role `command`. */
export class StreamRecordSource implements RecordSource {
  readonly #redis: RedisConnection;
  readonly #timeOf: (key: string) => Promise<number>;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
    this.#timeOf = clockOf(redis);
  }

  /** See `RecordSource`. */
  async read(
    carrier: string,
    after: RecordOffsets,
    limits: { readonly outcomeEntriesMax: number; readonly receiptEntriesMax: number },
  ): Promise<RecordRead> {
    const keys = carrierKeys(carrier);
    // By the clock that stamps the carrier's outcomes.
    const nowMs = Math.floor(await this.#timeOf(keys.prefix));
    const [outcomeEntries, receiptEntries] = await Promise.all([
      this.#range(keys.outcomes, after.outcomes, limits.outcomeEntriesMax),
      this.#range(keys.receipts, after.receipts, limits.receiptEntriesMax),
    ]);
    const lastId = outcomeEntries.at(-1)?.[0].toString() ?? after.outcomes;
    const mayHaveMore = outcomeEntries.length >= limits.outcomeEntriesMax;
    return {
      outcomes: outcomeEntries.map(
        ([id, fields]): OutcomeRecord => ({ id: id.toString(), ...readOutcomeEntry(fields) }),
      ),
      receipts: receiptEntries.map(
        ([id, fields]): ReceiptRecord => ({ id: id.toString(), ...readReceiptEntry(fields) }),
      ),
      outcomesThroughMs: mayHaveMore ? Number(lastId.split('-')[0]) : nowMs,
    };
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

  async #range(key: string, after: string, entriesMax: number): Promise<Entry[]> {
    if (entriesMax < 1) return [];
    return await this.#redis.xrangeBuffer(key, `(${after}`, '+', 'COUNT', entriesMax);
  }
}

/** The smallest entry id after `id`. */
function afterId(id: string): string {
  const [ms = '0', sequence = '0'] = id.split('-');
  return `${ms}-${BigInt(sequence) + 1n}`;
}
