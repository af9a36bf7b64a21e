/** `millions` at its smallest size: each segment is accepted, recorded and receipted; the result has its fields. */
import { expect, test } from 'vitest';
import { smokeFigures } from './smoke.ts';

const processes = ['postgres', 'redis', 'smsc', 'recorder', 'worker', 'planner', 'api'];

test('millions - carrier, submissions and receipts count the same, and each process has its cost', async () => {
  const figures = await smokeFigures('millions');
  // Two segments a message.
  expect(figures).toMatchObject({ messages: 2_000, accepted: 4_000, delivered: 4_000, recorded: 4_000 });
  const fields = { seconds: expect.any(Number), perSecond: expect.any(Number) };
  expect(figures).toMatchObject({ bench: 'millions', ...fields, redisBytesPerRecipient: expect.any(Number) });
  const byProcess = Object.fromEntries(processes.map((process) => [process, expect.any(Number)]));
  expect(figures['microsecondsPerMessage']).toEqual(byProcess);
  expect(figures['peakMegabytes']).toEqual(byProcess);
  expect(figures['durability']).toBe(
    'PostgreSQL fsync on, full_page_writes on, synchronous_commit on; Redis appendonly yes, appendfsync everysec',
  );
});
