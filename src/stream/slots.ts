/**
 * Leases of slots in Redis: which worker may hold which bind of a carrier. `cluster/lease.ts` decides what
 * a holder may do with them.
 */
import type { Redis } from 'ioredis';
import { carrierKeys } from './keys.ts';
import { type Script, script } from './script.ts';
import { releaseSlotScript, slotsScript } from './scripts.ts';

/** A slot that this worker holds. Tokens only rise; a later holder has a higher one. */
export type Slot = { readonly number: number; readonly token: string };

/** Slots held, and those among them that belong to others by fair share. */
export type SlotsHeld = { readonly held: readonly Slot[]; readonly excess: readonly number[] };

/** Slot leases of one carrier, for one worker. */
export class SlotLeases {
  readonly #prefix: string;
  readonly #worker: string;
  readonly #leaseMs: number;
  readonly #slots: number;
  readonly #renew: Script;
  readonly #release: Script;

  /** `slots`: binds that the carrier's contract allows. */
  constructor(redis: Redis, carrier: string, worker: string, leaseMs: number, slots: number) {
    this.#prefix = carrierKeys(carrier).prefix;
    this.#worker = worker;
    this.#leaseMs = leaseMs;
    this.#slots = slots;
    this.#renew = script(redis, slotsScript);
    this.#release = script(redis, releaseSlotScript);
  }

  /** Renews what this worker holds and takes free slots up to its share; `leaving`: takes none. */
  async renew(leaving: boolean): Promise<SlotsHeld> {
    const reply = await this.#renew(this.#prefix, this.#worker, this.#leaseMs, this.#slots, leaving ? 1 : 0);
    const [held, excess] = reply as [[number, Buffer][], number[]];
    return { held: held.map(([number, token]) => ({ number, token: token.toString() })), excess };
  }

  /** Gives a slot back, once its bind is closed. */
  async release(slot: Slot): Promise<void> {
    await this.#release(this.#prefix, this.#worker, slot.number, slot.token);
  }
}
