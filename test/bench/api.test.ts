/** `api` at its smallest size: every request is answered, writes are counted, and each route has its figures. */
import { expect, test } from 'vitest';
import { smokeFigures } from './smoke.ts';

test('api - each route has its figures, and what was created and launched is as much as was answered', async () => {
  const figures = await smokeFigures('api');
  const route = { perSecond: expect.any(Number), p99Ms: expect.any(Number), barePerSecond: expect.any(Number) };
  const names = ['create', 'launch', 'preview', 'progress', 'results'];
  const routes = names.map((name): unknown => expect.objectContaining({ name, ...route, ratio: expect.any(Number) }));
  expect(figures['routes']).toEqual(routes);
});
