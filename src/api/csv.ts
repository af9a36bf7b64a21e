/**
 * Bytes of a CSV file → records with their line numbers. API process. A line that is broken costs that line and
 * nothing else: a quote that is never closed is given up after some lines, and reading goes on behind the line
 * where it was opened. Holds at most one record and one chunk in memory. csv-parse reads what has quotes.
 */
import { isUtf8 } from 'node:buffer';
import { CsvError, parse } from 'csv-parse/sync';

/** A record, or a line that is none. Lines count from 1. */
export type CsvRecord =
  | { readonly kind: 'record'; readonly line: number; readonly cells: readonly string[] }
  | { readonly kind: 'broken'; readonly line: number; readonly message: string };

/** What a file that cannot be read as a whole is. */
export type CsvRefusal = 'utf-16';

type Line = { readonly number: number; readonly text: string | undefined };
type Quoted = { readonly slot: number; readonly line: number; readonly text: string };

const newline = 0x0a;
/** A field in quotes may contain line breaks; more of them mean that a quote was forgotten. */
const quotedLinesMax = 20;
const delimiters = [';', ',', '\t'];

/** Reads one file, chunk by chunk. The delimiter (semicolon, comma or tab) is what the first line has most of. */
export class CsvReader {
  readonly lineBytesMax: number;
  private pending: Buffer = Buffer.alloc(0);
  private skipping = false;
  private started = false;
  private lineNumber = 0;
  private delimiter: string | undefined;
  /** Lines of a record whose quote is still open. */
  private open: Line[] = [];
  private out: CsvRecord[] = [];
  private quoted: Quoted[] = [];

  constructor(lineBytesMax: number) {
    this.lineBytesMax = lineBytesMax;
  }

  /** Takes the next bytes and gives the records that are complete, or says that the file is not readable. */
  push(chunk: Uint8Array): readonly CsvRecord[] | CsvRefusal {
    let bytes = this.pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.pending, chunk]);
    if (!this.started) {
      if (bytes.length < 3) {
        this.pending = bytes;
        return [];
      }
      this.started = true;
      if (isUtf16Mark(bytes)) return 'utf-16';
      if (isUtf8Mark(bytes)) bytes = bytes.subarray(3);
    }
    const end = bytes.lastIndexOf(newline) + 1;
    this.pending = Buffer.from(bytes.subarray(end));
    if (end > 0) this.takeLines(bytes.subarray(0, end - 1));
    this.boundPending();
    return this.give();
  }

  /** Gives what is left at the end of the file. */
  end(): readonly CsvRecord[] | CsvRefusal {
    if (!this.started && isUtf16Mark(this.pending)) return 'utf-16';
    if (this.pending.length > 0 || this.skipping) this.takeLines(this.pending);
    this.pending = Buffer.alloc(0);
    while (this.open.length > 0) this.giveUpQuote();
    return this.give();
  }

  /** A line that grows beyond the limit is dropped while it comes. */
  private boundPending(): void {
    if (this.pending.length <= this.lineBytesMax && !this.skipping) return;
    this.skipping ||= true;
    this.pending = Buffer.alloc(0);
  }

  private takeLines(bytes: Buffer): void {
    if (isUtf8(bytes)) {
      for (const text of bytes.toString('utf8').split('\n')) this.takeRawLine(text, text.length);
      return;
    }
    for (let start = 0; start <= bytes.length; ) {
      const found = bytes.indexOf(newline, start);
      const end = found < 0 ? bytes.length : found;
      const line = bytes.subarray(start, end);
      this.takeRawLine(isUtf8(line) ? line.toString('utf8') : undefined, line.length);
      start = end + 1;
    }
  }

  private takeRawLine(text: string | undefined, length: number): void {
    this.lineNumber += 1;
    const number = this.lineNumber;
    if (this.skipping || length > this.lineBytesMax) {
      this.skipping = false;
      this.broken(number, `the line has more than ${this.lineBytesMax} bytes`);
    } else {
      this.takeLine({ number, text: text?.endsWith('\r') ? text.slice(0, -1) : text });
    }
  }

  private takeLine(line: Line): void {
    const { number, text } = line;
    if (text === undefined) return this.broken(number, 'the line is not UTF-8');
    if (this.open.length > 0 || text.includes('"')) {
      this.open.push(line);
      this.closeQuote();
    } else if (text.trim() !== '') {
      this.out.push({ kind: 'record', line: number, cells: text.split(this.delimiterFor(text)) });
    }
  }

  /** Completes the open record when its quotes are balanced, or gives up on it when it is too long. */
  private closeQuote(): void {
    const text = this.open.map((line) => line.text).join('\n');
    const first = this.open[0];
    if (first === undefined) return;
    if (text.split('"').length % 2 === 1) {
      this.delimiterFor(text);
      this.quoted.push({ slot: this.out.length, line: first.number, text });
      this.broken(first.number, 'a quote stands where none may');
      this.open = [];
    } else if (this.open.length >= quotedLinesMax || text.length > this.lineBytesMax) {
      this.giveUpQuote();
    }
  }

  /** The first open line is broken; those behind it are read again, each for itself. */
  private giveUpQuote(): void {
    const [first, ...rest] = this.open;
    this.open = [];
    if (first !== undefined) this.broken(first.number, 'a quote is opened and never closed');
    for (const line of rest) this.takeLine(line);
  }

  private broken(line: number, message: string): void {
    this.out.push({ kind: 'broken', line, message });
  }

  private delimiterFor(text: string): string {
    this.delimiter ??= delimiters.reduce((most, other) =>
      text.split(other).length > text.split(most).length ? other : most,
    );
    return this.delimiter;
  }

  private give(): readonly CsvRecord[] {
    const together = readQuoted(this.quoted.map((record) => record.text).join('\n'), this.delimiter);
    const whole = together?.length === this.quoted.length ? together : undefined;
    this.quoted.forEach(({ slot, line, text }, index) => {
      const cells = whole?.[index] ?? readQuoted(text, this.delimiter)?.[0];
      if (cells !== undefined) this.out[slot] = { kind: 'record', line, cells };
    });
    const records = this.out;
    this.out = [];
    this.quoted = [];
    return records;
  }
}

/** Cells of records with quotes, or undefined when one of them is broken. */
function readQuoted(text: string, delimiter: string | undefined): string[][] | undefined {
  if (text === '' || delimiter === undefined) return undefined;
  try {
    return parse(text, { delimiter, relax_column_count: true, record_delimiter: '\n' });
  } catch (error) {
    if (error instanceof CsvError) return undefined;
    throw error;
  }
}

function isUtf16Mark(bytes: Buffer): boolean {
  return (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
}

function isUtf8Mark(bytes: Buffer): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}
