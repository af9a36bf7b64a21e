/** The encoder in a real thread gives what it gives in place, and moves its memory. */
import { Piscina } from 'piscina';
import { expect, test } from 'vitest';
import { readFrames } from '../../src/encode/frames.ts';
import { framesOf, taskOf } from './batch.ts';

/** A thread loads its file without vitest, so it has to be the built one (`npm run build`). */
const built = new URL('../../dist/src/encode/thread.js', import.meta.url).href;

test('thread - a batch comes back as one buffer with the same frames', async () => {
  const task = taskOf([['33600000001', 'Anne'], ['1'], ['33600000003', 'Léo']]);
  const pool = new Piscina({ filename: built, maxThreads: 1 });
  try {
    const memory: unknown = await pool.run(task);
    expect(memory).toBeInstanceOf(ArrayBuffer);
    expect(readFrames(memory as ArrayBuffer)).toEqual(framesOf(task));
  } finally {
    await pool.destroy();
  }
});
