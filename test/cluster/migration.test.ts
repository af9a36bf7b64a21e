/** What a person is told while a migration waits: at once, when somebody else is in the way, and now and then. */
import { expect, test } from 'vitest';
import { seldom, waitingText } from '../../cluster/migration.ts';

const holder = (pid: number) => ({
  pid,
  role: 'postgres',
  application: 'psql',
  state: 'idle in transaction',
  forMs: 61_000,
});

test('migration - who is in the way is told at once, and the same again after ten seconds only', () => {
  const told: string[] = [];
  const busy = seldom((waiting) => told.push(waitingText(waiting)));
  for (let attempt = 1; attempt <= 12; attempt += 1)
    busy({ attempt, waitedMs: attempt * 1_200, holders: [holder(attempt === 12 ? 8 : 7)] });
  const of = (pid: number) => `it is held by process ${pid} (psql, postgres, idle in transaction) for 61 s`;
  expect(told).toEqual([
    `waits for a lock, since 1 s; ${of(7)}`,
    `waits for a lock, since 12 s; ${of(7)}`,
    `waits for a lock, since 14 s; ${of(8)}`,
  ]);
});
