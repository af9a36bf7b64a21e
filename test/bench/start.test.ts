/** `start` at its smallest size: the carrier's log holds every campaign whole, and the result has its fields. */
import { expect, test } from 'vitest';
import { smokeFigures } from './smoke.ts';

test('start - every campaign reached everybody once, and its times are there', async () => {
  const figures = await smokeFigures('start');
  expect(figures).toMatchObject({ bench: 'start', campaigns: 5, p50Ms: expect.any(Number), p99Ms: expect.any(Number) });
});
