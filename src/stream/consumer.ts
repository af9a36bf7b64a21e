/**
 * A worker's side of one carrier's streams: takes batches that are due, keeps them alive, reserves what
 * is about to be written, records answers and gives back what it cannot finish. Runs on the worker's
 * main thread. Every step is one script that checks the owner; nothing here decides what is sent.
 */
import type { Redis } from 'ioredis';
import type { CampaignState, Id, InboundMessage, Lane, OutcomeHeader, Receipt } from '../handoff.ts';
import { type EntryFields, entryVersion, packInbound, packReceipts } from './entry.ts';
import { type CarrierKeys, carrierKeys } from './keys.ts';
import { type Script, script } from './script.ts';
import {
  claimScript,
  giveBackScript,
  renewScript,
  reserveScript,
  setAsideScript,
  settleScript,
  takeScript,
} from './scripts.ts';

/** A batch in a worker's hands. `fields` are still to be read, since they may be unreadable. */
export type TakenBatch = {
  readonly campaign: Id;
  /** Redis entry id in the campaign's stream. */
  readonly entry: string;
  readonly state: CampaignState;
  readonly fields: EntryFields;
  /** What an earlier holder left; undefined when there was none. */
  readonly ledger?: Ledger;
};

/** What Redis knows of a batch that was begun. */
export type Ledger = {
  /** Frames, from the first, that may have been written. */
  readonly reserved: number;
  /** Frames that the batch had for the earlier holder. */
  readonly frames: number;
  /** One bit for each frame that was answered. */
  readonly answered: Buffer;
  /** Frames that were written and refused for a while: to be written again. */
  readonly again: readonly number[];
};

/** Answers of a batch, to be recorded. */
export type Settlement = {
  readonly campaign: Id;
  readonly entry: string;
  /** 1 for the first flush of this batch by this holder, then one more each. */
  readonly flush: number;
  /** Every frame has its outcome: acknowledge and delete the batch. */
  readonly done: boolean;
  readonly header: OutcomeHeader;
  readonly packed: Buffer;
  readonly answered: Buffer;
  readonly packedBytes: number;
};

/** Streams of one carrier, for one worker. */
export class Consumer {
  readonly #redis: Redis;
  readonly #keys: CarrierKeys;
  readonly #worker: string;
  readonly #leaseMs: number;
  readonly #scripts: Record<'take' | 'claim' | 'renew' | 'reserve' | 'settle' | 'giveBack' | 'setAside', Script>;

  /** `worker` names the holder in ledgers; `leaseMs` is how long a batch is safe without renewal. */
  constructor(redis: Redis, carrier: string, worker: string, leaseMs: number) {
    this.#redis = redis;
    this.#keys = carrierKeys(carrier);
    this.#worker = worker;
    this.#leaseMs = leaseMs;
    this.#scripts = {
      take: script(redis, takeScript),
      claim: script(redis, claimScript),
      renew: script(redis, renewScript),
      reserve: script(redis, reserveScript),
      settle: script(redis, settleScript),
      giveBack: script(redis, giveBackScript),
      setAside: script(redis, setAsideScript),
    };
  }

  /** Up to `count` batches of the first of `lanes` that has any; empty when nothing is due. */
  async take(lanes: readonly Lane[], count: number): Promise<TakenBatch[]> {
    const reply = await this.#scripts.take(this.#keys.prefix, this.#worker, this.#leaseMs, count, ...lanes);
    return (reply as [Buffer, Buffer, Buffer, Buffer[]][]).map(takenOf);
  }

  /** Up to `count` batches whose holder has stopped renewing them. */
  async claim(count: number): Promise<TakenBatch[]> {
    const reply = await this.#scripts.claim(this.#keys.prefix, this.#worker, this.#leaseMs, count);
    return (reply as [Buffer, Buffer, Buffer, Buffer[], Buffer, Buffer, Buffer, Buffer][]).map((row) => ({
      ...takenOf([row[0], row[1], row[2], row[3]]),
      ledger: { reserved: Number(row[4]), frames: Number(row[5]), answered: row[6], again: numbersOf(row[7]) },
    }));
  }

  /** Keeps batches alive; for each its campaign's state, or `lost` when it is somebody else's. */
  async renew(batches: readonly { campaign: Id; entry: string }[]): Promise<(CampaignState | 'lost')[]> {
    if (batches.length === 0) return [];
    const reply = await this.#scripts.renew(this.#keys.prefix, this.#worker, this.#leaseMs, ...batches.map(memberOf));
    return (reply as Buffer[]).map((state) => state.toString() as CampaignState | 'lost');
  }

  /** Says that frames up to `reserved` of `frames` may be written from now on; false: not ours any more. */
  async reserve(campaign: Id, entry: string, reserved: number, frames: number): Promise<boolean> {
    return (await this.#scripts.reserve(this.#keys.ledger(campaign, entry), this.#worker, reserved, frames)) === 1;
  }

  /** Records answers; false: recorded, but the batch is not ours any more. */
  async settle(s: Settlement): Promise<boolean> {
    const reply = await this.#scripts.settle(
      this.#keys.prefix,
      this.#worker,
      memberOf(s),
      s.flush,
      s.done ? 1 : 0,
      entryVersion,
      JSON.stringify(s.header),
      s.packed,
      s.answered,
      s.packedBytes,
    );
    return reply === 1;
  }

  /** Lets another worker go on after frame `ledger.reserved`. */
  async giveBack(batch: { campaign: Id; entry: string }, ledger: Ledger): Promise<void> {
    const { reserved, frames, answered, again } = ledger;
    const member = memberOf(batch);
    await this.#scripts.giveBack(this.#keys.prefix, this.#worker, member, reserved, frames, answered, again.join(','));
  }

  /** Puts an entry that nobody can read out of the way, where people can see it with the reason. */
  async setAside(batch: { campaign: Id; entry: string; fields: EntryFields }, reason: string): Promise<void> {
    await this.#scripts.setAside(this.#keys.prefix, memberOf(batch), reason, ...batch.fields);
  }

  /** Stores receipts and inbound messages; once it resolves, the carrier may be answered. */
  async putReceipts(atMs: number, receipts: readonly Receipt[], inbound: readonly InboundMessage[]): Promise<void> {
    const fields: (string | Buffer)[] = ['v', entryVersion, 'h', JSON.stringify({ atMs })];
    if (receipts.length > 0) fields.push('r', packReceipts(receipts));
    if (inbound.length > 0) fields.push('m', packInbound(inbound));
    await this.#redis.xadd(this.#keys.receipts, '*', ...fields);
  }

  /** The JSON of a campaign's content; undefined when Redis does not have it. */
  async content(campaign: Id): Promise<string | undefined> {
    return (await this.#redis.get(this.#keys.content(campaign))) ?? undefined;
  }
}

function numbersOf(commaSeparated: Buffer): number[] {
  return commaSeparated.length === 0 ? [] : commaSeparated.toString().split(',').map(Number);
}

function memberOf(batch: { campaign: Id; entry: string }): string {
  return `${batch.campaign}/${batch.entry}`;
}

function takenOf([campaign, entry, state, fields]: [Buffer, Buffer, Buffer, Buffer[]]): TakenBatch {
  return {
    campaign: campaign.toString(),
    entry: entry.toString(),
    state: state.toString() as CampaignState,
    fields,
  };
}
