/**
 * One connection to a carrier, from connect to close: the socket around `smpp/session.ts`, with the fast path
 * for submit_sm_resp and deliver_sm. Runs on the worker's main thread. A link never reconnects: every attempt is
 * a new one. It must never freeze on bad bytes, and never lose sight of what was written: every open request
 * ends in `answered` or `lost`.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock } from '../clock.ts';
import { commandId } from '../smpp/command.ts';
import { commandStatus } from '../smpp/command-status.ts';
import { deliverRespBytes, writeDeliverResp } from '../smpp/deliver.ts';
import { Framer } from '../smpp/framing.ts';
import { type BindType, encodeBind, encodeHeaderOnly, readHeader } from '../smpp/pdu.ts';
import {
  type CloseReason,
  type SessionAction,
  type SessionEvent,
  type SessionState,
  startSession,
  step,
  tickDueMs,
} from '../smpp/session.ts';
import { readSubmitResp, writeSequence } from '../smpp/submit.ts';
import { Window } from '../smpp/window.ts';
import { type TlsSettings, tlsOptions } from './tls.ts';

/** Where and as whom to bind. */
export type LinkSettings = {
  readonly host: string;
  readonly port: number;
  readonly tls?: TlsSettings | undefined;
  readonly systemId: string;
  readonly password: string;
  readonly systemType: string;
  readonly bindType: BindType;
  /** Unanswered submit_sm at once. */
  readonly window: number;
  readonly enquireLinkMs: number;
  readonly responseMs: number;
};

/** Adjacent frames of one batch, to be written together. `ticketBase + frame` comes back with each answer. */
export type Run = {
  readonly bytes: Buffer;
  readonly offsets: Uint32Array;
  readonly from: number;
  readonly to: number;
  readonly ticketBase: number;
};

/** Hears of an answer that came after its deadline; `messageId` is raw, empty with a refusal. */
export type LateAnswer = (commandStatus: number, messageId: string) => void;

/** Who hears of the link. Called on the main thread, never after `closed`. */
export type LinkHandlers = {
  /** Messages may be sent. */
  bound(): void;
  /** The carrier answered; `messageId` is raw, empty with a refusal. */
  answered(ticket: number, commandStatus: number, messageId: string): void;
  /** Written, and no answer will come. */
  lost(ticket: number): void;
  /** Written, not answered within the deadline: as good as lost. Returns who hears of the answer, should it come. */
  overdue(ticket: number): LateAnswer;
  /** A deliver_sm in `buffer[start, end)`, valid during the call; to be answered by `answerDeliveries`. */
  delivered(sequence: number, buffer: Buffer, start: number, end: number): void;
  /** The first answer of a chunk came so long after its request was written: enough of a sample for a metric. */
  responded?(ms: number): void;
  /** A chunk was handled, or the socket takes bytes again: there may be room. */
  ready(): void;
  /** The end. `refusedStatus`: the command_status that refused the bind; `cause`: what the socket failed with. */
  closed(reason: CloseReason, refusedStatus: number | undefined, cause: Error | undefined): void;
};

/** Longest PDU that is believed: message_payload may have 64 KiB. */
const pduBytesMax = 73_728;
/** Bytes that may wait in the socket before it counts as full. */
const unsentBytesMax = 256 * 1024;
/** Longest and shortest pause between looks at the timers. */
const tickMsMax = 1_000;
const tickMsMin = 5;
/** A look that is later than this says that the event loop stood still. */
const tickLateMs = 100;

/** One connection. */
export class Link {
  readonly #settings: LinkSettings;
  readonly #handlers: LinkHandlers;
  readonly #clock: Clock;
  readonly #framer = new Framer(pduBytesMax);
  readonly #window: Window;
  readonly #socket: Socket;
  #state: SessionState;
  #refusedStatus: number | undefined;
  #cause: Error | undefined;
  #framesInChunk = 0;
  #answeredInChunk = 0;
  #answeredAtMs = Number.NEGATIVE_INFINITY;
  /**
   * Requests given up and not answered since, by sequence_number: the carrier may still count them, so they keep their
   * places. At most a window of them, since half a window ends the link.
   */
  readonly #givenUp = new Map<number, LateAnswer>();
  #isDraining = false;
  #isCorked = false;
  #isClosed = false;
  #cancelTick: () => void = () => undefined;

  /** Begins to connect. Throws when a file of its TLS settings cannot be read. */
  constructor(settings: LinkSettings, handlers: LinkHandlers, clock: Clock) {
    this.#settings = settings;
    this.#handlers = handlers;
    this.#clock = clock;
    this.#window = new Window(settings.window);
    const { enquireLinkMs, responseMs } = settings;
    this.#state = startSession(
      {
        bindType: settings.bindType,
        link: { enquireLinkMs, responseMs, inactivityMs: enquireLinkMs + 2 * responseMs },
        connectMs: responseMs,
        bindMs: responseMs,
        unbindMs: responseMs,
      },
      clock.monotonicMs(),
    );
    this.#socket = this.#open();
    this.#armTick();
  }

  /** Requests that may be opened now; 0 while not bound, draining, or while the socket is full. */
  get room(): number {
    if (!this.isBound || this.#socket.writableLength > unsentBytesMax) return 0;
    return Math.max(0, this.#window.free - this.#givenUp.size);
  }

  /** Requests that wait for an answer. */
  get inFlight(): number {
    return this.#window.used;
  }

  /** True from the bind's answer until it drains or ends. */
  get isBound(): boolean {
    return this.#state.phase === 'bound' && !this.#isDraining;
  }

  /** Writes a run; it must fit `room`. */
  submit(run: Run): void {
    const nowMs = this.#clock.monotonicMs();
    const { bytes, offsets, from, to, ticketBase } = run;
    for (let frame = from; frame < to; frame++) {
      writeSequence(bytes, offsets[frame] as number, this.#window.open(ticketBase + frame, nowMs));
    }
    this.#write(bytes.subarray(offsets[from], offsets[to]));
    this.#event({ kind: 'requested' }, nowMs);
  }

  /** Answers deliver_sm PDUs, all with the same status. */
  answerDeliveries(sequences: readonly number[], status: number): void {
    if (this.#isClosed) return;
    const bytes = Buffer.allocUnsafe(sequences.length * deliverRespBytes);
    let at = 0;
    for (const sequence of sequences) at = writeDeliverResp(bytes, at, sequence, status);
    this.#write(bytes);
  }

  /** Sends nothing new, waits for the answers that are due, unbinds and closes. */
  drain(): void {
    this.#isDraining = true;
    if (this.#window.used === 0) this.#event({ kind: 'drain' });
  }

  /** Closes at once; what is open is lost, and what waits in the socket is not written any more. */
  destroy(): void {
    this.#close('socket-closed');
    this.#socket.destroy();
  }

  #open(): Socket {
    const { host, port, tls } = this.#settings;
    const options = { host, port, noDelay: true, keepAlive: true };
    const onConnect = () => this.#event({ kind: 'connected' });
    const socket =
      tls === undefined
        ? connectTcp(options, onConnect)
        : connectTls({ ...options, ...tlsOptions(host, tls) }, onConnect);
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('drain', () => this.#handlers.ready());
    // 'close' follows every error, and the session needs no more than that.
    socket.on('error', (cause: Error) => {
      this.#cause = cause;
    });
    socket.on('close', () => this.#event({ kind: 'socket-closed' }));
    return socket;
  }

  #onData(chunk: Buffer): void {
    if (this.#isClosed) return;
    this.#answeredInChunk = 0;
    this.#framesInChunk = 0;
    const lost = this.#framer.push(chunk, this);
    if (this.#isClosed) return;
    if (this.#answeredInChunk > 0) {
      this.#answeredAtMs = this.#clock.monotonicMs();
      this.#event({ kind: 'answered', stillOpen: this.#window.used > 0 }, this.#answeredAtMs);
    }
    // Only whole PDUs are signs of life: a peer that never ends one answers nothing either.
    else if (this.#framesInChunk > 0) this.#event({ kind: 'heard' });
    if (lost !== undefined) this.#event({ kind: 'stream-lost' });
    else if (this.#isDraining && this.#window.used === 0) this.#event({ kind: 'drain' });
    if (!this.#isClosed) this.#handlers.ready();
  }

  #sample(sequence: number): void {
    const openedMs = this.#window.openedMs(sequence);
    if (openedMs !== undefined) this.#handlers.responded?.(this.#clock.monotonicMs() - openedMs);
  }

  /** One PDU, from the framer. */
  frame(buffer: Buffer, start: number, end: number): void {
    if (this.#isClosed) return;
    this.#framesInChunk++;
    const { commandId: command, status, sequence } = readHeader(buffer, start);
    if (command === commandId.submit_sm_resp) {
      this.#settle(sequence, status, readSubmitResp(buffer, start, end));
    } else if (command === commandId.deliver_sm && this.#state.phase === 'bound') {
      this.#handlers.delivered(sequence, buffer, start, end);
    } else {
      // A generic_nack refuses even when it forgets to say why.
      if (command === commandId.generic_nack) this.#settle(sequence, status || commandStatus.ESME_RSYSERR, '');
      this.#event({ kind: 'pdu', commandId: command, status, sequence });
    }
  }

  #settle(sequence: number, status: number, messageId: string): void {
    if (this.#answeredInChunk === 0) this.#sample(sequence);
    const ticket = this.#window.settle(sequence);
    if (ticket < 0) {
      const late = this.#givenUp.get(sequence);
      this.#givenUp.delete(sequence);
      late?.(status, messageId);
      return;
    }
    this.#answeredInChunk++;
    this.#handlers.answered(ticket, status, messageId);
  }

  #event(event: SessionEvent, nowMs = this.#clock.monotonicMs()): void {
    const { state, actions } = step(this.#state, event, nowMs);
    this.#state = state;
    for (const action of actions) this.#act(action);
  }

  #act(action: SessionAction): void {
    switch (action.kind) {
      case 'send':
        return this.#write(this.#request(action.command));
      case 'respond':
        return this.#write(encodeHeaderOnly(action.commandId, action.status, action.sequence));
      case 'bound':
        this.#armTick();
        return this.#handlers.bound();
      case 'refused':
        this.#refusedStatus = action.status;
        return;
      case 'close':
        return this.#close(action.reason);
    }
  }

  #request(command: 'bind' | 'enquire_link' | 'unbind'): Buffer {
    const sequence = this.#window.nextSequence();
    if (command !== 'bind') return encodeHeaderOnly(commandId[command], 0, sequence);
    const { bindType, systemId, password, systemType } = this.#settings;
    const range = { addrTon: 0, addrNpi: 0, addressRange: '' };
    return encodeBind({ type: bindType, systemId, password, systemType, ...range }, sequence);
  }

  /** Joins the writes of one turn of the event loop into one system call. */
  #write(bytes: Buffer): void {
    if (this.#socket.destroyed) return;
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(bytes);
  }

  #armTick(): void {
    this.#cancelTick();
    if (this.#isClosed) return;
    const nowMs = this.#clock.monotonicMs();
    const oldestMs = this.#window.oldestMs();
    const expiryMs = oldestMs === undefined ? Number.POSITIVE_INFINITY : oldestMs + this.#settings.responseMs;
    const dueMs = Math.min(tickDueMs(this.#state, nowMs), expiryMs) - nowMs;
    // A request may be opened right after this look, so none may be further away than half its deadline.
    const mostMs = Math.min(tickMsMax, this.#settings.responseMs / 2);
    this.#tickAfter(Math.min(mostMs, Math.max(tickMsMin, dueMs)));
  }

  #tickAfter(delayMs: number, isSecondLook = false): void {
    const lateMs = this.#clock.monotonicMs() + delayMs + tickLateMs;
    this.#cancelTick = this.#clock.after(delayMs, () => {
      // We were kept from running, and answers may wait to be read: they come first.
      if (!isSecondLook && this.#clock.monotonicMs() > lateMs) this.#tickAfter(tickMsMin, true);
      else this.#tick();
    });
  }

  #tick(): void {
    const nowMs = this.#clock.monotonicMs();
    const usedBefore = this.#window.used;
    // A carrier that answers nothing at all is dead, and all its requests are lost; the session decides that. One that
    // answered since the oldest was written has left that one out.
    if (this.#answeredAtMs > (this.#window.oldestMs() ?? Number.POSITIVE_INFINITY)) this.#giveUp(nowMs);
    this.#event({ kind: 'tick' }, nowMs);
    if (this.#isClosed) return;
    this.#giveUp(nowMs);
    if (this.#window.used < usedBefore) this.#handlers.ready();
    if (this.#isDraining && this.#window.used === 0) this.#event({ kind: 'drain' });
    this.#armTick();
  }

  /** Gives up the requests that waited too long. With half a window of them a new connection serves better. */
  #giveUp(nowMs: number): void {
    this.#window.expire(nowMs - this.#settings.responseMs, (ticket, sequence) =>
      this.#givenUp.set(sequence, this.#handlers.overdue(ticket)),
    );
    if (2 * this.#givenUp.size >= this.#window.capacity) this.#isDraining = true;
    this.#event({ kind: 'gave-up', oldestMs: this.#window.oldestMs() }, nowMs);
  }

  #close(reason: CloseReason): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#state = { phase: 'closed', reason };
    this.#cancelTick();
    // Lets a last unbind_resp or generic_nack leave; a peer that does not read it cannot hold the socket.
    this.#socket.destroySoon();
    this.#clock.after(tickMsMax, () => this.#socket.destroy());
    this.#window.drain((ticket) => this.#handlers.lost(ticket));
    this.#handlers.closed(reason, this.#refusedStatus, this.#cause);
  }
}
