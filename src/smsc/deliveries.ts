/**
 * Receipts on their way over one connection: written as deliver_sm, kept until they are answered, written again when
 * that takes too long, and handed back when the connection ends. Main thread.
 */
import { sequenceMax, sequenceOffset, statusOffset } from '../smpp/command.ts';
import { commandStatus } from '../smpp/command-status.ts';
import { readUint32 } from '../smpp/message-fields.ts';
import type { Account, Carrier } from './carrier.ts';
import { logKind } from './log.ts';
import { messageIdBytesMax } from './message-ids.ts';
import type { Output } from './output.ts';
import { receiptPduBytesMax, recordCounter, recordStateOffset, writeReceipt } from './receipt-record.ts';
import type { ReceiptTarget } from './receipts.ts';

/** What deliveries need of their connection. */
export type DeliveryLink = {
  readonly output: Output;
  /** Whether more may be written. */
  readonly open: boolean;
  flush(): void;
};

type Sent = { readonly record: Buffer; readonly atMs: number };

const scratchId = Buffer.alloc(messageIdBytesMax);

/** The deliveries of one connection. */
export class Deliveries implements ReceiptTarget {
  readonly bind: number;
  readonly #carrier: Carrier;
  readonly #link: DeliveryLink;
  /** By sequence_number, oldest first. */
  readonly #sent = new Map<number, Sent>();
  #sequence = 0;

  constructor(bind: number, carrier: Carrier, link: DeliveryLink) {
    this.bind = bind;
    this.#carrier = carrier;
    this.#link = link;
  }

  /** Receipts written and not answered. */
  get inFlight(): number {
    return this.#sent.size;
  }

  /** The sequence_number of the next PDU that the simulator sends of its own accord. */
  nextSequence(): number {
    this.#sequence = this.#sequence >= sequenceMax ? 1 : this.#sequence + 1;
    return this.#sequence;
  }

  /** Whether one more receipt may be written. */
  hasRoom(): boolean {
    const { receiptWindow, unresponsive } = this.#carrier.decider.behaviour;
    return !unresponsive && this.#sent.size < receiptWindow && this.#link.open;
  }

  /** Writes one receipt; it leaves at the next `flush`. */
  deliver(record: Buffer): void {
    const { counters, decider, ids, nowMicros, nowMs } = this.#carrier;
    const sequence = this.nextSequence();
    this.#sent.set(sequence, { record, atMs: nowMs });
    counters.receiptsSent += 1;
    const { output } = this.#link;
    output.reserve(receiptPduBytesMax);
    const seconds = Math.trunc(nowMicros / 1e6);
    output.at = writeReceipt(output.buffer, output.at, record, sequence, seconds, ids, decider.behaviour);
  }

  /** Lets what was written leave. */
  flush(): void {
    this.#link.flush();
  }

  /** Sends again what was written before `beforeMs` and has not been answered. */
  resend(beforeMs: number): void {
    for (const [sequence, { record, atMs }] of this.#sent) {
      if (atMs >= beforeMs || !this.#link.open) return;
      this.#sent.delete(sequence);
      this.#carrier.counters.receiptsResent += 1;
      this.deliver(record);
    }
  }

  /** Takes the deliver_sm_resp that starts at `start`. */
  answered(buffer: Buffer, start: number, account: Account | undefined): void {
    const { counters, decider, ids, log, nowMicros, nowMs } = this.#carrier;
    const sequence = readUint32(buffer, start + sequenceOffset);
    const sent = this.#sent.get(sequence);
    if (sent === undefined) return;
    this.#sent.delete(sequence);
    const status = readUint32(buffer, start + statusOffset);
    const { record } = sent;
    const { messageIds, receiptRetryMs } = decider.behaviour;
    const idBytes = ids.write(scratchId, 0, recordCounter(record), messageIds, 'response');
    const [from, end] = [recordStateOffset, recordStateOffset + 1];
    log.add(logKind.receiptAnswer, this.bind, sequence, status, nowMicros, scratchId, idBytes, record, from, end);
    if (status === commandStatus.ESME_ROK) {
      counters.receiptsAnswered += 1;
      return;
    }
    counters.receiptsRefused += 1;
    // "For the moment" and "no room" mean later; any other refusal means never.
    if (status !== commandStatus.ESME_RX_T_APPN && status !== commandStatus.ESME_RMSGQFUL) return;
    const again = (into: Buffer, offset: number) => offset + record.copy(into, offset);
    account?.receipts.schedule(nowMs + receiptRetryMs, nowMs, again);
  }

  /** Hands back what has not been answered, oldest first; the connection has ended. */
  takeUnanswered(): Buffer[] {
    const records = Array.from(this.#sent.values(), ({ record }) => record);
    this.#sent.clear();
    return records;
  }
}
