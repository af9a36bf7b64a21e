/** Batch sizes and expected times. */
import { expect, test } from 'vitest';
import { batchRecipients, expectedSeconds } from '../../src/plan/capacity.ts';

const limits = { batchSecondsMax: 1, batchRecipientsMax: 500 };

test('capacity - a batch is what a slot sends in its time, within bounds', () => {
  const sizeAt = (ratePerSecond: number) => batchRecipients({ name: 'north', ratePerSecond }, limits);
  expect([0.1, 24, 26, 100, 499.9, 500, 1e7].map(sizeAt)).toEqual([25, 25, 26, 100, 499, 500, 500]);
  expect(batchRecipients({ name: 'north', ratePerSecond: 1000 }, { batchSecondsMax: 1, batchRecipientsMax: 10 })).toBe(
    10,
  );
  expect(batchRecipients({ name: 'north', ratePerSecond: 1000, binds: 4 }, limits)).toBe(250);
});

test('capacity - the slowest carrier decides how long a campaign takes', () => {
  const carriers = [
    { name: 'north', ratePerSecond: 100 },
    { name: 'south', ratePerSecond: 10 },
  ];
  const share = (carrier: string, segments: number) => ({ carrier, segments });
  expect(expectedSeconds(carriers, [share('north', 1000), share('south', 50)])).toBe(10);
  expect(expectedSeconds(carriers, [share('south', 50), share('south', 50)])).toBe(10);
  expect(expectedSeconds(carriers, [])).toBe(0);
  expect(expectedSeconds(carriers, [share('gone', 1)])).toBe(Number.POSITIVE_INFINITY);
});
