/**
 * What the reconciler asks of Redis and puts into it: whether the data are still there, how far a campaign's batches
 * got, and outcomes of batches that nobody can know more of. Runs in the recorder process.
 */
import type { Conveyor, Id, OutcomeHeader, OutcomeKind } from '../handoff.ts';
import { entryVersion, OutcomeWriter } from './entry.ts';
import { readEpoch, writeEpoch } from './epoch.ts';
import { carrierKeys } from './keys.ts';
import type { RedisConnection } from './redis.ts';
import { type Script, script } from './script.ts';
import { raiseLastScript } from './scripts.ts';

/** Octets of an outcome entry with one record. */
const oneRecordBytes = 64;

/** Works through one connection of the role `command`. */
export class StreamConveyor implements Conveyor {
  readonly #redis: RedisConnection;
  readonly #raiseLast: Script;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
    this.#raiseLast = script(redis, raiseLastScript);
  }

  /** See `Conveyor`. */
  async epoch(carrier: string): Promise<string | undefined> {
    return await readEpoch(this.#redis, carrier);
  }

  /** See `Conveyor`. */
  async setEpoch(carrier: string, epoch: string): Promise<void> {
    await writeEpoch(this.#redis, carrier, epoch);
  }

  /** See `Conveyor`. */
  async lastBatch(carrier: string, campaign: Id): Promise<number> {
    return Number((await this.#redis.hget(carrierKeys(carrier).meta(campaign), 'last')) ?? 0);
  }

  /** See `Conveyor`. */
  async raiseLastBatch(carrier: string, campaign: Id, batch: number): Promise<void> {
    await this.#raiseLast(carrierKeys(carrier).prefix, campaign, batch);
  }

  /** See `Conveyor`. */
  async batchesLeft(carrier: string, campaign: Id): Promise<number> {
    return await this.#redis.xlen(carrierKeys(carrier).campaign(campaign));
  }

  /** See `Conveyor`. */
  async lastOutcome(carrier: string): Promise<string> {
    const key = carrierKeys(carrier).outcomes;
    if ((await this.#redis.exists(key)) === 0) return '0-0';
    const facts = (await this.#redis.xinfo('STREAM', key)) as string[];
    return facts[facts.indexOf('last-generated-id') + 1] ?? '0-0';
  }

  /** See `Conveyor`. */
  async settle(carrier: string, header: OutcomeHeader, indexes: readonly number[], kind: OutcomeKind): Promise<void> {
    const writer = new OutcomeWriter(oneRecordBytes);
    for (let from = 0, to = 0; from < indexes.length; from = to) {
      const first = indexes[from] as number;
      while (indexes[to] === first + to - from) to += 1;
      writer.add(first, to - from, 0, 1, kind, 0, '');
    }
    const key = carrierKeys(carrier).outcomes;
    await this.#redis.xadd(key, '*', 'v', entryVersion, 'h', JSON.stringify(header), 'o', writer.take());
  }
}
