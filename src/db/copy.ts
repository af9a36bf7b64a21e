/**
 * Rows in PostgreSQL's binary COPY format, written into one growing buffer: nothing is allocated per row, and
 * nothing has to be escaped. Format: PostgreSQL documentation, "COPY", Binary Format. Runs in the recorder.
 */
import type { ClientBase } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

/** Signature, flags, length of the header extension. */
const header = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const trailer = Buffer.from([0xff, 0xff]);

/** Epoch milliseconds of 2000-01-01, from which PostgreSQL counts. */
const postgresEpochMs = 946_684_800_000;

/** Rows for one COPY. Values are written in the order of the columns. */
export class CopyRows {
  #bytes: Buffer;
  #end = header.length;
  /** Rows begun since the last `clear`. */
  rows = 0;

  /** `bytesExpected`: size to start with. */
  constructor(bytesExpected: number) {
    this.#bytes = Buffer.allocUnsafe(Math.max(1024, bytesExpected));
    header.copy(this.#bytes);
  }

  /** Begins a row of `columns` values that take at most `bytesMax` bytes besides their lengths. */
  row(columns: number, bytesMax: number): void {
    this.#room(2 + 4 * columns + bytesMax + trailer.length);
    this.#bytes[this.#end++] = columns >>> 8;
    this.#bytes[this.#end++] = columns & 255;
    this.rows += 1;
  }

  /** A smallint. */
  int2(value: number): void {
    this.#end = this.#bytes.writeInt32BE(2, this.#end);
    this.#bytes[this.#end++] = (value >>> 8) & 255;
    this.#bytes[this.#end++] = value & 255;
  }

  /** An integer; of a larger number its low 32 bits. */
  int4(value: number): void {
    this.#end = this.#bytes.writeInt32BE(4, this.#end);
    this.#end = this.#bytes.writeInt32BE(value | 0, this.#end);
  }

  /** A timestamptz, from epoch milliseconds. */
  moment(epochMs: number): void {
    this.#end = writeMoment(this.#bytes, epochMs, this.#end);
  }

  /** A null. */
  nothing(): void {
    this.#end = this.#bytes.writeInt32BE(-1, this.#end);
  }

  /** A value that is already in the format, with its length. */
  ready(value: Uint8Array): void {
    this.#bytes.set(value, this.#end);
    this.#end += value.length;
  }

  /** Text, from Latin-1 `bytes[start, end)`: up to twice as many bytes. NUL, which text cannot hold, is left out. */
  latin1(bytes: Uint8Array, start: number, end: number): void {
    const lengthAt = this.#end;
    let to = lengthAt + 4;
    for (let at = start; at < end; at += 1) {
      const byte = bytes[at] as number;
      if (byte >= 0x80) {
        this.#bytes[to++] = 0xc0 | (byte >>> 6);
        this.#bytes[to++] = 0x80 | (byte & 0x3f);
      } else if (byte !== 0) this.#bytes[to++] = byte;
    }
    this.#bytes.writeInt32BE(to - lengthAt - 4, lengthAt);
    this.#end = to;
  }

  /** Empties it for the next COPY; keeps its memory. */
  clear(): void {
    this.#end = header.length;
    this.rows = 0;
  }

  /** Copies the rows into `columns` of `table`, in the client's transaction. Both are names from our own code. */
  async send(client: ClientBase, table: string, columns: string): Promise<void> {
    if (this.rows === 0) return;
    trailer.copy(this.#bytes, this.#end);
    const stream = client.query(copyFrom(`copy ${table} (${columns}) from stdin with (format binary)`));
    await new Promise<void>((resolve, reject) => {
      stream.on('finish', resolve);
      stream.on('error', reject);
      stream.end(this.#bytes.subarray(0, this.#end + trailer.length));
    });
  }

  #room(bytes: number): void {
    if (this.#end + bytes <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#end + bytes));
    this.#bytes.copy(grown, 0, 0, this.#end);
    this.#bytes = grown;
  }
}

function writeMoment(into: Buffer, epochMs: number, offset: number): number {
  const us = (epochMs - postgresEpochMs) * 1000;
  let at = into.writeInt32BE(8, offset);
  at = into.writeInt32BE(Math.floor(us / 0x1_0000_0000), at);
  return into.writeInt32BE(us | 0, at);
}

/** A smallint as `CopyRows.ready` takes it. */
export function readyInt2(value: number): Buffer {
  return Buffer.from([0, 0, 0, 2, (value >>> 8) & 255, value & 255]);
}

/** An integer as `CopyRows.ready` takes it; of a larger number its low 32 bits. */
export function readyInt4(value: number): Buffer {
  const ready = Buffer.allocUnsafe(8);
  ready.writeInt32BE(value | 0, ready.writeInt32BE(4, 0));
  return ready;
}

/** A timestamptz as `CopyRows.ready` takes it, from epoch milliseconds. */
export function readyMoment(epochMs: number): Buffer {
  const ready = Buffer.allocUnsafe(12);
  writeMoment(ready, epochMs, 0);
  return ready;
}

/** An id as `CopyRows.ready` takes it. */
export function readyId(id: string): Buffer {
  const value = Buffer.allocUnsafe(12);
  value.writeInt32BE(8, 0);
  value.writeBigInt64BE(BigInt(id), 4);
  return value;
}

/** Text as `CopyRows.ready` takes it. */
export function readyText(text: string): Buffer {
  const value = Buffer.from(`\0\0\0\0${text}`);
  value.writeInt32BE(value.length - 4, 0);
  return value;
}
