/** `encode` at its smallest size: both places write the same, and the result has its fields. */
import { expect, test } from 'vitest';
import { smokeFigures } from './smoke.ts';

test('encode - both places write the same frames, and each size has its figures', async () => {
  const figures = await smokeFigures('encode');
  const size = { size: 500, inPlaceMicros: expect.any(Number), threadsMainMicros: expect.any(Number) };
  expect(figures).toMatchObject({ bench: 'encode', constant: expect.any(Array), personalised: expect.any(Array) });
  expect(figures['personalised']).toContainEqual(expect.objectContaining(size));
});
