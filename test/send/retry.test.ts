/** What is done with a segment after each kind of answer, or none: the whole table. */
import { expect, test } from 'vitest';
import type { Nature } from '../../src/handoff.ts';
import { commandStatuses, type Disposition } from '../../src/smpp/command-status.ts';
import { decide, type Happening } from '../../src/send/retry.ts';

const limits = { retryMax: 3, retryDelayMs: 1_000 };

function decided(happening: Happening, nature: Nature, tries = 0, leftMs = 3_600_000) {
  const nowMs = 5_000;
  const decision = decide(happening, { nature, tries, nowMs, expiresAtMs: nowMs + leftMs }, limits);
  if (decision.kind === 'settle') return decision.outcome;
  return `again in ${decision.atMs - nowMs}${decision.counts ? ', counted' : ''}`;
}

const again = 'again in 1000, counted';

test.each<[Happening, information: string, alert: string]>([
  ['accepted', 'accepted', 'accepted'],
  ['reject', 'rejected', 'rejected'],
  ['other-carrier', 'rejected', 'rejected'],
  ['throttle', 'again in 0', 'again in 0'],
  ['retry-later', again, again],
  ['pause-bind', again, again],
  ['stop-account', again, again],
  ['unanswered', 'unknown', again],
])('decide - %s: information %s, alert %s', (happening, information, alert) => {
  expect(decided(happening, 'information')).toBe(information);
  expect(decided(happening, 'alert')).toBe(alert);
});

test('decide - every disposition of the table of statuses is decided about', () => {
  for (const disposition of new Set<Disposition>(commandStatuses.map((status) => status.disposition)))
    expect(decided(disposition, 'information')).toBeTypeOf('string');
});

test.each<[Happening, otherwise: string]>([
  ['retry-later', 'rejected'],
  ['pause-bind', 'rejected'],
  ['stop-account', 'rejected'],
  ['unanswered', 'unknown'],
])('decide - %s: pauses double, and after the last try, or too late for one, it is %s', (happening, otherwise) => {
  const pauses = [0, 1, 2].map((tries) => decided(happening, 'alert', tries));
  expect(pauses).toEqual(['again in 1000, counted', 'again in 2000, counted', 'again in 4000, counted']);
  expect(decided(happening, 'alert', 3)).toBe(otherwise);
  expect(decided(happening, 'alert', 0, 1_001)).toBe(again);
  expect(decided(happening, 'alert', 0, 1_000)).toBe(otherwise);
  expect(decided(happening, 'alert', 2, 3_999)).toBe(otherwise);
});

test('decide - information that was written and not answered is never written again, whatever the tries', () => {
  for (const tries of [0, 1, 3]) expect(decided('unanswered', 'information', tries)).toBe('unknown');
});
