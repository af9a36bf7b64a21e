/**
 * What all connections of one simulated carrier share: accounts, limits, counts, ids, the log and the clock of
 * its receipts. Runs on the main thread of the simulator's process.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { commandStatus } from '../smpp/command-status.ts';
import type { DecodedBind } from '../smpp/pdu.ts';
import { type Behaviour, Chance, Decider } from './behaviour.ts';
import type { SmscLog } from './log.ts';
import type { Memory } from './memory.ts';
import { MessageIds } from './message-ids.ts';
import { RateMeter } from './rate-meter.ts';
import { slotMs } from './receipt-wheel.ts';
import { Receipts } from './receipts.ts';
import { type Counters, type SmscStats, zeroCounters } from './stats.ts';

/** Who may bind. */
export type SmscAccount = { readonly systemId: string; readonly password: string };

/** One account with what belongs to it at run time. */
export type Account = SmscAccount & { readonly receipts: Receipts; binds: number };

type Waiter = { readonly holds: (stats: SmscStats) => boolean; readonly resolve: (stats: SmscStats) => void };

/** What a simulated carrier is made of. */
export type CarrierParts = {
  readonly accounts: readonly SmscAccount[];
  readonly behaviour: Behaviour;
  readonly seed: number;
  readonly log: SmscLog;
  readonly clock: Clock;
  readonly memory: Memory | undefined;
};

/** The shared state of one simulated carrier. */
export class Carrier {
  readonly counters: Counters = zeroCounters();
  readonly received = new RateMeter();
  readonly accepted = new RateMeter();
  readonly ids: MessageIds;
  readonly log: SmscLog;
  readonly clock: Clock;
  decider: Decider;
  /** Monotonic milliseconds of the read or tick being worked on. */
  nowMs = 0;
  /** The same instant in epoch microseconds; never goes back, as times in the log do not. */
  nowMicros = 0;
  readonly #chance: Chance;
  readonly #accounts: readonly Account[];
  /** Wall clock at zero of the monotonic one. */
  #epochMs: number;
  readonly #startedAtMs: number;
  #counter: number;
  #binds = 0;
  #ticking: (() => void) | undefined;
  #waiters: Waiter[] = [];

  constructor({ accounts, behaviour, seed, log, clock, memory }: CarrierParts) {
    this.#accounts = accounts.map((account) => ({ ...account, receipts: new Receipts(), binds: 0 }));
    this.#chance = new Chance(seed);
    this.decider = new Decider(behaviour, this.#chance);
    this.log = log;
    this.clock = clock;
    this.#epochMs = clock.nowMs() - clock.monotonicMs();
    this.#startedAtMs = memory?.startedAtMs ?? clock.nowMs();
    this.#counter = memory?.counter ?? 0;
    for (const { systemId, receipts } of this.#accounts)
      receipts.putAll(Buffer.from(memory?.receipts[systemId] ?? '', 'base64'));
    this.ids = new MessageIds(this.#startedAtMs);
    this.advance();
  }

  /** Takes note of the time; called at the start of every read and tick. */
  advance(): void {
    this.nowMs = this.clock.monotonicMs();
    this.#followWallClock();
    this.nowMicros = Math.max(this.nowMicros, Math.round((this.#epochMs + this.nowMs) * 1000));
    this.received.advance(this.nowMs);
    this.accepted.advance(this.nowMs);
  }

  /** Times in the log are compared with other processes' `Date.now()`; machines correct that by steps. */
  #followWallClock(): void {
    // Whole milliseconds: the true time is less than one later.
    const wallMs = this.clock.nowMs();
    const aheadMs = this.#epochMs + this.nowMs - wallMs;
    if (aheadMs < 0) this.#epochMs -= aheadMs;
    else if (aheadMs > 1) this.#epochMs -= aheadMs - 1;
  }

  /** Number of the next message taken, from 1. */
  nextCounter(): number {
    this.#counter += 1;
    return this.#counter;
  }

  /** Number of the next connection, from 1. */
  nextBind(): number {
    this.#binds += 1;
    return this.#binds;
  }

  /** Changes how the carrier behaves from now on. */
  setBehaviour(behaviour: Behaviour): void {
    this.advance();
    this.decider = new Decider(behaviour, this.#chance);
    for (const account of this.#accounts) account.receipts.tick(this.nowMs, behaviour);
    this.arm();
  }

  /** The account that a bind request belongs to, or the command_status that refuses it. */
  authenticate(bind: DecodedBind): Account | number {
    const { bindStatus, bindsMax } = this.decider.behaviour;
    if (bindStatus !== 0) return bindStatus;
    const account = this.#accounts.find(({ systemId }) => systemId === bind.systemId);
    if (account === undefined) return commandStatus.ESME_RINVSYSID;
    const given = Buffer.from(bind.password);
    const known = Buffer.from(account.password);
    if (given.length !== known.length || !timingSafeEqual(given, known)) return commandStatus.ESME_RINVPASWD;
    return bindsMax > 0 && account.binds >= bindsMax ? commandStatus.ESME_RALYBND : account;
  }

  /** Counts a bind of `account` that begins (1) or ends (-1). */
  countBind(account: Account, change: 1 | -1): void {
    account.binds += change;
    this.counters.binds += change;
    this.counters.bindsPeak = Math.max(this.counters.bindsPeak, this.counters.binds);
  }

  /** Starts the tick that brings receipts forward, unless it runs or has nothing to do. */
  arm(): void {
    if (this.#ticking !== undefined) return;
    if (!this.#accounts.some(({ receipts }) => receipts.needsTime)) return;
    this.#ticking = this.clock.after(slotMs, () => {
      this.#ticking = undefined;
      this.advance();
      for (const { receipts } of this.#accounts) receipts.tick(this.nowMs, this.decider.behaviour);
      this.changed();
      this.arm();
    });
  }

  /** The counts as they are now. */
  stats(): SmscStats {
    let receiptsPending = 0;
    for (const { receipts } of this.#accounts) receiptsPending += receipts.pending;
    const { counters } = this;
    return { ...counters, answers: { ...counters.answers }, perSecondPeak: this.received.peak, receiptsPending };
  }

  /** Resolves with the counts as soon as `holds` is true of them. */
  waitFor(holds: (stats: SmscStats) => boolean): Promise<SmscStats> {
    const now = this.stats();
    if (holds(now)) return Promise.resolve(now);
    return new Promise((resolve) => {
      this.#waiters.push({ holds, resolve });
    });
  }

  /** Counts may have changed: wakes those who wait for them. */
  changed(): void {
    if (this.#waiters.length === 0) return;
    const now = this.stats();
    this.#waiters = this.#waiters.filter(({ holds, resolve }) => {
      if (!holds(now)) return true;
      resolve(now);
      return false;
    });
  }

  /** What it must not forget; to be taken when every connection is gone. */
  takeMemory(): Memory {
    const receipts = this.#accounts.map((account) => [account.systemId, account.receipts.takeAll().toString('base64')]);
    return {
      startedAtMs: this.#startedAtMs,
      counter: this.#counter,
      receipts: Object.fromEntries(receipts) as Memory['receipts'],
    };
  }

  /** Stops ticking and closes the log. */
  close(): void {
    this.#ticking?.();
    this.log.close();
  }
}
