/** `peers` at its smallest size: both sides record every message and its receipt. */
import { expect, test } from 'vitest';
import { smokeFigures } from './smoke.ts';

test('peers - both sides record every message and receipt, and the fields of the result are there', async () => {
  const figures = await smokeFigures('peers');
  const [ours, peer, ratio, coldRatio] = Array.from({ length: 4 }, () => expect.any(Number) as number);
  const fields = { ours, peer, ratio, coldRatio };
  expect(figures).toMatchObject({ bench: 'peers', ...fields });
});
