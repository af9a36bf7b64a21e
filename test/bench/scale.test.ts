/** `scale` at its smallest size: every size and every number of workers has its figures. */
import { expect, test } from 'vitest';
import { smokeFigures } from './smoke.ts';

test('scale - each size has its cost, and each carrier its share of its contract', async () => {
  const figures = await smokeFigures('scale');
  const cost = { microsecondsPerMessage: expect.any(Number), seconds: expect.any(Number) };
  expect(figures['costs']).toMatchObject([
    { messages: 1_000, ...cost, cold: { messages: 1_000, ...cost } },
    { messages: 2_000, ...cost, cold: { messages: 2_000, ...cost } },
  ]);
  const held = { held: expect.any(Number), peak: expect.any(Number), throttled: expect.any(Number), bindsPeak: 4 };
  expect(figures['contracts']).toMatchObject([
    {
      workers: '2-1',
      carriers: [
        { carrier: 'north', ...held },
        { carrier: 'south', ...held },
      ],
    },
  ]);
});
