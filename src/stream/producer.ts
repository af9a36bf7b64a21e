/**
 * Puts campaigns into carriers' streams, in the planner process. Idempotent: a script knows the last batch
 * number, so a planner that starts again adds nothing twice. Information waits in PostgreSQL while a carrier's
 * stream is full; alerts always go in.
 */
import type { Clock } from '../clock.ts';
import { Fault } from '../fault.ts';
import type { Batch, CampaignContent, Enqueue, Id } from '../handoff.ts';
import type { Log } from '../telemetry.ts';
import { batchHeader, entryVersion } from './entry.ts';
import { readEpoch } from './epoch.ts';
import { carrierKeys } from './keys.ts';
import type { RedisConnection } from './redis.ts';
import { Replicas } from './replica.ts';
import { type Script, script } from './script.ts';
import { closeScript, controlScript, enqueueScript, openScript } from './scripts.ts';

/** Batches that one script adds at most: it keeps Redis busy for about a millisecond. */
const addedAtOnceMax = 32;
/** Pause between looks at a full stream. */
const fullLookMs = 100;

/** The enqueuer of a planner. */
export class Producer implements Enqueue {
  readonly #redis: RedisConnection;
  readonly #clock: Clock;
  readonly #waitingBytesMax: number;
  readonly #log: Log;
  readonly #replicas = new Map<string, Replicas>();
  readonly #scripts: Record<'open' | 'enqueue' | 'control' | 'close', Script>;

  /** `waitingBytesMax`: packed bytes of information that may wait per carrier. */
  constructor(redis: RedisConnection, waitingBytesMax: number, clock: Clock, log: Log) {
    this.#redis = redis;
    this.#clock = clock;
    this.#log = log;
    this.#waitingBytesMax = waitingBytesMax;
    this.#scripts = {
      open: script(redis, openScript),
      enqueue: script(redis, enqueueScript),
      control: script(redis, controlScript),
      close: script(redis, closeScript),
    };
  }

  /** See `Enqueue`. */
  async open(carrier: string, content: CampaignContent): Promise<string | undefined> {
    const { prefix } = carrierKeys(carrier);
    await this.#scripts.open(prefix, content.campaign, content.nature, content.weight, JSON.stringify(content));
    return await readEpoch(this.#redis, carrier);
  }

  /** See `Enqueue`. */
  async enqueue(
    carrier: string,
    { campaign, nature }: Pick<CampaignContent, 'campaign' | 'nature'>,
    batches: readonly Batch[],
    signal: AbortSignal,
  ): Promise<number> {
    const { prefix } = carrierKeys(carrier);
    // Where there is a replica, these are on it before the planner goes on: alerts (see README, "What can go wrong"),
    // and what goes in again, which nobody compares with what Redis has as the reconciler does the first attempts. Each
    // part is before the next goes in: by the last number alone a replica that took over would seem to have them all.
    const isDurable = nature === 'alert' || batches.some(({ attempt }) => attempt > 1);
    for (let first = 0; first < batches.length; first += addedAtOnceMax) {
      if (nature === 'information') await this.#room(carrier, signal);
      if (signal.aborted) return first;
      const add = () => this.#add(prefix, campaign, batches.slice(first, first + addedAtOnceMax));
      if (isDurable) await this.#replicasOf(prefix).reached(add);
      else await add();
    }
    return batches.length;
  }

  /** See `Enqueue`. */
  async control(carrier: string, campaign: Id, verb: 'pause' | 'resume' | 'cancel'): Promise<void> {
    await this.#scripts.control(carrierKeys(carrier).prefix, campaign, verb);
  }

  /** See `Enqueue`. */
  async close(carrier: string, campaign: Id): Promise<boolean> {
    return (await this.#scripts.close(carrierKeys(carrier).prefix, campaign)) === 1;
  }

  async #add(prefix: string, campaign: Id, batches: readonly Batch[]): Promise<void> {
    const args = batches.flatMap((batch) => {
      const recipients = batch.only?.length ?? batch.recipients;
      return [batch.number, batch.attempt, batchHeader(batch), batch.packed, recipients];
    });
    const added = await this.#scripts.enqueue(prefix, campaign, entryVersion, ...args);
    // It is over, or Redis lost its data a moment ago: what it does not have must not count as enqueued.
    if (added === -1) throw new Fault('redis', `campaign ${campaign} is not open in Redis any more`);
  }

  #replicasOf(prefix: string): Replicas {
    const known = this.#replicas.get(prefix) ?? new Replicas(this.#redis, prefix, this.#clock, this.#log);
    this.#replicas.set(prefix, known);
    return known;
  }

  async #room(carrier: string, signal: AbortSignal): Promise<void> {
    const key = carrierKeys(carrier).waiting;
    while (!signal.aborted && Number(await this.#redis.get(key)) >= this.#waitingBytesMax) {
      await new Promise<void>((resolve) => this.#clock.after(fullLookMs, resolve));
    }
  }
}
