/** The timers of a link as properties: a mute peer is found in time, a living one never given up. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { answered, enquired, heard, type LinkTimers, requested, startTimers, verdict } from '../../src/smpp/timers.ts';

const limits = { enquireLinkMs: 30, responseMs: 10, inactivityMs: 90 };

type Happening = { readonly what: 'heard' | 'answered' | 'answered-more-open' | 'requested'; readonly afterMs: number };

const happenings = fc.array(
  fc.record<Happening>({
    what: fc.constantFrom('heard', 'answered', 'answered-more-open', 'requested'),
    afterMs: fc.nat(40),
  }),
  { maxLength: 30 },
);

function happen(timers: LinkTimers, what: Happening['what'], nowMs: number): LinkTimers {
  if (what === 'heard') return heard(timers, nowMs);
  if (what === 'requested') return requested(timers, nowMs);
  return answered(timers, nowMs, what === 'answered-more-open');
}

test('timers - whatever happened, from the last sign of life on a mute peer is enquired and then dead in time', () => {
  fc.assert(
    fc.property(happenings, (before) => {
      let nowMs = 0;
      let timers = startTimers(limits, nowMs);
      for (const { what, afterMs } of before) {
        nowMs += afterMs;
        timers = happen(timers, what, nowMs);
      }
      timers = heard(timers, nowMs);
      const silenceMs = nowMs;
      for (let turn = 0; ; turn++) {
        expect(turn).toBeLessThan(5);
        const due = verdict(timers, nowMs);
        if (due.kind === 'dead') break;
        if (due.kind === 'enquire') {
          timers = enquired(timers, nowMs);
          continue;
        }
        expect(due.untilMs).toBeGreaterThan(nowMs);
        nowMs = due.untilMs;
      }
      expect(nowMs - silenceMs).toBeLessThanOrEqual(limits.enquireLinkMs + limits.responseMs);
    }),
  );
});

test('timers - a peer that answers within the limits is never dead', () => {
  const quick = fc.array(fc.record({ afterMs: fc.nat(limits.responseMs - 1), answer: fc.boolean() }));
  fc.assert(
    fc.property(quick, (turns) => {
      let nowMs = 0;
      let timers = startTimers(limits, nowMs);
      for (const { afterMs, answer } of turns) {
        timers = answer ? requested(timers, nowMs) : enquired(timers, nowMs);
        nowMs += afterMs;
        expect(verdict(timers, nowMs).kind).not.toBe('dead');
        timers = answer ? answered(timers, nowMs, false) : heard(timers, nowMs);
      }
    }),
  );
});

test('timers - a wait never ends too late: nothing is due before it, something is due at it', () => {
  fc.assert(
    fc.property(happenings, (before) => {
      let nowMs = 0;
      let timers = startTimers(limits, nowMs);
      for (const { what, afterMs } of before) {
        nowMs += afterMs;
        timers = happen(timers, what, nowMs);
      }
      const due = verdict(timers, nowMs);
      if (due.kind !== 'wait') return;
      expect(verdict(timers, due.untilMs - 0.001).kind).toBe('wait');
      expect(verdict(timers, due.untilMs).kind).not.toBe('wait');
    }),
  );
});
