/**
 * Slots of an account that is divided into other shards than before: its binds are the account's, whatever the names,
 * so none is taken while workers of before hold some. Main thread of the worker.
 */
import { accountOf, byAccount, otherNames } from '../src/account.ts';
import type { Clock } from '../src/clock.ts';
import type { Slot, SlotsHeld } from '../src/stream/slots.ts';
import type { Log } from '../src/telemetry.ts';
import type { Leases } from './lease.ts';

/** By carrier, the names that its account would have if it were divided otherwise. */
export function otherNamesOf(carriers: readonly string[]): (carrier: string) => readonly string[] {
  const accounts = byAccount(carriers);
  return (carrier) => {
    const account = accountOf(carrier);
    return otherNames(account, accounts.get(account) ?? [carrier]);
  };
}

/** A name that has been silent for long is listened to for so much longer with each look. */
const lookMsMin = 100;

/** What is needed to ask who holds slots by other names. */
export type OtherNamesOptions = {
  readonly names: readonly string[];
  readonly isHeld: (name: string) => Promise<boolean>;
  /** Of a slot. */
  readonly leaseMs: number;
  readonly clock: Clock;
};

/**
 * By which other names of an account slots are held. Each name may lie on a node of its own, and one that is away must
 * not keep the rest from sending: who holds slots there cannot renew them, so a name that says nothing for a whole
 * lease counts as held by nobody.
 */
export class OtherNames {
  readonly #options: OtherNamesOptions;
  readonly #unanswered = new Map<string, { readonly sinceMs: number; answer: Promise<boolean> | undefined }>();

  constructor(options: OtherNamesOptions) {
    this.#options = options;
  }

  /** Those of the names of which slots are held. Throws what asking throws, until a lease has passed. */
  async held(): Promise<string[]> {
    const { names } = this.#options;
    const held = await Promise.all(names.map((name) => this.#isHeld(name)));
    return names.filter((_, at) => held[at]);
  }

  async #isHeld(name: string): Promise<boolean> {
    const { clock, leaseMs } = this.#options;
    const asked = this.#unanswered.get(name) ?? { sinceMs: clock.monotonicMs(), answer: undefined };
    this.#unanswered.set(name, asked);
    asked.answer ??= this.#options.isHeld(name);
    let cancel = (): void => undefined;
    const silence = new Promise<undefined>((resolve) => {
      const restMs = asked.sinceMs + leaseMs - clock.monotonicMs();
      cancel = clock.after(Math.max(lookMsMin, restMs), () => resolve(undefined));
    });
    try {
      const answer = await Promise.race([asked.answer, silence]);
      if (answer === undefined) return false;
      this.#unanswered.delete(name);
      return answer;
    } catch (error) {
      asked.answer = undefined;
      if (clock.monotonicMs() - asked.sinceMs < leaseMs) throw error;
      return false;
    } finally {
      cancel();
    }
  }
}

/** How many renewals whoever gave way sits out at most, so that two do not give way to each other for ever. */
const sitOutMax = 4;
const none: SlotsHeld = { held: [], excess: [] };

/**
 * Leases that are not asked for while somebody holds slots of the account by other names. A name has a Redis node of
 * its own, so no step takes a slot and sees the others: whoever takes the first ones looks once more before it uses
 * them, and gives way. Of two that take at once at least one sees the other. While it holds some, nobody else does.
 */
export class LeasesAlone implements Leases {
  readonly #leases: Leases;
  readonly #askHeld: () => Promise<readonly string[]>;
  readonly #log: Log;
  /** Tokens of the slots that may be used, by number. */
  #sure: ReadonlyMap<number, string> = new Map();
  #isAlone = false;
  #isTold = false;
  #sitsOut = 0;

  /** `askHeld`: those of the other names of which slots are held. */
  constructor(leases: Leases, askHeld: () => Promise<readonly string[]>, log: Log) {
    this.#leases = leases;
    this.#askHeld = askHeld;
    this.#log = log;
  }

  /** See `SlotLeases`. */
  async renew(leaving: boolean): Promise<SlotsHeld> {
    if (leaving) return await this.#leases.renew(true);
    if (this.#sitsOut > 0) {
      this.#sitsOut -= 1;
      return none;
    }
    if (!this.#isAlone && (await this.#isHeldOtherwise())) return none;
    this.#isAlone = true;
    const slots = await this.#leases.renew(false);
    const isSure = slots.held.some(({ number, token }) => this.#sure.get(number) === token);
    if (slots.held.length > 0 && !isSure && (await this.#isHeldOtherwise())) {
      await this.#giveWay(slots.held);
      return none;
    }
    this.#sure = new Map(slots.held.map(({ number, token }) => [number, token]));
    return slots;
  }

  /** See `SlotLeases`. */
  async release(slot: Slot): Promise<void> {
    await this.#leases.release(slot);
  }

  async #isHeldOtherwise(): Promise<boolean> {
    const others = await this.#askHeld();
    if (others.length === 0) return false;
    if (!this.#isTold) this.#log.warn('slots.divided-otherwise', { heldAs: others.join(' ') });
    this.#isTold = true;
    return true;
  }

  async #giveWay(held: readonly Slot[]): Promise<void> {
    this.#isAlone = false;
    this.#sitsOut = Math.floor(Math.random() * sitOutMax);
    await Promise.all(held.map((slot) => this.#leases.release(slot)));
  }
}
