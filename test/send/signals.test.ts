/** Signals of campaigns' states against answers of Redis that are older or newer than they. */
import { expect, test } from 'vitest';
import { Signals } from '../../src/send/signals.ts';

test('signals - one that came after the question stands above the answer', () => {
  const signals = new Signals();
  const before = signals.moment;
  signals.hear('1', 'paused');
  const after = signals.moment;
  expect(signals.newest('1', 'active', before)).toBe('paused');
  expect(signals.newest('1', 'active', after)).toBe('active');
  expect(signals.newest('2', 'active', before)).toBe('active');
  signals.hear('1', 'active');
  expect(signals.newest('1', 'paused', after)).toBe('active');
});

test('signals - of very many campaigns the latest are remembered', () => {
  const signals = new Signals();
  const before = signals.moment;
  for (let campaign = 0; campaign < 20_000; campaign++) signals.hear(String(campaign), 'cancelled');
  expect(signals.newest('19999', 'active', before)).toBe('cancelled');
  expect(signals.newest('10000', 'active', before)).toBe('cancelled');
  expect(signals.newest('0', 'active', before)).toBe('active');
});
