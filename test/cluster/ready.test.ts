/** What a worker's readiness goes by: orchestrators hold back a new version that is not ready. */
import { expect, test } from 'vitest';
import { unbound } from '../../cluster/lines.ts';

const line = (name: string, slots: number, boundCount: number) => ({
  carrier: { name },
  pool: { slots: Array.from({ length: slots }), boundCount },
});

test('ready - a worker without a slot, and one with a bind anywhere', () => {
  expect(unbound([line('north', 0, 0), line('south', 0, 0)])).toEqual({});
  expect(unbound([line('north', 2, 0), line('south', 1, 1)])).toEqual({});
});

test('ready - not a worker that holds slots and has no bind', () => {
  expect(unbound([line('north', 2, 0), line('south', 0, 0)])).toEqual({ north: 'no bind' });
  expect(unbound([line('north', 2, 0), line('south', 1, 0)])).toEqual({ north: 'no bind', south: 'no bind' });
});
