/**
 * Receipts that wait for their time, in slots of 10 ms: one timer serves millions. Pure.
 */
import { recordBytes, recordBytesMax } from './receipt-record.ts';

/** Width of a slot. */
export const slotMs = 10;

type Slot = { buffer: Buffer; used: number; records: number };

/** The slots of one simulator. Times are monotonic milliseconds. */
export class ReceiptWheel {
  readonly #slots = new Map<number, Slot>();
  #next = 0;
  #waiting = 0;

  /** Receipts that are not due yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Adds one receipt, due at `dueMs` or in the next slot if that has passed. `write` puts the record into the
   * buffer at the offset, `recordBytesMax` octets at most, and returns the offset after it.
   */
  add(dueMs: number, nowMs: number, write: (into: Buffer, offset: number) => number): void {
    if (this.#waiting === 0) this.#next = Math.floor(nowMs / slotMs);
    const slot = this.#slotAt(Math.max(this.#next, Math.ceil(dueMs / slotMs)));
    slot.used = write(slot.buffer, slot.used);
    slot.records += 1;
    this.#waiting += 1;
  }

  #slotAt(key: number): Slot {
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = { buffer: Buffer.allocUnsafeSlow(4096), used: 0, records: 0 };
      this.#slots.set(key, slot);
    }
    if (slot.buffer.length - slot.used < recordBytesMax) {
      const larger = Buffer.allocUnsafeSlow(slot.buffer.length * 2);
      slot.buffer.copy(larger, 0, 0, slot.used);
      slot.buffer = larger;
    }
    return slot;
  }

  /** Gives `take` every record that is due by `nowMs`, in order of slots; the records stay valid. */
  due(nowMs: number, take: (record: Buffer) => void): void {
    const last = Math.floor(nowMs / slotMs);
    for (; this.#next <= last && this.#waiting > 0; this.#next += 1) {
      const slot = this.#slots.get(this.#next);
      if (slot === undefined) continue;
      this.#slots.delete(this.#next);
      this.#waiting -= slot.records;
      let at = 0;
      while (at < slot.used) {
        const end = at + recordBytes(slot.buffer, at);
        take(slot.buffer.subarray(at, end));
        at = end;
      }
    }
  }
}
