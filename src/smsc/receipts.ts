/**
 * The receipts of one account of the simulator: waiting for their time, then for a bind that can take them, then
 * for an answer. As with a real carrier none is dropped because a connection breaks: what was not
 * answered is sent again on the next bind that can receive.
 */
import type { Behaviour } from './behaviour.ts';
import { recordBind, recordBytes, recordBytesMax } from './receipt-record.ts';
import { ReceiptWheel } from './receipt-wheel.ts';

/** A bind that can receive. */
export type ReceiptTarget = {
  readonly bind: number;
  /** Whether one more receipt fits into its window. */
  hasRoom(): boolean;
  /** Receipts written and not answered. */
  readonly inFlight: number;
  /** Writes the receipt; it leaves at the next `flush`. */
  deliver(record: Buffer): void;
  flush(): void;
  /** Sends again what was written before `beforeMs` and has not been answered. */
  resend(beforeMs: number): void;
};

/** Receipts of one account. Times are monotonic milliseconds. */
export class Receipts {
  readonly #wheel = new ReceiptWheel();
  readonly #targets: ReceiptTarget[] = [];
  readonly #touched = new Set<ReceiptTarget>();
  #ready: Buffer[] = [];
  #readyFrom = 0;
  #turn = 0;

  /** Due later, waiting for a bind, or in flight. */
  get pending(): number {
    let inFlight = 0;
    for (const target of this.#targets) inFlight += target.inFlight;
    return this.#wheel.waiting + this.#backlog + inFlight;
  }

  /** Whether time alone can bring something about. */
  get needsTime(): boolean {
    return this.#wheel.waiting > 0 || this.#targets.some((target) => target.inFlight > 0);
  }

  get #backlog(): number {
    return this.#ready.length - this.#readyFrom;
  }

  /** A bind can receive from now on. */
  join(target: ReceiptTarget): void {
    this.#targets.push(target);
  }

  /** A bind is gone; what it had not answered, in order, comes before everything else. */
  leave(target: ReceiptTarget, unanswered: readonly Buffer[]): void {
    const index = this.#targets.indexOf(target);
    if (index >= 0) this.#targets.splice(index, 1);
    this.#touched.delete(target);
    this.#ready = [...unanswered, ...this.#ready.slice(this.#readyFrom)];
    this.#readyFrom = 0;
  }

  /** Adds a receipt for later; `write` is as in `ReceiptWheel.add`. */
  schedule(dueMs: number, nowMs: number, write: (into: Buffer, offset: number) => number): void {
    this.#wheel.add(dueMs, nowMs, write);
  }

  /** Adds a receipt that is due now, as it is written by `write`. */
  dueNow(behaviour: Behaviour, write: (into: Buffer, offset: number) => number): void {
    const record = Buffer.allocUnsafe(recordBytesMax);
    this.#ready.push(record.subarray(0, write(record, 0)));
    this.pump(behaviour);
  }

  /** Takes every receipt that no bind has in hand, as records one behind the other. */
  takeAll(): Buffer {
    this.#wheel.due(Number.POSITIVE_INFINITY, (record) => this.#ready.push(record));
    const records = Buffer.concat(this.#ready.slice(this.#readyFrom));
    this.#ready = [];
    this.#readyFrom = 0;
    return records;
  }

  /** Adds receipts as `takeAll` gave them; they are due. */
  putAll(records: Buffer): void {
    for (let at = 0; at < records.length; ) {
      const end = at + recordBytes(records, at);
      this.#ready.push(records.subarray(at, end));
      at = end;
    }
  }

  /** Brings forward what has become due, sends what can be sent and repeats what was not answered. */
  tick(nowMs: number, behaviour: Behaviour): void {
    this.#wheel.due(nowMs, (record) => this.#ready.push(record));
    for (const target of this.#targets) {
      target.resend(nowMs - behaviour.receiptRetryMs);
      this.#touched.add(target);
    }
    this.pump(behaviour);
    this.flush();
  }

  /** Writes receipts as far as the windows of the binds allow; they leave at `flush`. */
  pump(behaviour: Behaviour): void {
    while (this.#readyFrom < this.#ready.length) {
      const record = this.#ready[this.#readyFrom] as Buffer;
      const target = this.#targetFor(recordBind(record), behaviour.receiptOtherBind);
      if (target === undefined) break;
      this.#readyFrom += 1;
      target.deliver(record);
      this.#touched.add(target);
    }
    // Dropping the read part only when it is the larger one keeps the cost per receipt constant.
    if (this.#readyFrom * 2 > this.#ready.length) {
      this.#ready = this.#ready.slice(this.#readyFrom);
      this.#readyFrom = 0;
    }
  }

  /** Lets everything written by `pump` leave. */
  flush(): void {
    for (const target of this.#touched) target.flush();
    this.#touched.clear();
  }

  /** The submitting bind or another, as asked for; undefined when none has room at the moment. */
  #targetFor(bind: number, otherBind: boolean): ReceiptTarget | undefined {
    const targets = this.#targets;
    const own = targets.find((target) => target.bind === bind);
    if (own !== undefined && (!otherBind || targets.length === 1) && own.hasRoom()) return own;
    for (let step = 0; step < targets.length; step += 1) {
      this.#turn = (this.#turn + 1) % targets.length;
      const target = targets[this.#turn];
      if (target !== undefined && target !== own && target.hasRoom()) return target;
    }
    return undefined;
  }
}
