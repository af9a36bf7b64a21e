/**
 * Receipts and messages from handsets, on the worker's main thread: gathers what the binds receive, puts it into
 * the carrier's stream and only then answers the carrier. It must never answer for something that is not in Redis.
 */
import type { AnswerDeliveries } from '../carrier/bind.ts';
import type { Clock } from '../clock.ts';
import type { InboundMessage, Receipt } from '../handoff.ts';
import { commandStatus } from '../smpp/command-status.ts';
import { canonicalId, type MessageIdSpelling, readReceipt } from '../smpp/receipt.ts';
import type { Log } from '../telemetry.ts';

/** Where receipts go. */
export type ReceiptStore = {
  putReceipts(atMs: number, receipts: readonly Receipt[], inbound: readonly InboundMessage[]): Promise<void>;
};

/** What an intake counts, for metrics. */
export type IntakeCounts = { readonly receipts: number; readonly inbound: number; readonly unreadable: number };

/** Receipts put into one entry at most. */
const entryReceiptsMax = 1_000;
/** Longest time that a receipt waits for others. */
const gatherMs = 4;
/** Receipts that may wait for Redis; beyond it the carrier is asked to keep them. */
const waitingMax = 100_000;
const redisRetryMs = 250;

type Waiting = { receipts: Receipt[]; inbound: InboundMessage[]; answers: Map<AnswerDeliveries, number[]> };

/** The intake of one carrier. */
export class Intake {
  readonly #store: ReceiptStore;
  readonly #spelling: MessageIdSpelling;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #counts = { receipts: 0, inbound: 0, unreadable: 0 };
  #waiting: Waiting = emptyWaiting();
  #storing = 0;
  #cancelGather: (() => void) | undefined;
  #onIdle: (() => void) | undefined;

  constructor(store: ReceiptStore, spelling: MessageIdSpelling, clock: Clock, log: Log) {
    this.#store = store;
    this.#spelling = spelling;
    this.#clock = clock;
    this.#log = log;
  }

  /** Totals since the start. */
  get counts(): IntakeCounts {
    return this.#counts;
  }

  /** Takes a deliver_sm in `buffer[start, end)`; `answer` answers on the link that it came from. */
  delivered(answer: AnswerDeliveries, sequence: number, buffer: Buffer, start: number, end: number): void {
    if (this.#storing + this.#waiting.receipts.length >= waitingMax) {
      answer([sequence], commandStatus.ESME_RX_T_APPN);
      return;
    }
    const pdu = readReceipt(buffer, start, end);
    if (pdu.kind === 'unreadable') {
      this.#counts.unreadable++;
      this.#log.warn('receipt.unreadable', { bytes: end - start });
      answer([sequence], commandStatus.ESME_RX_R_APPN);
      return;
    }
    if (pdu.kind === 'inbound') this.#waiting.inbound.push(pdu.message);
    else {
      const { rawId, state, error, doneAtSeconds } = pdu;
      const messageId = canonicalId(rawId, this.#spelling, 'receipt');
      this.#waiting.receipts.push({ messageId, state, error, doneAtSeconds });
    }
    const sequences = this.#waiting.answers.get(answer);
    if (sequences === undefined) this.#waiting.answers.set(answer, [sequence]);
    else sequences.push(sequence);
    if (this.#waiting.receipts.length >= entryReceiptsMax) this.#flush();
    else this.#cancelGather ??= this.#clock.after(gatherMs, () => this.#flush());
  }

  /** Resolves when everything that was received is in Redis and answered. */
  async finish(): Promise<void> {
    this.#flush();
    if (this.#storing > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  #flush(): void {
    this.#cancelGather?.();
    this.#cancelGather = undefined;
    const waiting = this.#waiting;
    if (waiting.answers.size === 0) return;
    this.#waiting = emptyWaiting();
    void this.#storeAndAnswer(waiting);
  }

  async #storeAndAnswer({ receipts, inbound, answers }: Waiting): Promise<void> {
    const stored = receipts.length + inbound.length;
    this.#storing += stored;
    for (;;) {
      try {
        await this.#store.putReceipts(this.#clock.nowMs(), receipts, inbound);
        break;
      } catch (error) {
        this.#log.warn('intake.store-failed', { receipts: receipts.length }, error);
        await new Promise<void>((resolve) => this.#clock.after(redisRetryMs, resolve));
      }
    }
    this.#counts.receipts += receipts.length;
    this.#counts.inbound += inbound.length;
    for (const [answer, sequences] of answers) answer(sequences, commandStatus.ESME_ROK);
    this.#storing -= stored;
    if (this.#storing === 0) this.#onIdle?.();
  }
}

function emptyWaiting(): Waiting {
  return { receipts: [], inbound: [], answers: new Map() };
}
