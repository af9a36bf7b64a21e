/** Framing of bytes that are not SMPP, and of what a carrier may cut anywhere. */
import { expect, test } from 'vitest';
import { type FrameSink, Framer } from '../../src/smpp/framing.ts';

const ignore: FrameSink = { frame() {} };

test('framing - an HTTP server on the port is named', () => {
  const lost = new Framer(65536).push(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), ignore);
  expect(lost).toEqual({ reason: 'length-too-long', length: 1213486160, text: 'HTTP' });
});

test('framing - a command_length of 0 loses the stream at once instead of stalling it', () => {
  const framer = new Framer(65536);
  expect(framer.push(Buffer.alloc(3), ignore)).toBeUndefined();
  expect(framer.push(Buffer.alloc(1), ignore)).toEqual({ reason: 'length-too-short', length: 0, text: undefined });
});

test('framing - PDUs that lie whole in a chunk are not copied', () => {
  const chunk = Buffer.alloc(36);
  chunk.writeUInt32BE(16, 0);
  chunk.writeUInt32BE(20, 16);
  const seen: (number | boolean)[][] = [];
  new Framer(64).push(chunk, { frame: (buffer, start, end) => seen.push([buffer === chunk, start, end]) });
  expect(seen).toEqual([
    [true, 0, 16],
    [true, 16, 36],
  ]);
});

test('framing - limits are inclusive', () => {
  const lengths: number[] = [];
  const sink: FrameSink = { frame: (_buffer, start, end) => lengths.push(end - start) };
  const chunk = Buffer.alloc(16 + 64);
  chunk.writeUInt32BE(16, 0);
  chunk.writeUInt32BE(64, 16);
  const framer = new Framer(64);
  expect(framer.push(chunk, sink)).toBeUndefined();
  expect(lengths).toEqual([16, 64]);
  chunk.writeUInt32BE(65, 0);
  expect(framer.push(chunk, sink)?.reason).toBe('length-too-long');
});
