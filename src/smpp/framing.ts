/**
 * Cuts a carrier's byte stream into PDUs by their command_length, on the main thread of a worker and in the
 * simulator, for every byte that arrives. It must never read a PDU's body, allocate per PDU, or try to find its
 * place again after a bad length: TCP loses no bytes, so a wrong length means that we no longer know where PDUs
 * begin. Pure.
 */

import assert from 'node:assert';
import { headerBytes } from './command.ts';

/** Size of `command_length` itself, in bytes (SMPP 3.4 §3.2). */
const lengthBytes = 4;

/** Where whole PDUs go. */
export type FrameSink = {
  /**
   * Takes the PDU at `buffer[start, end)`. The bytes may be used only during the call: copy what must outlive it.
   */
  frame(buffer: Buffer, start: number, end: number): void;
};

/** Why no further PDU can be read from this stream; the connection has to be closed. */
export type StreamLost = {
  readonly reason: 'length-too-short' | 'length-too-long';
  /** The `command_length` that was read. */
  readonly length: number;
  /** Its four bytes when they are printable ASCII: the peer speaks another protocol, such as `HTTP`. */
  readonly text: string | undefined;
};

/** The framer of one connection; a new connection takes a new one. */
export class Framer {
  readonly #pduBytesMax: number;
  /** The PDU that is not whole yet: its first `#tailUsed` bytes. Grows to the longest PDU seen cut in two. */
  #tail: Buffer;
  #tailUsed = 0;
  /** Bytes that a throwing sink kept us from looking at. */
  #unread: Buffer | undefined;
  #lost: StreamLost | undefined;

  /** A framer that takes PDUs of `headerBytes` to `pduBytesMax` bytes. */
  constructor(pduBytesMax: number) {
    assert(pduBytesMax >= headerBytes, 'pduBytesMax must hold a header');
    this.#pduBytesMax = pduBytesMax;
    this.#tail = Buffer.allocUnsafeSlow(Math.min(pduBytesMax, 512));
  }

  /** How many bytes of an unfinished PDU are held. */
  get heldBytes(): number {
    return this.#tailUsed + (this.#unread?.length ?? 0);
  }

  /**
   * Gives `sink` every PDU that `chunk` completes, in order and without copying the ones that lie whole in it.
   * Returns the reason when the stream is lost, then and at every later call; PDUs before the bad length have been
   * given. If the sink throws, its PDU counts as given and the rest is kept: the next call goes on with the
   * following PDU.
   */
  push(chunk: Buffer, sink: FrameSink): StreamLost | undefined {
    if (this.#lost !== undefined) return this.#lost;
    let bytes = chunk;
    if (this.#unread !== undefined) {
      bytes = Buffer.concat([this.#unread, chunk]);
      this.#unread = undefined;
    }
    let at = 0;
    let done = false;
    try {
      if (this.#tailUsed > 0) {
        at = this.#fillTail(bytes);
        if (this.#lost === undefined && this.#tailIsWhole()) {
          const end = this.#tailUsed;
          this.#tailUsed = 0;
          sink.frame(this.#tail, 0, end);
        }
      }
      while (this.#lost === undefined && bytes.length - at >= lengthBytes) {
        const length = this.#lengthAt(bytes, at);
        if (this.#lost !== undefined || bytes.length - at < length) break;
        const start = at;
        at += length;
        sink.frame(bytes, start, at);
      }
      done = true;
    } finally {
      if (!done) this.#unread = Buffer.from(bytes.subarray(at));
    }
    if (this.#lost !== undefined) this.#tailUsed = 0;
    else if (at < bytes.length) this.#hold(bytes, at);
    return this.#lost;
  }

  /** Reads and checks a `command_length`; an impossible one loses the stream. */
  #lengthAt(bytes: Buffer, at: number): number {
    const length = bytes.readUInt32BE(at);
    if (length < headerBytes || length > this.#pduBytesMax) {
      const reason = length < headerBytes ? 'length-too-short' : 'length-too-long';
      const spelt = bytes.toString('latin1', at, at + lengthBytes);
      this.#lost = { reason, length, text: /^[ -~]{4}$/.test(spelt) ? spelt : undefined };
    }
    return length;
  }

  /** Adds to the tail what its PDU still lacks, as far as `bytes` has it; returns how many bytes were taken. */
  #fillTail(bytes: Buffer): number {
    let taken = 0;
    if (this.#tailUsed < lengthBytes) {
      taken = bytes.copy(this.#tail, this.#tailUsed, 0, lengthBytes - this.#tailUsed);
      this.#tailUsed += taken;
      if (this.#tailUsed < lengthBytes) return taken;
    }
    const length = this.#lengthAt(this.#tail, 0);
    if (this.#lost !== undefined) return taken;
    this.#reserve(length);
    const copied = bytes.copy(this.#tail, this.#tailUsed, taken, taken + length - this.#tailUsed);
    this.#tailUsed += copied;
    return taken + copied;
  }

  #tailIsWhole(): boolean {
    return this.#tailUsed >= lengthBytes && this.#tailUsed === this.#tail.readUInt32BE(0);
  }

  /** Keeps the beginning of a PDU whose end has not arrived. */
  #hold(bytes: Buffer, at: number): void {
    this.#reserve(bytes.length - at);
    this.#tailUsed = bytes.copy(this.#tail, 0, at);
  }

  /** Makes room for a PDU of `size` bytes; doubling keeps the number of copies small. */
  #reserve(size: number): void {
    if (size <= this.#tail.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#pduBytesMax, Math.max(size, this.#tail.length * 2)));
    this.#tail.copy(larger, 0, 0, this.#tailUsed);
    this.#tail = larger;
  }
}
