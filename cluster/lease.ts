/**
 * Which binds of a carrier this worker may hold, by leases in Redis (Redis's clock, rising tokens). A lease is
 * trusted for 0.8 of its length by our own monotonic clock, from before its renewal was asked; after that the
 * bind is closed at once, so that a worker which was stopped and goes on never sends beside its successor.
 */
import type { Clock } from '../src/clock.ts';
import type { Slot, SlotsHeld } from '../src/stream/slots.ts';
import type { Log } from '../src/telemetry.ts';

/** Part of a lease that its holder believes in. */
const trust = 0.8;

/** Leases in Redis, as `SlotLeases` gives them. */
export type Leases = {
  renew(leaving: boolean): Promise<SlotsHeld>;
  release(slot: Slot): Promise<void>;
};

/** What is done with slots, as `Pool` does it. */
export type SlotBinds = {
  /** Nothing may be submitted from `untilMs` (monotonic) on. */
  trust(untilMs: number): void;
  open(slot: number): void;
  close(slot: number, deadlineMs: number): Promise<void>;
  abandon(slot: number): void;
};

/** Slots of one carrier for this worker. */
export class SlotHolder {
  readonly #leases: Leases;
  readonly #binds: SlotBinds;
  readonly #leaseMs: number;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #held = new Map<number, Slot>();
  readonly #closing = new Map<number, Promise<void>>();
  #trustedUntilMs = 0;
  /** A carrier may not have noticed yet that the binds of before are closed: until then (monotonic) none is opened. */
  #opensFromMs = 0;
  #isLeaving = false;
  #isStopped = false;
  #renewing: Promise<void> | undefined;
  /** The look that follows the present one, which may have been too early for what it was asked for. */
  #following: Promise<void> | undefined;
  #cancelRenew: () => void = () => undefined;
  #cancelDistrust: () => void = () => undefined;

  constructor(leases: Leases, binds: SlotBinds, leaseMs: number, clock: Clock, log: Log) {
    this.#leases = leases;
    this.#binds = binds;
    this.#leaseMs = leaseMs;
    this.#clock = clock;
    this.#log = log;
  }

  /** Takes a share of the slots and keeps it. */
  async start(): Promise<void> {
    await this.renew();
  }

  /** Looks at once; also called when a slot was given back somewhere. */
  async renew(): Promise<void> {
    if (this.#isStopped) return;
    if (this.#renewing !== undefined) {
      this.#following ??= this.#renewing.then(() => {
        this.#following = undefined;
        return this.renew();
      });
      return await this.#following;
    }
    this.#renewing = this.#renewOnce().finally(() => {
      this.#renewing = undefined;
    });
    await this.#renewing;
  }

  /** Drains and gives back every slot. */
  async stop(deadlineMs: number): Promise<void> {
    this.#isLeaving = true;
    await this.#renewing;
    // It leaves the register of workers before it gives back its slots: while it is there, others leave it a share.
    const unregistered = this.renew();
    const cancel = this.#clock.after(Math.max(0, deadlineMs - this.#clock.monotonicMs()), () => {
      for (const number of this.#closing.keys()) this.#binds.abandon(number);
    });
    for (const slot of this.#held.values()) this.#giveBack(slot, deadlineMs);
    await Promise.all([unregistered, ...this.#closing.values()]);
    cancel();
    this.#isStopped = true;
    this.#cancelRenew();
    this.#cancelDistrust();
  }

  async #renewOnce(): Promise<void> {
    this.#cancelRenew();
    const askedMs = this.#clock.monotonicMs();
    try {
      const { held, excess } = await this.#leases.renew(this.#isLeaving);
      this.#trustedUntilMs = askedMs + this.#leaseMs * trust;
      this.#armDistrust();
      this.#adopt(held, excess);
      this.#binds.trust(this.#trustedUntilMs);
      const deadlineMs = this.#clock.monotonicMs() + this.#leaseMs * trust;
      for (const slot of this.#held.values())
        if (!this.#isLeaving && excess.includes(slot.number)) this.#giveBack(slot, deadlineMs);
    } catch (error) {
      this.#log.warn('slots.renew-failed', {}, error);
    }
    if (this.#isStopped) return;
    this.#cancelRenew = this.#clock.after(this.#leaseMs / 4, () => void this.renew());
  }

  #adopt(held: readonly Slot[], excess: readonly number[]): void {
    const tokens = new Map(held.map((slot) => [slot.number, slot.token]));
    for (const [number, slot] of this.#held) {
      if (tokens.get(number) === slot.token) continue;
      this.#log.warn('slot.lost', { slot: number });
      this.#drop(number);
    }
    const nowMs = this.#clock.monotonicMs();
    const mayOpen = nowMs >= this.#opensFromMs && nowMs < this.#trustedUntilMs;
    for (const slot of held) {
      if (this.#held.has(slot.number) || this.#closing.has(slot.number)) continue;
      if (this.#isLeaving || excess.includes(slot.number)) {
        void this.#release(slot);
        continue;
      }
      // The next renewal gives it again.
      if (!mayOpen) continue;
      this.#log.info('slot.taken', { slot: slot.number, token: slot.token });
      this.#held.set(slot.number, slot);
      this.#binds.open(slot.number);
    }
  }

  #giveBack(slot: Slot, deadlineMs: number): void {
    if (this.#closing.has(slot.number)) return;
    const closing = this.#closeAndRelease(slot, deadlineMs).finally(() => this.#closing.delete(slot.number));
    this.#closing.set(slot.number, closing);
  }

  /**
   * The slot counts as closing until Redis has answered: a renewal that was on its way meanwhile still names it as
   * ours, and must not open it again.
   */
  async #closeAndRelease(slot: Slot, deadlineMs: number): Promise<void> {
    await this.#binds.close(slot.number, deadlineMs);
    await this.#release(slot);
    if (this.#held.get(slot.number) === slot) this.#held.delete(slot.number);
  }

  async #release(slot: Slot): Promise<void> {
    try {
      await this.#leases.release(slot);
      this.#log.info('slot.released', { slot: slot.number });
    } catch (error) {
      this.#log.warn('slot.release-failed', { slot: slot.number }, error);
    }
  }

  #drop(number: number): void {
    this.#held.delete(number);
    this.#binds.abandon(number);
  }

  #armDistrust(): void {
    this.#cancelDistrust();
    this.#cancelDistrust = this.#clock.after(this.#trustedUntilMs - this.#clock.monotonicMs(), () => {
      if (this.#clock.monotonicMs() < this.#trustedUntilMs) return this.#armDistrust();
      if (this.#held.size === 0) return;
      this.#log.error('slots.distrusted', { slots: this.#held.size });
      for (const number of this.#held.keys()) this.#drop(number);
      // As long as a successor would have had to wait for.
      this.#opensFromMs = this.#trustedUntilMs + this.#leaseMs * (1 - trust);
    });
  }
}
