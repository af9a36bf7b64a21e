/** Batch sizes and expected times. */
import { expect, test } from 'vitest';
import { batchRecipients, expectedSeconds } from '../../src/plan/capacity.ts';

const limits = { batchSecondsMax: 1, batchRecipientsMax: 500 };

test('capacity - a batch is what a carrier sends in its turn, and a slot in its time, within bounds', () => {
  const sizeAt = (ratePerSecond: number) => batchRecipients({ name: 'north', ratePerSecond, binds: 4 }, limits);
  expect([0.1, 2_000, 2_080, 8_000, 39_999, 40_000, 1e7].map(sizeAt)).toEqual([25, 25, 26, 100, 499, 500, 500]);
  const withLimits = (batchSecondsMax: number, batchRecipientsMax: number, binds = 1) =>
    batchRecipients({ name: 'north', ratePerSecond: 20_000, binds }, { batchSecondsMax, batchRecipientsMax });
  expect([withLimits(1, 10), withLimits(1, 500, 4), withLimits(0.05, 500, 10)]).toEqual([10, 250, 100]);
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
