/**
 * Slots of an account that is divided into other shards than before: its binds are the account's, whatever the names,
 * so none is taken while workers of before hold some. Main thread of the worker.
 */
import { accountOf, byAccount, otherNames } from '../src/account.ts';
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
