/** Turns at PostgreSQL. */
import { expect, test } from 'vitest';
import { Turns } from '../../src/plan/turns.ts';

test('turns - alerts and small campaigns do not wait for large ones, which keep their order', async () => {
  const turns = new Turns({ alert: 1, small: 1, large: 1 });
  const done: string[] = [];
  let release = () => undefined as void;
  const first = turns.take('large', async () => {
    await new Promise<void>((resolve) => (release = resolve));
    done.push('large 1');
  });
  const work = (name: string) => async () => void done.push(name);
  const rest = [turns.take('large', work('large 2')), turns.take('large', work('large 3'))];
  await turns.take('small', work('small'));
  await turns.take('alert', work('alert'));
  expect(done).toEqual(['small', 'alert']);
  release();
  await Promise.all([first, ...rest]);
  expect(done).toEqual(['small', 'alert', 'large 1', 'large 2', 'large 3']);
});

test('turns - one that failed gives its place to the next', async () => {
  const turns = new Turns({ alert: 1, small: 1, large: 1 });
  const failed = turns.take('large', () => Promise.reject(new Error('no')));
  const next = turns.take('large', () => Promise.resolve('done'));
  await expect(failed).rejects.toThrow('no');
  expect(await next).toBe('done');
});
