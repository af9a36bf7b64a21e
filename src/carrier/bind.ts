/**
 * One slot at work: a persistent bind (a transceiver, or a transmitter with its receiver) that comes back by
 * itself with full-jitter pauses, and the slot's pace. Runs on the worker's main thread. It must never hold more
 * than one connection of a kind, and none after `abandon`.
 */
import type { Clock } from '../clock.ts';
import type { BindType } from '../smpp/pdu.ts';
import { statusOf } from '../smpp/command-status.ts';
import type { CloseReason } from '../smpp/session.ts';
import type { Log } from '../telemetry.ts';
import { type LateAnswer, Link, type LinkHandlers, type LinkSettings, type Run } from './link.ts';
import { Pace } from './pace.ts';

/** A bind's settings: its connection, its rate and its patience. */
export type BindSettings = Omit<LinkSettings, 'bindType'> & {
  readonly bindType: 'transceiver' | 'transmitter-receiver';
  /** The slot's share of the contract, segments. */
  readonly ratePerSecond: number;
  readonly reconnectMs: number;
  readonly reconnectMsMax: number;
};

/** Who hears of a bind. Tickets are those of the runs that were submitted. */
export type BindHandlers = {
  answered(bind: Bind, ticket: number, commandStatus: number, messageId: string): void;
  lost(ticket: number): void;
  overdue(bind: Bind, ticket: number): LateAnswer;
  /** See `LinkHandlers`. */
  responded?(ms: number): void;
  /** `answer` sends deliver_sm_resp on the link that the PDU came from. */
  delivered(answer: AnswerDeliveries, sequence: number, buffer: Buffer, start: number, end: number): void;
  ready(): void;
  /** Messages can be submitted, or can be again. */
  bound(): void;
  /** A connection of the bind ended, for metrics. */
  closed?(reason: CloseReason): void;
};

/** What a bind needs of its connection; `Link` is one. */
export type Connection = Pick<
  Link,
  'room' | 'inFlight' | 'isBound' | 'submit' | 'answerDeliveries' | 'drain' | 'destroy'
>;

/** Connections and chance, so that binds can also run in virtual time. */
export type BindMeans = {
  connect(settings: LinkSettings, handlers: LinkHandlers, clock: Clock): Connection;
  /** Gives jitter, from 0 to below 1. */
  random(): number;
};

/** Sockets. */
export const socketMeans: BindMeans = {
  connect: (settings, handlers, clock) => new Link(settings, handlers, clock),
  random: Math.random,
};

/** Answers deliver_sm PDUs of one link. The same function for the same link. */
export type AnswerDeliveries = (sequences: readonly number[], status: number) => void;

/** One kind of connection of a bind, coming back by itself. */
class Line {
  readonly #bindType: BindType;
  readonly #owner: Bind;
  #attempts = 0;
  #cancelRetry: () => void = () => undefined;
  link: Connection | undefined;
  isStopping = false;

  constructor(owner: Bind, bindType: BindType) {
    this.#owner = owner;
    this.#bindType = bindType;
  }

  connect(): void {
    try {
      this.#open();
    } catch (cause) {
      // A certificate's file cannot be read at the moment; that is no reason to end the process.
      this.#onClosed('socket-closed', undefined, cause);
    }
  }

  #open(): void {
    const { settings, handlers, means, clock, log } = this.#owner;
    const link: Connection = means.connect(
      { ...settings, bindType: this.#bindType },
      {
        bound: () => {
          this.#attempts = 0;
          log.info('bind.bound', { bindType: this.#bindType });
          handlers.bound();
        },
        answered: (ticket, status, messageId) => handlers.answered(this.#owner, ticket, status, messageId),
        lost: (ticket) => handlers.lost(ticket),
        overdue: (ticket) => handlers.overdue(this.#owner, ticket),
        delivered: (sequence, buffer, start, end) => handlers.delivered(answer, sequence, buffer, start, end),
        responded: (ms) => handlers.responded?.(ms),
        ready: () => handlers.ready(),
        closed: (reason, refusedStatus, cause) => this.#onClosed(reason, refusedStatus, cause),
      },
      clock,
    );
    const answer: AnswerDeliveries = (sequences, status) => link.answerDeliveries(sequences, status);
    this.link = link;
  }

  stop(): void {
    this.isStopping = true;
    this.#cancelRetry();
    if (this.link === undefined) this.#owner.lineEnded();
    else this.link.drain();
  }

  destroy(): void {
    this.isStopping = true;
    this.#cancelRetry();
    this.link?.destroy();
  }

  #onClosed(reason: CloseReason, refusedStatus: number | undefined, cause: unknown): void {
    this.link = undefined;
    const { settings, handlers, clock, log, means } = this.#owner;
    handlers.closed?.(reason);
    const status = refusedStatus === undefined ? undefined : statusOf(refusedStatus);
    const fields = { bindType: this.#bindType, reason, commandStatus: status?.name };
    if (cause === undefined) log.info('bind.closed', fields);
    else log.warn('bind.closed', fields, cause);
    if (this.isStopping) {
      this.#owner.lineEnded();
      return;
    }
    const isAccountRefused = status?.disposition === 'stop-account';
    if (isAccountRefused) log.error('carrier.account-refused', { commandStatus: status?.name });
    // Full jitter: a crowd of binds must not come back together. A refused account is asked slowly, never given up.
    const mostMs = isAccountRefused
      ? settings.reconnectMsMax
      : Math.min(settings.reconnectMsMax, settings.reconnectMs * 2 ** Math.min(this.#attempts, 20));
    this.#attempts++;
    this.#cancelRetry = clock.after(Math.max(settings.reconnectMs / 10, means.random() * mostMs), () => this.connect());
  }
}

/** One slot's bind. */
export class Bind {
  readonly settings: BindSettings;
  readonly handlers: BindHandlers;
  readonly clock: Clock;
  readonly log: Log;
  readonly means: BindMeans;
  readonly pace: Pace;
  readonly #lines: readonly Line[];
  #ended: (() => void) | undefined;

  /** Connects at once. */
  constructor(settings: BindSettings, handlers: BindHandlers, clock: Clock, log: Log, means: BindMeans) {
    this.settings = settings;
    this.handlers = handlers;
    this.clock = clock;
    this.log = log;
    this.means = means;
    this.pace = new Pace(settings.ratePerSecond, clock.monotonicMs());
    this.#lines =
      settings.bindType === 'transceiver'
        ? [new Line(this, 'transceiver')]
        : [new Line(this, 'transmitter'), new Line(this, 'receiver')];
    for (const line of this.#lines) line.connect();
  }

  /** Segments that the window has room for; 0 while not bound. The pace is asked apart. */
  get room(): number {
    return this.#lines[0]?.link?.room ?? 0;
  }

  /** Segments that wait for an answer. */
  get inFlight(): number {
    return this.#lines[0]?.link?.inFlight ?? 0;
  }

  /** True while messages can be submitted, were there room. */
  get isBound(): boolean {
    return this.#lines[0]?.link?.isBound === true;
  }

  /** Writes a run that fits `room`; whoever's pace it goes by has been told. */
  submit(run: Run): void {
    this.#lines[0]?.link?.submit(run);
  }

  /**
   * Submits nothing more on the present connection, waits for the answers that are due, and binds anew: the carrier
   * says that it is of no use as it stands.
   */
  rebind(): void {
    this.#lines[0]?.link?.drain();
  }

  /** Submits nothing new, waits for answers, unbinds; resolves when closed. Call `abandon` when it takes too long. */
  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#ended = resolve;
      for (const line of this.#lines) line.stop();
    });
  }

  /** Closes at once: the slot's lease is lost, or time is up. */
  abandon(): void {
    for (const line of this.#lines) line.destroy();
  }

  /** Told by a line that it will not connect again. */
  lineEnded(): void {
    if (this.#lines.every((line) => line.isStopping && line.link === undefined)) this.#ended?.();
  }
}
