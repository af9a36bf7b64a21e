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

/** Leases that are not asked for until nobody holds slots of the account by other names; once that was so, they are. */
export class LeasesAlone implements Leases {
  readonly #leases: Leases;
  readonly #askHeld: () => Promise<readonly string[]>;
  readonly #log: Log;
  #isAlone = false;
  #isTold = false;

  /** `askHeld`: those of the other names of which slots are held. */
  constructor(leases: Leases, askHeld: () => Promise<readonly string[]>, log: Log) {
    this.#leases = leases;
    this.#askHeld = askHeld;
    this.#log = log;
  }

  /** See `SlotLeases`. */
  async renew(leaving: boolean): Promise<SlotsHeld> {
    const others = this.#isAlone ? [] : await this.#askHeld();
    this.#isAlone = others.length === 0;
    if (this.#isAlone) return await this.#leases.renew(leaving);
    if (!this.#isTold) this.#log.warn('slots.divided-otherwise', { heldAs: others.join(' ') });
    this.#isTold = true;
    return { held: [], excess: [] };
  }

  /** See `SlotLeases`. */
  async release(slot: Slot): Promise<void> {
    await this.#leases.release(slot);
  }
}
