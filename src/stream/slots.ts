/**
 * Leases of slots in Redis: which worker may hold which bind of a carrier. `cluster/lease.ts` decides what
 * a holder may do with them.
 */
import { carrierKeys } from './keys.ts';
import type { RedisConnection } from './redis.ts';
import { type Script, script } from './script.ts';
import { releaseSlotScript, slotsScript } from './slot-scripts.ts';

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
  /** Highest token that was ever seen, and the slots as they were last held: what Redis may have lost. */
  #seen = '0';
  #held = new Map<number, string>();

  /** `slots`: binds that the carrier's contract allows. */
  constructor(redis: RedisConnection, carrier: string, worker: string, leaseMs: number, slots: number) {
    this.#prefix = carrierKeys(carrier).prefix;
    this.#worker = worker;
    this.#leaseMs = leaseMs;
    this.#slots = slots;
    this.#renew = script(redis, slotsScript);
    this.#release = script(redis, releaseSlotScript);
  }

  /** Renews what this worker holds and takes free slots up to its share; `leaving`: takes none. */
  async renew(leaving: boolean): Promise<SlotsHeld> {
    const claims = [...this.#held].flat();
    const args = [this.#worker, this.#leaseMs, this.#slots, leaving ? 1 : 0, this.#seen, ...claims];
    const [held, excess, seen] = (await this.#renew(this.#prefix, ...args)) as [[number, Buffer][], number[], Buffer];
    this.#seen = seen.toString();
    const slots = held.map(([number, token]): Slot => ({ number, token: token.toString() }));
    this.#held = new Map(slots.map(({ number, token }) => [number, token]));
    return { held: slots, excess };
  }

  /** Gives a slot back, once its bind is closed. */
  async release({ number, token }: Slot): Promise<void> {
    if (this.#held.get(number) === token) this.#held.delete(number);
    await this.#release(this.#prefix, this.#worker, number, token);
  }
}
