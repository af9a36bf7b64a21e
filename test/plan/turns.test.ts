/** Turns at PostgreSQL. */
import { expect, test } from 'vitest';
import { Turns } from '../../src/plan/turns.ts';

test('turns - alerts and small campaigns do not wait for large ones, which go by when they are due', async () => {
  const turns = new Turns({ alert: 1, small: 1, large: 1, page: 1 });
  const done: string[] = [];
  let release = () => undefined as void;
  const first = turns.take('large', 0, async () => {
    await new Promise<void>((resolve) => (release = resolve));
    done.push('large 1');
  });
  const work = (name: string) => async () => void done.push(name);
  const rest = [turns.take('large', 9, work('large 3')), turns.take('large', 5, work('large 2'))];
  await turns.take('small', 9, work('small'));
  await turns.take('alert', 9, work('alert'));
  expect(done).toEqual(['small', 'alert']);
  release();
  await Promise.all([first, ...rest]);
  expect(done).toEqual(['small', 'alert', 'large 1', 'large 2', 'large 3']);
});

test('turns - one that failed gives its place to the next', async () => {
  const turns = new Turns({ alert: 1, small: 1, large: 1, page: 1 });
  const failed = turns.take('large', 0, () => Promise.reject(new Error('no')));
  const next = turns.take('large', 0, () => Promise.resolve('done'));
  await expect(failed).rejects.toThrow('no');
  expect(await next).toBe('done');
});
