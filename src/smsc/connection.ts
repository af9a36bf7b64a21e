/**
 * One connection of a sender to the simulator: its bind, its submit_sm and the receipts sent to it. Everything
 * that one read brings is answered in one write, after the log is in its file. Main thread.
 */
import type { Socket } from 'node:net';
import { commandId, isResponse, sequenceOffset } from '../smpp/command.ts';
import { commandStatus } from '../smpp/command-status.ts';
import { Framer, type FrameSink } from '../smpp/framing.ts';
import { emptySpans, readUint32, scanMessage } from '../smpp/message-fields.ts';
import { type BindType, bindCommands, decodeBind, encodeBindResp, encodeHeaderOnly } from '../smpp/pdu.ts';
import { submitRespBytes, writeSubmitRespOctets } from '../smpp/submit.ts';
import { silent } from './behaviour.ts';
import type { Account, Carrier } from './carrier.ts';
import { logKind, notAnswered } from './log.ts';
import { Deliveries, type DeliveryLink } from './deliveries.ts';
import { messageIdBytesMax } from './message-ids.ts';
import { Output } from './output.ts';
import { writeRecord } from './receipt-record.ts';
import { statusKey } from './stats.ts';

const systemId = 'tocsin-smsc';
/** A peer that does not read its answers is not read from either. */
const unreadBytesMax = 1 << 20;
const spans = emptySpans();
const scratchId = Buffer.alloc(messageIdBytesMax);
const nothing = Buffer.alloc(0);

/** A connection, from the moment the socket is there until it is closed. */
export class Connection implements FrameSink, DeliveryLink {
  readonly bind: number;
  /** Resolves when the connection is gone and everything about it is counted and logged. */
  readonly closed: Promise<void>;
  readonly #carrier: Carrier;
  readonly #socket: Socket;
  readonly #framer: Framer;
  readonly output = new Output();
  /** Answers that wait for the latency to pass. */
  readonly #late = new Output();
  readonly #deliveries: Deliveries;
  #account: Account | undefined;
  #type: BindType | undefined;
  #closing = false;
  #unbound = false;
  #submits = 0;
  #outstanding = 0;
  #outstandingOfRead = 0;
  #answers: Output = this.output;
  #pauses = 0;

  constructor(socket: Socket, carrier: Carrier, pduBytesMax: number) {
    this.bind = carrier.nextBind();
    this.#carrier = carrier;
    this.#socket = socket;
    this.#framer = new Framer(pduBytesMax);
    this.#deliveries = new Deliveries(this.bind, carrier, this);
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    // A reset by the peer is part of a carrier's day; 'close' follows and does the rest.
    socket.on('error', () => socket.destroy());
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#end();
        resolve();
      });
    });
  }

  /** Breaks the connection without a word. */
  destroy(): void {
    this.#closing = true;
    this.#socket.destroy();
  }

  /** Writes an enquire_link. */
  enquire(): void {
    this.output.add(encodeHeaderOnly(commandId.enquire_link, 0, this.#deliveries.nextSequence()));
    this.flush();
  }

  /** Writes any bytes, for tests of what a sender does with them. */
  write(bytes: Buffer): void {
    this.output.add(bytes);
    this.flush();
  }

  // ── reading ──────────────────────────────────────────────────────────────────────────────────

  #read(chunk: Buffer): void {
    if (this.#closing) return;
    const carrier = this.#carrier;
    const { behaviour } = carrier.decider;
    carrier.advance();
    const latencyMs = carrier.decider.latencyMs();
    this.#answers = latencyMs > 0 ? this.#late : this.output;
    this.#outstandingOfRead = 0;
    const lost = this.#framer.push(chunk, this);
    if (lost !== undefined) {
      carrier.counters.protocolErrors += 1;
      this.output.add(encodeHeaderOnly(commandId.generic_nack, commandStatus.ESME_RINVCMDLEN, 0));
      this.#closing = true;
    }
    // The order matters: the log first, receipts that overtake their answer second, answers last.
    carrier.log.flush();
    this.#account?.receipts.pump(behaviour);
    this.#account?.receipts.flush();
    this.#release(latencyMs);
    this.flush();
    if (this.#closing) this.#socket.destroySoon();
    else if (behaviour.readPauseMs > 0) this.#pauseFor(behaviour.readPauseMs);
    carrier.arm();
    carrier.changed();
  }

  /** Lets the answers of one read go, at once or after the latency. */
  #release(latencyMs: number): void {
    const count = this.#outstandingOfRead;
    const blocks = this.#late.take();
    if (latencyMs <= 0) {
      this.#outstanding -= count;
      return;
    }
    if (count === 0) return;
    this.#carrier.clock.after(latencyMs, () => {
      this.#outstanding -= count;
      if (this.#closing) return;
      for (const block of blocks) this.output.add(block);
      this.flush();
    });
  }

  /** Takes one PDU; called by the framer. */
  frame(buffer: Buffer, start: number, end: number): void {
    if (this.#closing) return;
    const command = readUint32(buffer, start + 4);
    if (command === commandId.submit_sm) this.#submit(buffer, start, end);
    else if (command === commandId.deliver_sm_resp) this.#deliveries.answered(buffer, start, this.#account);
    else this.#other(command, buffer, start, end);
  }

  #other(command: number, buffer: Buffer, start: number, end: number): void {
    const sequence = readUint32(buffer, start + sequenceOffset);
    if (command === commandId.enquire_link_resp) this.#carrier.counters.enquiriesAnswered += 1;
    if (isResponse(command) || this.#carrier.decider.behaviour.unresponsive) return;
    switch (command) {
      case commandId.bind_transceiver:
      case commandId.bind_transmitter:
      case commandId.bind_receiver:
        return this.#bindRequest(command, buffer.subarray(start, end), sequence);
      case commandId.enquire_link:
        return this.output.add(encodeHeaderOnly(commandId.enquire_link_resp, 0, sequence));
      case commandId.unbind:
        this.output.add(encodeHeaderOnly(commandId.unbind_resp, 0, sequence));
        this.#unbound = true;
        this.#closing = true;
        return;
      default:
        this.#carrier.counters.protocolErrors += 1;
        this.output.add(encodeHeaderOnly(commandId.generic_nack, commandStatus.ESME_RINVCMDID, sequence));
    }
  }

  // ── binding ──────────────────────────────────────────────────────────────────────────────────

  #bindRequest(command: number, bytes: Buffer, sequence: number): void {
    const { counters, log, nowMicros } = this.#carrier;
    const request = decodeBind(bytes);
    const types = Object.keys(bindCommands) as BindType[];
    const type = types.find((candidate) => bindCommands[candidate].request === command) ?? 'transceiver';
    const account = this.#admit(request);
    if (typeof account === 'number') {
      counters.bindsRefused += 1;
      this.output.add(encodeBindResp(type, systemId, account, sequence));
      // A second bind request on a bind is refused, but the bind stands.
      this.#closing = this.#account === undefined;
      return;
    }
    this.#account = account;
    this.#type = type;
    counters.bindsAccepted += 1;
    this.#carrier.countBind(account, 1);
    const id = Buffer.from(account.systemId, 'latin1');
    log.add(logKind.bindOpened, this.bind, sequence, 0, nowMicros, id, id.length, nothing, 0, 0);
    this.output.add(encodeBindResp(type, systemId, 0, sequence));
    if (type !== 'transmitter') account.receipts.join(this.#deliveries);
  }

  #admit(request: ReturnType<typeof decodeBind>): Account | number {
    if (this.#account !== undefined) return commandStatus.ESME_RALYBND;
    return request === undefined ? commandStatus.ESME_RINVCMDLEN : this.#carrier.authenticate(request);
  }

  #end(): void {
    this.#closing = true;
    const account = this.#account;
    if (account === undefined) return;
    this.#account = undefined;
    const { counters, log } = this.#carrier;
    this.#carrier.advance();
    this.#carrier.countBind(account, -1);
    if (!this.#unbound) counters.disconnects += 1;
    const id = Buffer.from(account.systemId, 'latin1');
    log.add(logKind.bindClosed, this.bind, 0, 0, this.#carrier.nowMicros, id, id.length, nothing, 0, 0);
    log.flush();
    account.receipts.leave(this.#deliveries, this.#deliveries.takeUnanswered());
    account.receipts.pump(this.#carrier.decider.behaviour);
    account.receipts.flush();
    this.#carrier.changed();
  }

  // ── submit_sm ────────────────────────────────────────────────────────────────────────────────

  #submit(buffer: Buffer, start: number, end: number): void {
    const { counters, decider, ids, log, nowMicros } = this.#carrier;
    const { disconnectEvery, messageIds } = decider.behaviour;
    this.#countSubmit();
    const sequence = readUint32(buffer, start + sequenceOffset);
    let status = this.#statusOf(scanMessage(buffer, start, end, spans));
    const breaks = disconnectEvery > 0 && this.#submits % disconnectEvery === 0;
    if (breaks && status === 0) status = silent;
    const taken = status === 0 || status === silent;
    const counter = taken ? this.#carrier.nextCounter() : 0;
    const idBytes = taken ? ids.write(scratchId, 0, counter, messageIds, 'response') : 0;
    const logged = status === silent ? notAnswered : status;
    log.add(logKind.segment, this.bind, sequence, logged, nowMicros, scratchId, idBytes, buffer, start, end);
    if (taken) {
      this.#carrier.accepted.count();
      this.#promiseReceipt(counter, buffer);
    }
    if (breaks) this.#closing = true;
    if (status === silent) {
      counters.unanswered += 1;
      return;
    }
    if (status === 0) counters.accepted += 1;
    else this.#countRefusal(status);
    const answers = this.#answers;
    answers.reserve(submitRespBytes(status, idBytes));
    answers.at = writeSubmitRespOctets(answers.buffer, answers.at, sequence, status, scratchId, idBytes);
  }

  #countSubmit(): void {
    const { counters, received } = this.#carrier;
    counters.received += 1;
    received.count();
    this.#submits += 1;
    this.#outstanding += 1;
    this.#outstandingOfRead += 1;
    if (this.#outstanding > counters.windowPeak) counters.windowPeak = this.#outstanding;
  }

  #countRefusal(status: number): void {
    const { counters } = this.#carrier;
    if (status === commandStatus.ESME_RTHROTTLED || status === commandStatus.ESME_RMSGQFUL) counters.throttled += 1;
    const key = statusKey(status);
    counters.answers[key] = (counters.answers[key] ?? 0) + 1;
  }

  /** The answer to the submit_sm that was just scanned: its own faults, then the limits, then chance. */
  #statusOf(readable: boolean): number {
    const { decider, accepted } = this.#carrier;
    const { ratePerSecond, unresponsive, windowMax } = decider.behaviour;
    if (this.#type === undefined || this.#type === 'receiver') return commandStatus.ESME_RINVBNDSTS;
    if (!readable) return commandStatus.ESME_RINVCMDLEN;
    if (spans.destinationEnd === spans.destinationStart) return commandStatus.ESME_RINVDSTADR;
    if (windowMax > 0 && this.#outstanding > windowMax) return commandStatus.ESME_RMSGQFUL;
    if (ratePerSecond > 0 && accepted.lastSecond >= ratePerSecond) return commandStatus.ESME_RTHROTTLED;
    return unresponsive ? silent : decider.answer();
  }

  // ── receipts ─────────────────────────────────────────────────────────────────────────────────

  /** Puts down the receipt of the submit_sm that was just scanned, when it is wanted and there will be one. */
  #promiseReceipt(counter: number, pdu: Buffer): void {
    const wanted = spans.registeredDelivery & 3;
    const account = this.#account;
    if (wanted === 0 || wanted === 3 || account === undefined) return;
    const { decider, nowMicros, nowMs } = this.#carrier;
    const state = decider.finalState();
    // registered_delivery 2 asks for failures only (SMPP 3.4 §5.2.17); state 2 is a delivery.
    if (state === 0 || (wanted === 2 && state === 2)) return;
    const seconds = Math.trunc(nowMicros / 1e6);
    const write = (into: Buffer, offset: number) =>
      writeRecord(into, offset, counter, this.bind, seconds, state, pdu, spans);
    if (decider.receiptFirst()) account.receipts.dueNow(decider.behaviour, write);
    else account.receipts.schedule(nowMs + decider.receiptDelayMs(), nowMs, write);
  }

  // ── writing ──────────────────────────────────────────────────────────────────────────────────

  /** Whether more may be written: it stands, and its peer reads. */
  get open(): boolean {
    return !this.#closing && this.#socket.writableLength < unreadBytesMax;
  }

  /** Lets everything written so far leave, in one write. */
  flush(): void {
    const socket = this.#socket;
    const blocks = this.output.take();
    if (blocks.length === 0 || !socket.writable) return;
    socket.cork();
    for (const block of blocks) socket.write(block);
    socket.uncork();
    if (socket.writableLength > unreadBytesMax) {
      this.#pause();
      socket.once('drain', () => this.#resume());
    }
  }

  #pauseFor(durationMs: number): void {
    this.#pause();
    this.#carrier.clock.after(durationMs, () => this.#resume());
  }

  /** Reading goes on when every reason to pause is gone. */
  #pause(): void {
    this.#pauses += 1;
    this.#socket.pause();
  }

  #resume(): void {
    this.#pauses -= 1;
    if (this.#pauses === 0 && !this.#closing) this.#socket.resume();
  }
}
