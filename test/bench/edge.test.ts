/** `edge` at its smallest size: both clients get every answer, and the result has its fields. */
import { expect, test } from 'vitest';
import { smokeFigures } from './smoke.ts';

test('edge - both sides have all their answers, and the fields of the result are there', async () => {
  const figures = await smokeFigures('edge');
  expect(figures).toMatchObject({ bench: 'edge', perSecond: expect.any(Number), packagePerSecond: expect.any(Number) });
  expect(figures).toMatchObject({ ratio: expect.any(Number), microsecondsPerSubmit: expect.any(Number) });
});
