/**
 * Who sees everything in a simulation: what each carrier gets from whom, and which worker Redis says holds each batch.
 * Notes every breach of a rule at the virtual millisecond at which it happens.
 */
import { createHash } from 'node:crypto';
import type { Buffer } from 'node:buffer';
import type { VirtualCarrier } from './carrier.ts';
import type { Share } from './plan.ts';
import type { ScriptRun } from './redis.ts';
import type { VirtualProcess, VirtualTime } from './time.ts';

/** Rules that were broken, and how often. */
export type Breaches = {
  /** Segments that were submitted by somebody who does not hold their batch. */
  foreign: number;
  /** Information that was submitted a second time. */
  doubled: number;
  /** Binds that were opened while workers had all slots of the carrier. */
  slots: number;
};

/** The books of one simulation. */
export class Judge {
  readonly #time: VirtualTime;
  readonly #shares: readonly Share[];
  readonly #batchRecipients: number;
  readonly #shareOfBatch: Uint16Array;
  readonly #holder: (VirtualProcess | undefined)[];
  readonly #submitted: Uint8Array;
  readonly #shareOf = new Map<string, number>();
  readonly #hash = createHash('sha1');
  readonly breaches: Breaches = { foreign: 0, doubled: 0, slots: 0 };
  /** Segments of each organisation in each second, the alert's last. */
  readonly served: Uint32Array[];
  /** Alert segments that were submitted again. */
  alertsAgain = 0;
  /** First and last segment of the alert at each carrier, milliseconds. */
  readonly alertFirstMs: number[] = [];
  readonly alertLastMs: number[] = [];
  /** What a carrier got while its share of the alert was not all submitted. */
  readonly alertMeanwhile: { alert: number; information: number }[];

  /** `batchRecipients`: recipients of every batch. */
  constructor(
    time: VirtualTime,
    shares: readonly Share[],
    batchRecipients: number,
    carriers: readonly string[],
    durationMs: number,
  ) {
    this.#time = time;
    this.#shares = shares;
    this.#batchRecipients = batchRecipients;
    const last = shares.at(-1);
    const recipients = last === undefined ? 0 : last.first + last.count;
    this.#submitted = new Uint8Array(recipients);
    this.#holder = Array.from({ length: recipients / batchRecipients });
    this.#shareOfBatch = new Uint16Array(recipients / batchRecipients);
    shares.forEach(({ first, count, campaign, carrier }, index) => {
      this.#shareOf.set(`{${carriers[carrier]}}/${campaign}`, index);
      this.#shareOfBatch.fill(index, first / batchRecipients, (first + count) / batchRecipients);
    });
    const organisations = Math.max(...shares.map(({ organisation }) => organisation)) + 1;
    this.served = Array.from({ length: organisations }, () => new Uint32Array(Math.ceil(durationMs / 1000)));
    this.alertMeanwhile = carriers.map(() => ({ alert: 0, information: 0 }));
  }

  /** A short text that two runs share only if everything went to the carriers in the same order at the same time. */
  get fingerprint(): string {
    return this.#hash.copy().digest('hex').slice(0, 16);
  }

  /** A script was run: it may have given a batch to somebody. */
  ran({ name, process, prefix, args, reply }: ScriptRun): void {
    if (name === 'takeScript' || name === 'claimScript') {
      for (const [campaign, , , fields] of reply as [Buffer, Buffer, Buffer, Buffer[]][])
        this.#holder[this.#batchOf(prefix, String(campaign), fields)] = process;
    }
    this.#hash.update(`${this.#time.ms} ${name} ${process.name} ${prefix} ${args.length}\n`);
  }

  /** A carrier got segments. */
  submitted(process: VirtualProcess, first: number, count: number): void {
    const batch = Math.floor(first / this.#batchRecipients);
    const share = this.#shares[this.#shareOfBatch[batch] as number] as Share;
    if (this.#holder[batch] !== process) this.breaches.foreign += count;
    for (let number = first; number < first + count; number++) {
      if ((this.#submitted[number] as number) > 0) {
        if (share.isAlert) this.alertsAgain++;
        else this.breaches.doubled++;
      }
      this.#submitted[number] = (this.#submitted[number] as number) + 1;
    }
    const { ms } = this.#time;
    const perSecond = this.served[share.organisation] as Uint32Array;
    const second = Math.floor(ms / 1000);
    perSecond[second] = (perSecond[second] as number) + count;
    this.#hash.update(`${ms} ${process.name} ${first} ${count}\n`);
    this.#noteAlert(share, count);
  }

  /** Somebody has opened a bind: all workers that run have so many slots of the carrier now. */
  opened({ contract }: VirtualCarrier, slots: number): void {
    if (slots > contract.binds) this.breaches.slots++;
  }

  /** Segments that were submitted at least once. */
  get reached(): number {
    let reached = 0;
    for (const times of this.#submitted) if (times > 0) reached++;
    return reached;
  }

  #noteAlert(share: Share, count: number): void {
    const { carrier } = share;
    const meanwhile = this.alertMeanwhile[carrier] as { alert: number; information: number };
    if (share.isAlert) {
      this.alertFirstMs[carrier] ??= this.#time.ms;
      this.alertLastMs[carrier] = this.#time.ms;
      meanwhile.alert += count;
    } else if (meanwhile.alert > 0 && meanwhile.alert < this.#alertCount(carrier)) meanwhile.information += count;
  }

  #alertCount(carrier: number): number {
    return this.#shares.at(carrier - this.alertMeanwhile.length)?.count ?? 0;
  }

  #batchOf(prefix: string, campaign: string, fields: readonly Buffer[]): number {
    const share = this.#shares[this.#shareOf.get(`${prefix}/${campaign}`) ?? -1] as Share;
    const { number } = JSON.parse(String(fields[5])) as { number: number };
    return share.first / this.#batchRecipients + number - 1;
  }
}
