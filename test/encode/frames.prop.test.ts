/** What is written into the one buffer of a batch is read back. Pure. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FramesWriter, readFrames, refusedReasons } from '../../src/encode/frames.ts';

const frame = fc.record({
  bytes: fc.uint8Array({ maxLength: 300 }),
  recipient: fc.integer({ min: 0, max: 0xffff }),
  segment: fc.integer({ min: 0, max: 254 }),
  segments: fc.integer({ min: 1, max: 255 }),
});
const refusal = fc.record({ index: fc.integer({ min: 0, max: 0xffff }), reason: fc.constantFrom(...refusedReasons) });

test('frames - what was committed and refused is read back, whatever memory was expected', () => {
  fc.assert(
    fc.property(fc.array(frame), fc.array(refusal), fc.nat(4000), (frames, refused, bytesExpected) => {
      const writer = new FramesWriter(bytesExpected);
      for (const { bytes, recipient, segment, segments } of frames) {
        writer.reserve(bytes.length);
        writer.buffer.set(bytes, writer.at);
        writer.commit(writer.at + bytes.length, recipient, segment, segments);
      }
      for (const { index, reason } of refused) writer.refuse(index, reason);
      const read = readFrames(structuredClone(writer.finish()));
      expect([...read.recipient]).toEqual(frames.map(({ recipient }) => recipient));
      expect([...read.segment]).toEqual(frames.map(({ segment }) => segment));
      expect([...read.segments]).toEqual(frames.map(({ segments }) => segments));
      expect(read.refused).toEqual(refused);
      expect(read.offsets).toHaveLength(frames.length + 1);
      const slices = frames.map((_, index) => read.bytes.subarray(read.offsets[index], read.offsets[index + 1]));
      expect(slices.map((slice) => [...slice])).toEqual(frames.map(({ bytes }) => [...bytes]));
      expect(read.offsets[frames.length]).toBe(read.bytes.length);
    }),
  );
});
