/**
 * Leases of slots in Redis: which worker may hold which bind of a carrier. `cluster/lease.ts` decides what
 * a holder may do with them.
 */
import { carrierKeys } from './keys.ts';
import { clockOf } from './owner.ts';
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
  readonly #turn: string;
  readonly #renew: Script;
  readonly #release: Script;
  /** Highest token that was ever seen, and the slots as they were last held: what Redis may have lost. */
  #seen = '0';
  #held = new Map<number, string>();

  /**
   * `slots`: binds that the carrier's contract allows. `turn`: as `turnOf` gives it; `worker` ends in random
   * hexadecimal digits then, which are its place on the circle.
   */
  constructor(
    redis: RedisConnection,
    carrier: string,
    worker: string,
    leaseMs: number,
    slots: number,
    turn = turnOf([carrier], carrier),
  ) {
    this.#prefix = carrierKeys(carrier).prefix;
    this.#worker = worker;
    this.#leaseMs = leaseMs;
    this.#slots = slots;
    this.#turn = turn;
    this.#renew = script(redis, slotsScript);
    this.#release = script(redis, releaseSlotScript);
  }

  /** Renews what this worker holds and takes free slots up to its share; `leaving`: takes none. */
  async renew(leaving: boolean): Promise<SlotsHeld> {
    const claims = [...this.#held].flat();
    const args = [this.#worker, this.#leaseMs, this.#slots, leaving ? 1 : 0, this.#seen, this.#turn, ...claims];
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

/** Those of `carriers` of which some worker holds slots at the moment. */
export async function carriersHeld(redis: RedisConnection, carriers: readonly string[]): Promise<string[]> {
  const timeOf = clockOf(redis);
  const held = await Promise.all(
    carriers.map(async (carrier) => {
      const { prefix, slots } = carrierKeys(carrier);
      // Each is `worker|token|end of lease`, as the scripts write it.
      const ends = Object.values(await redis.hgetall(slots)).map((slot) => Number(slot.split('|').at(-1)));
      return ends.length > 0 && Math.max(...ends) > (await timeOf(prefix));
    }),
  );
  return carriers.filter((_, at) => held[at]);
}

/**
 * Workers stand on a circle, each at the last eight digits of its name. Where slots do not divide evenly, each carrier
 * deals the rest from a point of its own on: these points are spread evenly, so that of several carriers every worker
 * gets as many slots as the others, and a worker that comes or goes changes the share of few. Eight hexadecimal digits.
 */
export function turnOf(carriers: readonly string[], carrier: string): string {
  const part = Math.max(0, carriers.indexOf(carrier)) / Math.max(1, carriers.length);
  return Math.floor(part * 0x1_0000_0000)
    .toString(16)
    .padStart(8, '0');
}
