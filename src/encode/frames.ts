/**
 * The layout of `Frames` in one ArrayBuffer, so that a batch leaves an encoder thread by one transfer. Written
 * in encoder threads, read on the worker's main thread. The reader copies nothing. Pure.
 *
 * Layout, integers in the machine's byte order (the buffer never leaves the process):
 *   u32 frames, u32 octets of frames, u32 refused, u32 reserved
 *   octets of all frames, one after the other, padded to a multiple of 4
 *   u32 offset of each frame and of the end · u32 each refusal (index in the low half, reason in the high half)
 *   u16 recipient of each frame · u8 segment of each frame · u8 segments of each frame's message
 */

import assert from 'node:assert';
import type { Frames } from '../handoff.ts';

/** Why the encoder refuses a recipient. The place in this list is its number in the buffer. */
export const refusedReasons = ['address', 'empty', 'too-long', 'content', 'sender'] as const;

/**
 * `address`: not 5 to 15 digits · `empty`: no text left after personalisation · `too-long`: more segments than
 * the carrier's profile allows · `content`, `sender`: the campaign itself cannot be sent, which its creation
 * should have refused.
 */
export type RefusedReason = (typeof refusedReasons)[number];

const headBytes = 16;

/** Collects frames of one batch. Write at `at` in `buffer` after `reserve`, then `commit`. */
export class FramesWriter {
  /** The memory to write into; replaced by `reserve`, so read it again after each call. */
  buffer: Buffer;
  /** Where the next frame begins. */
  at = headBytes;
  readonly #offsets: number[] = [0];
  readonly #recipient: number[] = [];
  readonly #segment: number[] = [];
  readonly #segments: number[] = [];
  readonly #refused: number[] = [];

  /** `bytesExpected` is a guess at all frames together; a good one saves a copy. */
  constructor(bytesExpected: number) {
    this.buffer = Buffer.from(new ArrayBuffer(headBytes + bytesExpected));
  }

  /** Makes room for `bytes` more from `at`. */
  reserve(bytes: number): void {
    if (this.at + bytes > this.buffer.length) this.#grow(this.at + bytes);
  }

  /** Takes the octets from `at` to `end` as the next frame. */
  commit(end: number, recipient: number, segment: number, segments: number): void {
    this.at = end;
    this.#offsets.push(end - headBytes);
    this.#recipient.push(recipient);
    this.#segment.push(segment);
    this.#segments.push(segments);
  }

  /** Lists the recipient at `index` as one without frames. */
  refuse(index: number, reason: RefusedReason): void {
    this.#refused.push(index | (refusedReasons.indexOf(reason) << 16));
  }

  /** The batch in one buffer, to be transferred and given to `readFrames`. The writer is of no use afterwards. */
  finish(): ArrayBuffer {
    const frames = this.#recipient.length;
    const refused = this.#refused.length;
    const bytes = this.at - headBytes;
    const places = placesOf(frames, bytes, refused);
    if (places.end > this.buffer.length) this.#grow(places.end);
    const memory = this.buffer.buffer;
    assert(memory instanceof ArrayBuffer);
    new Uint32Array(memory, 0, 3).set([frames, bytes, refused]);
    new Uint32Array(memory, places.offsets, frames + 1).set(this.#offsets);
    new Uint32Array(memory, places.refused, refused).set(this.#refused);
    new Uint16Array(memory, places.recipient, frames).set(this.#recipient);
    new Uint8Array(memory, places.segment, frames).set(this.#segment);
    new Uint8Array(memory, places.segments, frames).set(this.#segments);
    return memory;
  }

  #grow(bytesMin: number): void {
    const larger = Buffer.from(new ArrayBuffer(Math.max(bytesMin, this.buffer.length * 2)));
    this.buffer.copy(larger, 0, 0, this.at);
    this.buffer = larger;
  }
}

/** The frames in a buffer that `FramesWriter.finish` made, as views into it. */
export function readFrames(memory: ArrayBuffer): Frames {
  const [frames = 0, bytes = 0, refused = 0] = new Uint32Array(memory, 0, 3);
  const places = placesOf(frames, bytes, refused);
  return {
    bytes: Buffer.from(memory, headBytes, bytes),
    offsets: new Uint32Array(memory, places.offsets, frames + 1),
    recipient: new Uint16Array(memory, places.recipient, frames),
    segment: new Uint8Array(memory, places.segment, frames),
    segments: new Uint8Array(memory, places.segments, frames),
    refused: Array.from(new Uint32Array(memory, places.refused, refused), readRefusal),
  };
}

function readRefusal(code: number): { index: number; reason: RefusedReason } {
  const reason = refusedReasons[code >>> 16];
  assert(reason !== undefined, 'frames were written by another version');
  return { index: code & 0xffff, reason };
}

function placesOf(frames: number, bytes: number, refused: number) {
  const offsets = (headBytes + bytes + 3) & ~3;
  const refusals = offsets + 4 * (frames + 1);
  const recipient = refusals + 4 * refused;
  const segment = recipient + 2 * frames;
  const segments = segment + frames;
  return { offsets, refused: refusals, recipient, segment, segments, end: segments + frames };
}
