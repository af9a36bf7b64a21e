/**
 * The simulator's log: what a carrier really received, in order, the judge of every fault test. An entry is
 * in the file before its answer leaves, so whatever process is killed, nothing received is missing. Must
 * never be written by more than one simulator. `log-reader.ts` reads it.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { Fault } from '../fault.ts';
import { readUint32, writeUint32 } from '../smpp/message-fields.ts';

/** First octet of an entry's body. Never renumber. */
export const logKind = { segment: 1, receiptAnswer: 2, bindOpened: 3, bindClosed: 4 } as const;

/** Stands for command_status where a segment was taken and deliberately not answered. */
export const notAnswered = 0xffffffff;

/**
 * Octets of an entry before its id: length of the rest (4), kind (1), bind (4), sequence (4), status (4), time in
 * epoch microseconds as a double (8), length of the id (1).
 */
export const logHeadBytes = 26;

const bufferBytes = 1 << 20;
/** One entry at most: a PDU of 64 KiB text, its id and head. */
const entryBytesMax = 1 << 17;

/** An append-only log; with no path it takes entries and keeps none. */
export class SmscLog {
  #file: number | undefined;
  readonly #buffer: Buffer;
  readonly #time: DataView;
  #used = 0;

  /** Opens `path` for appending. Throws a `Fault` of code `start` when it cannot be written. */
  constructor(path: string | undefined) {
    this.#buffer = Buffer.allocUnsafeSlow(path === undefined ? 0 : bufferBytes);
    this.#time = new DataView(this.#buffer.buffer);
    if (path === undefined) return;
    try {
      this.#file = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND, 0o600);
      trimLog(this.#file);
    } catch (cause) {
      throw new Fault('start', `the simulator's log ${path} cannot be written`, { cause });
    }
  }

  /** Adds an entry with an id of `idBytes` octets of `id` and the octets `[start, end)` of `pdu`. */
  add(
    kind: number,
    bind: number,
    sequence: number,
    status: number,
    atMicros: number,
    id: Uint8Array,
    idBytes: number,
    pdu: Buffer,
    start: number,
    end: number,
  ): void {
    if (this.#file === undefined) return;
    if (bufferBytes - this.#used < entryBytesMax) this.flush();
    const buffer = this.#buffer;
    const from = this.#used;
    buffer[from + 4] = kind;
    writeUint32(buffer, from + 5, bind);
    writeUint32(buffer, from + 9, sequence);
    writeUint32(buffer, from + 13, status);
    this.#time.setFloat64(from + 17, atMicros);
    buffer[from + 25] = idBytes;
    let at = from + logHeadBytes;
    for (let index = 0; index < idBytes; index += 1) buffer[at + index] = id[index] ?? 0;
    at += idBytes;
    at += pdu.copy(buffer, at, start, end);
    writeUint32(buffer, from, at - from - 4);
    this.#used = at;
  }

  /** Puts every entry so far into the file. Returns when they are there. */
  flush(): void {
    if (this.#file === undefined) return;
    let from = 0;
    while (from < this.#used) from += writeSync(this.#file, this.#buffer, from, this.#used - from);
    this.#used = 0;
  }

  /** Flushes and closes the file; what is added afterwards is not kept. */
  close(): void {
    this.flush();
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

/** Cuts off an entry that a killed simulator did not finish, so that what follows can be read. */
function trimLog(file: number): void {
  const { size } = fstatSync(file);
  const length = Buffer.alloc(4);
  let at = 0;
  while (at + 4 <= size) {
    readSync(file, length, 0, 4, at);
    const next = at + 4 + readUint32(length, 0);
    if (next > size) break;
    at = next;
  }
  if (at < size) ftruncateSync(file, at);
}
