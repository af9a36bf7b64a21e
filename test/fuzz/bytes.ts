/**
 * Bytes that were PDUs once: golden frames of the specification with octets changed, taken out, put in and doubled,
 * under a true command_length or a wrong one, cut into chunks as TCP may. Pure but for reading the golden frames.
 */
import fc from 'fast-check';
import { golden, goldenNames } from '../support/golden.ts';

/** One change: what is done, where, and with which value. All three are taken modulo what makes sense. */
export type Change = readonly [kind: number, at: number, value: number];

/** Values at which readers of lengths and counts tend to go wrong. */
const edges = [0, 1, 0x0f, 0x10, 0x7f, 0x80, 0xff, 0x0100, 0x7fff, 0x8000, 0xffff];

const changes: readonly ((bytes: Buffer, at: number, value: number) => Buffer)[] = [
  (bytes, at, value) => {
    bytes[at] = value & 0xff;
    return bytes;
  },
  (bytes, at, value) => {
    bytes[at] = (bytes[at] as number) ^ (1 << (value & 7));
    return bytes;
  },
  (bytes, at, value) => {
    if (at + 2 <= bytes.length) bytes.writeUInt16BE(edges[value % edges.length] as number, at);
    return bytes;
  },
  (bytes, at) => bytes.subarray(0, at),
  (bytes, at, value) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + (value & 15))]),
  (bytes, at, value) =>
    Buffer.concat([bytes.subarray(0, at), Buffer.alloc(1 + (value >> 8), value), bytes.subarray(at)]),
  (bytes, at, value) => {
    const piece = bytes.subarray(at, at + 1 + (value & 63));
    const times = 1 + ((value >> 6) & 255);
    return Buffer.concat([bytes.subarray(0, at), ...Array.from({ length: times }, () => piece), bytes.subarray(at)]);
  },
];

/** What `bytes` become; never longer than a carrier may send. */
export function changed(bytes: Buffer, all: readonly Change[]): Buffer {
  let now = Buffer.from(bytes);
  for (const [kind, at, value] of all) {
    if (now.length === 0) break;
    now = Buffer.from((changes[kind % changes.length] as (typeof changes)[number])(now, at % now.length, value));
  }
  return now;
}

/** So many changes at most, anywhere. */
export function someChanges(maxLength: number): fc.Arbitrary<Change[]> {
  return fc.array(fc.tuple(fc.nat(changes.length - 1), fc.nat(400), fc.nat(0xffff)), { maxLength });
}

const frames = goldenNames().map(golden);

/** A PDU that was changed. Mostly its length is true, so that its body is looked at; one in eight has what it has. */
const spoilt = fc
  .record({ which: fc.nat(frames.length - 1), with: someChanges(4), length: fc.nat(7) })
  .map(({ which, with: all, length }) => {
    const bytes = changed(frames[which] as Buffer, all);
    if (length > 0 && bytes.length >= 4) bytes.writeUInt32BE(bytes.length, 0);
    return bytes;
  });

/** What a carrier may send over one connection, and how TCP cuts it. */
export const streams = fc
  .record({ pdus: fc.array(spoilt, { minLength: 1, maxLength: 6 }), cuts: fc.array(fc.nat(2_000), { maxLength: 4 }) })
  .map(({ pdus, cuts }) => {
    const bytes = Buffer.concat(pdus);
    return { bytes, chunks: cutAt(bytes, cuts) };
  });

/** Cuts `bytes` at the given places, in any order; doubled ones give empty chunks. */
export function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  return ends.map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end));
}
