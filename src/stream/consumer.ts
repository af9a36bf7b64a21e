/**
 * A worker's side of one carrier's streams: takes batches that are due, keeps them alive, reserves what
 * is about to be written, records answers and gives back what it cannot finish. Runs on the worker's
 * main thread. Every step is one script that checks the owner; nothing here decides what is sent.
 */
import type { CampaignState, Id, InboundMessage, Lane, OutcomeHeader, Receipt } from '../handoff.ts';
import { type EntryFields, entryVersion, fieldOf, packInbound, packReceipts } from './entry.ts';
import { type CarrierKeys, carrierKeys } from './keys.ts';
import type { RedisConnection } from './redis.ts';
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

/** A batch and who holds it: all that Redis is asked about a batch in hand. */
export type Hold = {
  readonly campaign: Id;
  /** Redis entry id in the campaign's stream. */
  readonly entry: string;
  /** This worker and the number of the hold; a batch that is taken over has another owner. */
  readonly owner: string;
};

/** A batch in a worker's hands. `fields` are still to be read, since they may be unreadable. */
export type TakenBatch = Hold & {
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

/** State of the campaign of a batch in hand; `lost`: somebody else holds the batch. */
export type HoldState = CampaignState | 'lost';

/** Answers of a batch, to be recorded. */
export type Settlement = Hold & {
  /** 1 for the first flush of this batch by this holder, then one more each. */
  readonly flush: number;
  /** Every frame has its outcome: acknowledge and delete the batch. */
  readonly done: boolean;
  readonly header: OutcomeHeader;
  readonly packed: Buffer;
  readonly answered: Buffer;
  readonly packedBytes: number;
  /** Answers are facts, and recorded even when the batch is somebody else's by now; other outcomes are not. */
  readonly areAnswers: boolean;
};

/** Where reservations are made. */
export type Reserving = {
  /** Role `command`; waiting for a replica holds up whatever else goes over it. */
  readonly redis: RedisConnection;
  /** Resolves when what `write` wrote is on a replica, if there is one: what was reserved may be written then. */
  reached<Reply>(write: () => Promise<Reply>): Promise<Reply>;
};

/** Streams of one carrier, for one worker. */
export class Consumer {
  readonly #redis: RedisConnection;
  readonly #keys: CarrierKeys;
  readonly #worker: string;
  readonly #leaseMs: number;
  readonly #reserving: Reserving;
  #holds = 0;
  readonly #scripts: Record<'take' | 'claim' | 'renew' | 'reserve' | 'settle' | 'giveBack' | 'setAside', Script>;

  /**
   * `worker` names the holder in ledgers and is this process's alone, for ever; `leaseMs` is how long a batch is safe
   * without renewal. `reserving`: by default over `redis`, and no replica is waited for.
   */
  constructor(
    redis: RedisConnection,
    carrier: string,
    worker: string,
    leaseMs: number,
    reserving: Reserving = { redis, reached: (write) => write() },
  ) {
    this.#redis = redis;
    this.#reserving = reserving;
    this.#keys = carrierKeys(carrier);
    this.#worker = worker;
    this.#leaseMs = leaseMs;
    this.#scripts = {
      take: script(redis, takeScript),
      claim: script(redis, claimScript),
      renew: script(redis, renewScript),
      reserve: script(reserving.redis, reserveScript),
      settle: script(redis, settleScript),
      giveBack: script(redis, giveBackScript),
      setAside: script(redis, setAsideScript),
    };
  }

  /** Up to `count` batches of the first of `lanes` that has any; empty when nothing is due. */
  async take(lanes: readonly Lane[], count: number): Promise<TakenBatch[]> {
    const owner = this.#nextOwner();
    const reply = await this.#scripts.take(this.#keys.prefix, this.#worker, owner, this.#leaseMs, count, ...lanes);
    return (reply as TakenRow[]).map((row) => takenOf(row, owner));
  }

  /** Up to `count` batches whose holder has stopped renewing them, perhaps this worker itself. */
  async claim(count: number): Promise<TakenBatch[]> {
    const owner = this.#nextOwner();
    const reply = await this.#scripts.claim(this.#keys.prefix, this.#worker, owner, this.#leaseMs, count);
    return (reply as [...TakenRow, Buffer, Buffer, Buffer, Buffer, Buffer][]).map((row) => ({
      ...takenOf([row[0], row[1], row[2], row[3]], row[4].toString()),
      ledger: { reserved: Number(row[5]), frames: Number(row[6]), answered: row[7], again: numbersOf(row[8]) },
    }));
  }

  /** Keeps batches alive; for each its campaign's state, or `lost` when it is somebody else's. */
  async renew(holds: readonly Hold[]): Promise<HoldState[]> {
    if (holds.length === 0) return [];
    const members = holds.flatMap((hold) => [memberOf(hold), hold.owner]);
    const reply = await this.#scripts.renew(this.#keys.prefix, this.#leaseMs, ...members);
    return (reply as Buffer[]).map((state) => state.toString() as HoldState);
  }

  /**
   * Says that frames up to `reserved` of `frames` may be written from now on, and keeps the batch alive. Returns the
   * campaign's state, or `lost`: nothing may be written.
   */
  async reserve(hold: Hold, reserved: number, frames: number): Promise<HoldState> {
    const { prefix } = this.#keys;
    const args = [memberOf(hold), hold.owner, reserved, frames];
    const reply = await this.#reserving.reached(() => this.#scripts.reserve(prefix, this.#leaseMs, ...args));
    return (reply as Buffer).toString() as HoldState;
  }

  /** Records answers; false: recorded, but the batch is not ours any more. */
  async settle(s: Settlement): Promise<boolean> {
    const reply = await this.#scripts.settle(
      this.#keys.prefix,
      s.owner,
      memberOf(s),
      s.flush,
      s.done ? 1 : 0,
      entryVersion,
      JSON.stringify(s.header),
      s.packed,
      s.answered,
      s.packedBytes,
      s.areAnswers ? 1 : 0,
    );
    return reply === 1;
  }

  /** Lets another worker go on after frame `ledger.reserved`; changes nothing when the batch is not ours any more. */
  async giveBack(hold: Hold, ledger: Ledger): Promise<void> {
    const { reserved, frames, answered, again } = ledger;
    const { prefix } = this.#keys;
    await this.#scripts.giveBack(prefix, hold.owner, memberOf(hold), reserved, frames, answered, again.join(','));
  }

  /** Puts an entry that nobody can read out of the way, where people can see it with the reason. */
  async setAside(taken: TakenBatch, reason: string): Promise<void> {
    const packedBytes = fieldOf(taken.fields, 'p')?.length ?? 0;
    const { prefix } = this.#keys;
    await this.#scripts.setAside(prefix, taken.owner, memberOf(taken), reason, packedBytes, ...taken.fields);
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

  #nextOwner(): string {
    this.#holds++;
    return `${this.#worker}#${this.#holds}`;
  }
}

type TakenRow = [campaign: Buffer, entry: Buffer, state: Buffer, fields: Buffer[]];

function numbersOf(commaSeparated: Buffer): number[] {
  return commaSeparated.length === 0 ? [] : commaSeparated.toString().split(',').map(Number);
}

function memberOf(batch: { campaign: Id; entry: string }): string {
  return `${batch.campaign}/${batch.entry}`;
}

function takenOf([campaign, entry, state, fields]: TakenRow, owner: string): TakenBatch {
  return {
    campaign: campaign.toString(),
    entry: entry.toString(),
    owner,
    state: state.toString() as CampaignState,
    fields,
  };
}
