/** `storm` at its smallest size: every campaign reached everybody once, and the picture is a small one. */
import { expect, test } from 'vitest';
import { drawStorm } from '../../bench/storm-picture.ts';
import { smokeFigures } from './smoke.ts';

test('storm - every organisation is served, and fairness and small campaigns have their figures', async () => {
  const figures = await smokeFigures('storm');
  expect(figures).toMatchObject({ bench: 'storm', jain: expect.any(Number), smallP99Ms: expect.any(Number) });
});

test('storm - the picture has a line for each organisation and stays below 200 kB', () => {
  const towns = Array.from({ length: 150 }, (_, index) => ({
    atMs: 1_000,
    frozenMs: 1_000,
    recipients: 60_000,
    weight: 1 + (index % 3),
  }));
  const arrivals = towns.map(({ recipients, atMs }, index) => ({
    atMs: Array.from({ length: recipients }, (_, at) => atMs + (index + 1) * at),
    reached: recipients,
  }));
  const svg = drawStorm(arrivals, towns);
  expect(svg.match(/<polyline/g)).toHaveLength(150);
  expect(svg.length).toBeLessThan(200_000);
  expect(svg).not.toContain('NaN');
});
