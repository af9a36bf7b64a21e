/**
 * Joined writes of one connection: PDUs are put one after another into a block and leave together. A block that
 * has been handed to the socket is never written to again.
 */
const blockBytes = 1 << 16;

/** Bytes gathered for a socket. */
export class Output {
  /** The block to write into, at `at`; valid until the next `reserve`. */
  buffer: Buffer = Buffer.allocUnsafeSlow(blockBytes);
  /** Where the next PDU belongs; the writer moves it on. */
  at = 0;
  #from = 0;
  #full: Buffer[] = [];

  /** Makes room for `bytes` octets at `at`. */
  reserve(bytes: number): void {
    if (this.buffer.length - this.at >= bytes) return;
    if (this.at > this.#from) this.#full.push(this.buffer.subarray(this.#from, this.at));
    this.buffer = Buffer.allocUnsafeSlow(Math.max(blockBytes, bytes));
    this.at = 0;
    this.#from = 0;
  }

  /** Adds a PDU that exists already. */
  add(pdu: Buffer): void {
    this.reserve(pdu.length);
    this.at += pdu.copy(this.buffer, this.at);
  }

  /** Takes out everything gathered, in order. */
  take(): Buffer[] {
    const blocks = this.#full;
    if (this.at > this.#from) blocks.push(this.buffer.subarray(this.#from, this.at));
    this.#full = [];
    this.#from = this.at;
    return blocks;
  }
}
