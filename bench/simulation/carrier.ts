/**
 * Carriers in virtual time: each answers every submit_sm after its round trip, refuses binds above its contract with
 * ESME_RALYBND, and keeps count of what it got. A connection of a process that dies is closed; one of a process that is
 * frozen stays open, as the network knows nothing of that.
 */
import assert from 'node:assert';
import type { Connection } from '../../src/carrier/bind.ts';
import type { LinkHandlers, LinkSettings, Run } from '../../src/carrier/link.ts';
import type { VirtualProcess, VirtualTime } from './time.ts';

/** A contract. */
export type Contract = {
  readonly name: string;
  readonly binds: number;
  readonly ratePerSecond: number;
  readonly roundTripMs: number;
  readonly window: number;
};

/** Who hears of what a carrier gets: the number of the first recipient of `count` successive ones. */
export type Submitted = (process: VirtualProcess, first: number, count: number) => void;

/** One carrier. */
export class VirtualCarrier {
  readonly contract: Contract;
  /** Segments by the millisecond. */
  readonly perMs: Uint32Array;
  readonly #time: VirtualTime;
  readonly #submitted: Submitted;
  readonly #open = new Set<VirtualConnection>();
  bindsPeak = 0;
  /** Binds that were refused, by the second. */
  readonly refusedPerSecond: Uint32Array;

  constructor(contract: Contract, durationMs: number, time: VirtualTime, submitted: Submitted) {
    this.contract = contract;
    this.perMs = new Uint32Array(durationMs + 1);
    this.refusedPerSecond = new Uint32Array(Math.ceil(durationMs / 1000) + 1);
    this.#time = time;
    this.#submitted = submitted;
  }

  /** Connections that are bound. */
  get binds(): number {
    return this.#open.size;
  }

  /** A connection of a process. */
  connect(process: VirtualProcess, settings: LinkSettings, handlers: LinkHandlers): Connection {
    return new VirtualConnection(this, process, settings, handlers, this.#time);
  }

  /** A bind arrives; false when the contract has no place for it. */
  bind(connection: VirtualConnection): boolean {
    if (this.#open.size >= this.contract.binds) {
      const second = Math.floor(this.#time.ms / 1000);
      this.refusedPerSecond[second] = (this.refusedPerSecond[second] ?? 0) + 1;
      return false;
    }
    this.#open.add(connection);
    this.bindsPeak = Math.max(this.bindsPeak, this.#open.size);
    return true;
  }

  /** A connection's end arrives. */
  closed(connection: VirtualConnection): void {
    this.#open.delete(connection);
  }

  /** The process is dead: its kernel closes its connections. */
  processDied(process: VirtualProcess): void {
    for (const connection of this.#open) if (connection.process === process) connection.hangUp();
  }

  /** Segments arrive. The way there takes as long for all, and is left out. */
  take(connection: VirtualConnection, { bytes, offsets, from, to }: Run): void {
    assert(this.#open.has(connection), 'only what is bound is written to');
    const count = to - from;
    this.perMs[this.#time.ms] = (this.perMs[this.#time.ms] ?? 0) + count;
    this.#submitted(connection.process, numberIn(bytes, offsets[from] as number), count);
  }
}

/** A connection to a carrier. */
class VirtualConnection implements Connection {
  readonly process: VirtualProcess;
  readonly #carrier: VirtualCarrier;
  readonly #settings: LinkSettings;
  readonly #handlers: LinkHandlers;
  readonly #time: VirtualTime;
  readonly #open: Run[] = [];
  inFlight = 0;
  #phase: 'connecting' | 'bound' | 'draining' | 'closed' = 'connecting';

  constructor(
    carrier: VirtualCarrier,
    process: VirtualProcess,
    settings: LinkSettings,
    handlers: LinkHandlers,
    time: VirtualTime,
  ) {
    this.#carrier = carrier;
    this.process = process;
    this.#settings = settings;
    this.#handlers = handlers;
    this.#time = time;
    // TCP and the bind itself take a round trip each.
    this.#in(1.5, () => this.#askToBind());
  }

  get room(): number {
    return this.#phase === 'bound' ? Math.max(0, this.#settings.window - this.inFlight) : 0;
  }

  get isBound(): boolean {
    return this.#phase === 'bound';
  }

  submit(run: Run): void {
    assert(run.to - run.from <= this.room, 'a run fits the room');
    this.inFlight += run.to - run.from;
    this.#open.push(run);
    this.#carrier.take(this, run);
    this.#in(1, () => this.process.deliver(() => this.#answer(run)));
  }

  answerDeliveries(): void {
    throw new Error('there are no receipts here');
  }

  drain(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'draining';
    if (this.inFlight === 0) this.#unbind();
  }

  destroy(): void {
    this.#close('socket-closed');
  }

  /** The process is gone, and hears of nothing. */
  hangUp(): void {
    this.#phase = 'closed';
    this.#in(0.5, () => this.#carrier.closed(this));
  }

  #askToBind(): void {
    if (this.#phase === 'closed' || this.process.fate === 'dead') return;
    const isBound = this.#carrier.bind(this);
    this.#in(0.5, () => this.process.deliver(() => (isBound ? this.#bound() : this.#close('refused', 0x05))));
  }

  #bound(): void {
    if (this.#phase === 'draining') return this.#unbind();
    if (this.#phase !== 'connecting') return;
    this.#phase = 'bound';
    this.#handlers.bound();
    this.#handlers.ready();
  }

  #answer(run: Run): void {
    if (this.#phase === 'closed') return;
    assert(this.#open.shift() === run, 'answers come in order');
    const { from, to, ticketBase } = run;
    this.inFlight -= to - from;
    for (let frame = from; frame < to; frame++) this.#handlers.answered(ticketBase + frame, 0, '7f3a90c2');
    if (this.#phase === 'draining' && this.inFlight === 0) this.#unbind();
    else this.#handlers.ready();
  }

  #unbind(): void {
    this.#in(0.5, () => this.#carrier.closed(this));
    this.#in(1, () => this.process.deliver(() => this.#close('drained')));
  }

  #close(reason: Parameters<LinkHandlers['closed']>[0], refusedStatus?: number): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#in(0.5, () => this.#carrier.closed(this));
    for (const { from, to, ticketBase } of this.#open.splice(0))
      for (let frame = from; frame < to; frame++) this.#handlers.lost(ticketBase + frame);
    this.inFlight = 0;
    this.#handlers.closed(reason, refusedStatus, undefined);
  }

  #in(roundTrips: number, action: () => void): void {
    this.#time.at(this.#time.ms + roundTrips * this.#carrier.contract.roundTripMs, action);
  }
}

/** Sender of all campaigns, so that a recipient's number stands at the same place in every frame. */
export const sender = 'VALMONT';
/** What recipients' addresses begin with; their number follows. */
export const addressPrefix = '9990';

/** SMPP 3.4 §4.4.1: header, empty service_type, two octets and source_addr with its end, two octets. */
const destinationAt = 16 + 1 + 2 + sender.length + 1 + 2;
const zero = 0x30;

/** The recipient's number in the submit_sm at `start`. */
function numberIn(bytes: Buffer, start: number): number {
  let number = 0;
  for (let at = start + destinationAt + addressPrefix.length; bytes[at] !== 0; at++)
    number = number * 10 + (bytes[at] as number) - zero;
  return number;
}
