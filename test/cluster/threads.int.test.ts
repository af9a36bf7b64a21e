/** The encoder of a worker: the same frames in threads and in place, and a broken batch breaks itself alone. */
import { expect, test } from 'vitest';
import type { startThreads as StartThreads } from '../../cluster/threads.ts';
import { framesOf, taskOf } from '../encode/batch.ts';

/** Threads load their file without vitest, so that the built code is what is tested (`npm run build`). */
const built = new URL('../../dist/cluster/threads.js', import.meta.url).href;
const { startThreads } = (await import(built)) as { startThreads: typeof StartThreads };

const people = (count: number): [string, string][] =>
  Array.from({ length: count }, (_, i) => [`3363998${String(i).padStart(4, '0')}`, `Zoé ${i}`]);

test.each([0, 1, 2])(
  'threads - %d of them: small and large batches come back as they should, many at once',
  async (threads) => {
    const encoder = startThreads({ threads, inPlaceBelow: 16 });
    const tasks = [1, 15, 16, 17, 500, 500, 2, 300].map((count) => taskOf(people(count)));
    const frames = await Promise.all(tasks.map((task) => encoder.encode(task)));
    frames.forEach((each, i) => expect(each).toEqual(framesOf(tasks[i] as never)));
    await encoder.close();
  },
);

test('threads - a batch that cannot be read fails alone, and its bytes stay the caller’s', async () => {
  const encoder = startThreads({ threads: 1, inPlaceBelow: 0 });
  const good = taskOf(people(40));
  const before = Buffer.from(good.packed);
  const broken = { ...good, recipients: 41 };
  const results = await Promise.allSettled([encoder.encode(broken), encoder.encode(good), encoder.encode(broken)]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected']);
  expect(Buffer.from(good.packed)).toEqual(before);
  await encoder.close();
});

test('threads - a batch is encoded also when the threads are gone', async () => {
  const encoder = startThreads({ threads: 1, inPlaceBelow: 0 });
  await encoder.close();
  const task = taskOf(people(40));
  expect(await encoder.encode(task)).toEqual(framesOf(task));
});
