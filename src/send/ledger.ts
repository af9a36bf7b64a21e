/**
 * The books of one batch in a worker's hands: which frames may be written, which were answered, what is
 * not yet recorded and when the batch is done. Pure; the sender acts on what it says.
 *
 * A frame's way: unreserved → reserved (Redis knows that it may be written) → written → answered. A frame
 * that is to be written again waits in `again`. Recipients that could not be encoded have no frame; they are
 * units behind the last frame, refused from the start.
 */
import assert from 'node:assert';
import { Buffer } from 'node:buffer';
import type { Batch, Frames, OutcomeKind } from '../handoff.ts';
import { OutcomeWriter } from '../stream/entry.ts';

/** What an earlier holder of the batch left; as in Redis. */
export type PriorLedger = {
  readonly reserved: number;
  readonly frames: number;
  readonly answered: Buffer;
  readonly again: readonly number[];
};

/** A frame that waits to be written again, from `atMs` (wall clock) on. */
export type AgainFrame = { readonly frame: number; readonly atMs: number };

/** Octets that an outcome record takes with a usual message id; the writer's first size. */
const outcomeBytesUsual = 36;

const noFrames: Frames = {
  bytes: Buffer.alloc(0),
  offsets: new Uint32Array(1),
  recipient: new Uint16Array(0),
  segment: new Uint8Array(0),
  segments: new Uint8Array(0),
  refused: [],
};

/** Adjacent indexes of a batch that are to be sent, as first and count. */
function runsOf(batch: Batch): [first: number, count: number][] {
  if (batch.only === undefined) return [[0, batch.recipients]];
  const runs: [number, number][] = [];
  for (const index of batch.only) {
    const last = runs.at(-1);
    if (last !== undefined && last[0] + last[1] === index) last[1]++;
    else runs.push([index, 1]);
  }
  return runs;
}

/** The books of one batch. */
export class BatchLedger {
  readonly batch: Batch;
  readonly frames: Frames;
  /** Frames of the batch. */
  readonly frameCount: number;
  /** The first frame that was never handed to a bind. */
  next = 0;
  /** Frames below this may be written. */
  reserved = 0;
  /** Frames that were answered or given another outcome, and recipients refused. */
  readonly answered: Buffer;
  /** Frames to write again, in no order. */
  readonly again: AgainFrame[] = [];
  /** Frames and refused recipients together: what `answered` has bits for. */
  readonly units: number;
  #settled = 0;
  #givesUp = false;
  readonly #tries = new Map<number, number>();
  readonly #outcomes: OutcomeWriter;

  /** Books of a batch as encoded; `prior` when somebody began it before. */
  constructor(batch: Batch, frames: Frames, prior?: PriorLedger) {
    this.batch = batch;
    this.frames = frames;
    this.frameCount = frames.recipient.length;
    this.units = this.frameCount + frames.refused.length;
    this.answered = Buffer.alloc((this.units + 7) >> 3);
    this.#outcomes = new OutcomeWriter((this.units + 1) * outcomeBytesUsual);
    if (prior !== undefined) this.#takeOver(prior);
    frames.refused.forEach(({ index }, i) => {
      if (this.#mark(this.frameCount + i)) this.#outcomes.add(index, 1, 0, 1, 'rejected', 0, '');
    });
  }

  /** Books of a batch of which nothing more will be written and nothing is told apart: all recipients share `kind`. */
  static closed(batch: Batch, kind: OutcomeKind): BatchLedger {
    const ledger = new BatchLedger(batch, noFrames);
    for (const [first, count] of runsOf(batch)) ledger.#outcomes.add(first, count, 0, 1, kind, 0, '');
    ledger.#givesUp = kind === 'rerouted';
    return ledger;
  }

  /** Frames that may be written now and never were. */
  get sendable(): number {
    return this.reserved - this.next;
  }

  /** Every frame and recipient has its outcome. */
  get done(): boolean {
    return this.#settled === this.units;
  }

  /** Outcomes that are not in Redis yet. */
  get unrecorded(): number {
    return this.#outcomes.records;
  }

  /** Among these are messages that another carrier is to have: only whoever holds the batch may say so. */
  get givesUp(): boolean {
    return this.#givesUp;
  }

  /** Takes the outcomes that are not in Redis yet, as packed records. */
  takeOutcomes(): Buffer {
    this.#givesUp = false;
    return this.#outcomes.take();
  }

  /** Counted tries of a frame so far. */
  tries(frame: number): number {
    return this.#tries.get(frame) ?? 0;
  }

  /** Gives a frame its outcome; repeating changes nothing. */
  settle(frame: number, kind: OutcomeKind, commandStatus: number, messageId: string): void {
    if (!this.#mark(frame)) return;
    if (kind === 'rerouted') this.#givesUp = true;
    const { recipient, segment, segments } = this.frames;
    this.#outcomes.add(
      recipient[frame] as number,
      1,
      segment[frame] as number,
      segments[frame] as number,
      kind,
      commandStatus,
      messageId,
    );
  }

  /** Puts a written frame back to be written again. */
  writeAgain(frame: number, atMs: number, counts: boolean): void {
    if (counts) this.#tries.set(frame, this.tries(frame) + 1);
    this.again.push({ frame, atMs });
  }

  /** The first frame that is due to be written again, taken off; -1 when none is. */
  takeAgain(nowMs: number): number {
    const at = this.again.findIndex((waiting) => waiting.atMs <= nowMs);
    return at < 0 ? -1 : (this.again.splice(at, 1)[0] as AgainFrame).frame;
  }

  /** Whether a frame waits to be written again. */
  isAgain(frame: number): boolean {
    return this.again.some((waiting) => waiting.frame === frame);
  }

  /** Takes a frame off those to be written again; false when it was not among them. */
  spare(frame: number): boolean {
    const at = this.again.findIndex((waiting) => waiting.frame === frame);
    if (at >= 0) this.again.splice(at, 1);
    return at >= 0;
  }

  /**
   * Gives all that is not written, or waits to be written again, the same outcome. Whole messages that
   * never began share one record for each run of recipients. Parts of messages that did begin cannot be had from
   * another carrier: where the rest is rerouted they are `unknown`.
   */
  settleRest(kind: OutcomeKind): void {
    const { recipient, segment, segments } = this.frames;
    const ofParts = kind === 'rerouted' ? 'unknown' : kind;
    for (const { frame } of this.again.splice(0)) this.settle(frame, segments[frame] === 1 ? kind : ofParts, 0, '');
    let frame = this.next;
    while (frame < this.frameCount && segment[frame] !== 0) this.settle(frame++, ofParts, 0, '');
    while (frame < this.frameCount) {
      const first = recipient[frame] as number;
      let count = 0;
      while (frame < this.frameCount) {
        const index = recipient[frame] as number;
        if (index === first + count) count++;
        else if (index !== first + count - 1) break;
        this.#mark(frame++);
      }
      this.#outcomes.add(first, count, 0, 1, kind, 0, '');
      if (kind === 'rerouted') this.#givesUp = true;
    }
    this.next = this.frameCount;
    this.reserved = this.frameCount;
  }

  /**
   * How many frames from `next` on to write at once: whole messages that `paced` and `room` have place for, never more
   * than `paced`. A message that the pace does not allow whole is parted, and so is one that is longer than
   * `roomMost`, the most that `room` can be; another one waits for its room.
   */
  runLength(paced: number, room: number, roomMost: number): number {
    const { segment, segments } = this.frames;
    const sendable = Math.min(room, this.sendable);
    if (sendable <= 0) return 0;
    const most = Math.min(paced, sendable);
    let end = this.next + most;
    while (end > this.next && end < this.frameCount && segment[end] !== 0) end--;
    if (end > this.next) return end - this.next;
    const message = (segments[this.next] as number) - (segment[this.next] as number);
    return message > sendable && message <= roomMost ? 0 : most;
  }

  /** Where to reserve up to, to have `segments` more than `next` at least: a message's end, never less than now. */
  reservationEnd(segments: number): number {
    let end = Math.max(this.reserved, Math.min(this.frameCount, this.next + segments));
    while (end < this.frameCount && this.frames.segment[end] !== 0) end++;
    return end;
  }

  #takeOver(prior: PriorLedger): void {
    // Another encoding of the same batch has other frame numbers: nothing that was begun can be told apart.
    const same = prior.frames === 0 || prior.frames === this.units;
    this.next = same ? Math.min(prior.reserved, this.frameCount) : this.frameCount;
    for (let unit = 0; same && unit < this.units; unit++) {
      if (((prior.answered[unit >> 3] ?? 0) & (1 << (unit & 7))) === 0) continue;
      this.#mark(unit);
      // The rest of a cancelled or expired batch has its outcomes, though it was never reserved.
      if (unit < this.frameCount) this.next = Math.max(this.next, unit + 1);
    }
    this.reserved = this.next;
    for (const frame of same ? prior.again : [])
      if (frame < this.next && !this.#isMarked(frame)) this.again.push({ frame, atMs: 0 });
  }

  /** Frames that an earlier holder may have written and that were not answered. */
  unanswered(): number[] {
    const waiting = new Set(this.again.map(({ frame }) => frame));
    const frames: number[] = [];
    for (let frame = 0; frame < this.next; frame++)
      if (!this.#isMarked(frame) && !waiting.has(frame)) frames.push(frame);
    return frames;
  }

  /** What another worker must know to go on. */
  get position(): PriorLedger {
    const again = this.again.map(({ frame }) => frame);
    return { reserved: this.next, frames: this.units, answered: Buffer.from(this.answered), again };
  }

  #isMarked(unit: number): boolean {
    return ((this.answered[unit >> 3] as number) & (1 << (unit & 7))) !== 0;
  }

  #mark(unit: number): boolean {
    assert(unit >= 0 && unit < this.units, 'a unit of this batch');
    if (this.#isMarked(unit)) return false;
    this.answered[unit >> 3] = (this.answered[unit >> 3] as number) | (1 << (unit & 7));
    this.#settled++;
    return true;
  }
}
