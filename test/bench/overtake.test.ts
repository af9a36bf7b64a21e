/** `overtake` at its smallest size: each alert reached everybody once, and the result has its fields. */
import { expect, test } from 'vitest';
import { smokeFigures } from './smoke.ts';

test('overtake - alerts go out while information waits, and each has its time and its share', async () => {
  const figures = await smokeFigures('overtake');
  const times = { p50: expect.any(Number), p99: expect.any(Number) };
  expect(figures).toMatchObject({ bench: 'overtake', firstSubmitMs: times, alertShare: expect.any(Number) });
  expect(figures).toMatchObject({ pauseMs: expect.any(Number), cancelMs: expect.any(Number) });
});
