/** The timers of a link by example. */
import { expect, test } from 'vitest';
import { answered, enquired, heard, requested, startTimers, verdict } from '../../src/smpp/timers.ts';

const limits = { enquireLinkMs: 30_000, responseMs: 10_000, inactivityMs: 90_000 };

test('timers - silence brings an enquire_link, and no answer to it death', () => {
  const fresh = startTimers(limits, 1000);
  expect(verdict(fresh, 1000)).toEqual({ kind: 'wait', untilMs: 31_000 });
  expect(verdict(fresh, 31_000)).toEqual({ kind: 'enquire' });
  const asked = enquired(fresh, 31_000);
  expect(verdict(asked, 31_000)).toEqual({ kind: 'wait', untilMs: 41_000 });
  expect(verdict(asked, 41_000)).toEqual({ kind: 'dead', reason: 'enquire-link-unanswered' });
});

test('timers - any sign of life answers an enquire_link', () => {
  const alive = heard(enquired(startTimers(limits, 0), 30_000), 39_999);
  expect(verdict(alive, 40_000)).toEqual({ kind: 'wait', untilMs: 69_999 });
});

test('timers - a peer that sends receipts but answers no request is dead', () => {
  let timers = requested(startTimers(limits, 0), 5000);
  for (let nowMs = 6000; nowMs < 15_000; nowMs += 1000) timers = heard(requested(timers, nowMs), nowMs);
  expect(verdict(timers, 14_999)).toEqual({ kind: 'wait', untilMs: 15_000 });
  expect(verdict(timers, 15_000)).toEqual({ kind: 'dead', reason: 'requests-unanswered' });
});

test('timers - answers to other requests keep the peer alive, and none is missed when none waits', () => {
  const busy = answered(requested(startTimers(limits, 0), 0), 9000, true);
  expect(verdict(busy, 18_999).kind).toBe('wait');
  expect(verdict(busy, 19_000)).toEqual({ kind: 'dead', reason: 'requests-unanswered' });
  const idle = answered(busy, 18_000, false);
  expect(verdict(idle, 47_999)).toEqual({ kind: 'wait', untilMs: 48_000 });
});

test('timers - silence has an end even when the answer to an enquire_link may take long', () => {
  const slow = startTimers({ enquireLinkMs: 30_000, responseMs: 300_000, inactivityMs: 90_000 }, 0);
  expect(verdict(enquired(slow, 30_000), 90_000)).toEqual({ kind: 'dead', reason: 'silent' });
});

test('timers - an inactivity limit that the enquire_link cannot prevent is a bug', () => {
  expect(() => startTimers({ enquireLinkMs: 30, responseMs: 10, inactivityMs: 30 }, 0)).toThrow(/inactivityMs/);
});
