/** Framing under every way of cutting the bytes: the same PDUs, the same end, and no PDU lost to a bug behind it. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutAt } from '../fuzz/bytes.ts';
import { type FrameSink, Framer, type StreamLost } from '../../src/smpp/framing.ts';

const pduBytesMax = 1500;

/** A PDU of `length` bytes whose other bytes are `fill`. */
function pdu(length: number, fill: number): Buffer {
  const bytes = Buffer.alloc(length, fill);
  bytes.writeUInt32BE(length, 0);
  return bytes;
}

/** Copies what it is given. */
class Collector implements FrameSink {
  readonly frames: string[] = [];

  frame(buffer: Buffer, start: number, end: number): void {
    this.frames.push(buffer.toString('hex', start, end));
  }
}

function read(chunks: readonly Buffer[]): { frames: string[]; lost: StreamLost | undefined; held: number } {
  const framer = new Framer(pduBytesMax);
  const sink = new Collector();
  let lost: StreamLost | undefined;
  // Each chunk is its own memory, as from a socket, and is spoilt afterwards: what is kept must have been copied.
  for (const chunk of chunks) {
    const bytes = Buffer.from(chunk);
    lost = framer.push(bytes, sink);
    bytes.fill(0xee);
  }
  return { frames: sink.frames, lost, held: framer.heldBytes };
}

const pdus = fc.array(
  fc
    .record({
      length: fc.oneof(fc.integer({ min: 16, max: 40 }), fc.integer({ min: 16, max: 1500 })),
      fill: fc.nat(255),
    })
    .map(({ length, fill }) => pdu(length, fill)),
  { maxLength: 12 },
);
const places = fc.array(fc.nat(), { maxLength: 40 });

test('framing - any chunking of whole PDUs gives exactly these PDUs', () => {
  fc.assert(
    fc.property(pdus, places, (sent, at) => {
      const { frames, lost, held } = read(cutAt(Buffer.concat(sent), at));
      expect(frames).toEqual(sent.map((bytes) => bytes.toString('hex')));
      expect(lost).toBeUndefined();
      expect(held).toBe(0);
    }),
  );
});

test('framing - one byte at a time gives the same as all at once', () => {
  fc.assert(
    fc.property(pdus, fc.uint8Array({ maxLength: 30 }), (sent, garbage) => {
      const bytes = Buffer.concat([...sent, garbage]);
      expect(read([...bytes].map((byte) => Buffer.of(byte)))).toEqual(read([bytes]));
    }),
    { numRuns: 50 },
  );
});

test('framing - garbage after PDUs is lost or held, and the PDUs before it are given, under any chunking', () => {
  fc.assert(
    fc.property(pdus, fc.uint8Array({ minLength: 1, maxLength: 200 }), places, (sent, garbage, at) => {
      const bytes = Buffer.concat([...sent, garbage]);
      const whole = read([bytes]);
      const pieces = read(cutAt(bytes, at));
      expect(pieces.frames).toEqual(whole.frames);
      expect(pieces.lost).toEqual(whole.lost);
      expect(whole.frames.slice(0, sent.length)).toEqual(sent.map((pieceOf) => pieceOf.toString('hex')));
    }),
  );
});

test('framing - every command_length outside the limits loses the stream, for good', () => {
  const length = fc.oneof(fc.integer({ min: 0, max: 15 }), fc.integer({ min: pduBytesMax + 1, max: 0xffffffff }));
  fc.assert(
    fc.property(length, pdus, places, (bad, before, at) => {
      const head = Buffer.alloc(4);
      head.writeUInt32BE(bad);
      const chunks = cutAt(Buffer.concat([...before, head, pdu(16, 1), pdu(16, 2)]), at);
      const { frames, lost } = read(chunks);
      expect(frames).toHaveLength(before.length);
      expect(lost?.reason).toBe(bad < 16 ? 'length-too-short' : 'length-too-long');
      expect(lost?.length).toBe(bad);
    }),
  );
});

test('framing - a sink that throws loses and doubles nothing', () => {
  fc.assert(
    fc.property(pdus, places, fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), (sent, at, throwsAt) => {
      const framer = new Framer(pduBytesMax);
      const frames: string[] = [];
      const sink: FrameSink = {
        frame(buffer, start, end) {
          frames.push(buffer.toString('hex', start, end));
          if (throwsAt[frames.length - 1]) throw new RangeError('a bug in the sink');
        },
      };
      const settle = (bytes: Buffer): void => {
        for (let chunk = bytes; ; chunk = Buffer.alloc(0)) {
          try {
            framer.push(chunk, sink);
            return;
          } catch (error) {
            expect(error).toBeInstanceOf(RangeError);
            chunk.fill(0xee);
          }
        }
      };
      for (const chunk of cutAt(Buffer.concat(sent), at)) settle(Buffer.from(chunk));
      expect(frames).toEqual(sent.map((bytes) => bytes.toString('hex')));
    }),
  );
});
