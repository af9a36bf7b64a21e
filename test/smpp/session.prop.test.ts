/** The session under any order of events: what holds whatever a carrier, a socket or a clock does. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commandId } from '../../src/smpp/command.ts';
import {
  type SessionAction,
  type SessionEvent,
  type SessionState,
  startSession,
  step,
  tickDueMs,
} from '../../src/smpp/session.ts';

const settings = {
  bindType: 'transmitter',
  link: { enquireLinkMs: 300, responseMs: 100, inactivityMs: 900 },
  connectMs: 50,
  bindMs: 60,
  unbindMs: 70,
} as const;

/** No phase, alone or in a row, may outlast this without a sign of life. */
const deadlineMs = 50 + 60 + 300 + 100;

const ids = fc.oneof(fc.constantFrom(...Object.values(commandId)), fc.nat(0xffffffff));
const event: fc.Arbitrary<SessionEvent> = fc.oneof(
  { weight: 6, arbitrary: pduOf(fc.constantFrom(commandId.bind_transmitter_resp, commandId.enquire_link)) },
  { weight: 6, arbitrary: pduOf(ids) },
  { weight: 3, arbitrary: fc.constant<SessionEvent>({ kind: 'connected' }) },
  { weight: 6, arbitrary: fc.constantFrom<SessionEvent>({ kind: 'heard' }, { kind: 'requested' }, { kind: 'tick' }) },
  { weight: 2, arbitrary: fc.boolean().map((stillOpen): SessionEvent => ({ kind: 'answered', stillOpen })) },
  { weight: 1, arbitrary: fc.constantFrom<SessionEvent>({ kind: 'drain' }, { kind: 'stream-lost' }) },
  { weight: 1, arbitrary: fc.constant<SessionEvent>({ kind: 'socket-closed' }) },
);
const connected: SessionEvent = { kind: 'connected' };
const accepted: SessionEvent = { kind: 'pdu', commandId: commandId.bind_transmitter_resp, status: 0, sequence: 1 };
/** Histories begin in every phase, or half of them would never be bound. */
const beginning = fc
  .constantFrom<SessionEvent[]>([], [connected], [connected, accepted], [connected, accepted, { kind: 'drain' }])
  .map((events) => events.map((first) => ({ event: first, afterMs: 1 })));
const history = fc
  .tuple(beginning, fc.array(fc.record({ event, afterMs: fc.nat(120) }), { maxLength: 60 }))
  .map(([first, then]) => [...first, ...then]);

function pduOf(command: fc.Arbitrary<number>): fc.Arbitrary<SessionEvent> {
  const status = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(0x4ff) });
  return fc.record({
    kind: fc.constant('pdu' as const),
    commandId: command,
    status,
    sequence: fc.nat(0x7fffffff),
  });
}

type Seen = {
  readonly before: SessionState;
  readonly event: SessionEvent;
  readonly after: SessionState;
  readonly actions: readonly SessionAction[];
};

/** Plays a history, with a tick wherever the session asked for one. */
function play(happenings: readonly { event: SessionEvent; afterMs: number }[]): { seen: Seen[]; nowMs: number } {
  const seen: Seen[] = [];
  let nowMs = 0;
  let state = startSession(settings, nowMs);
  const take = (next: SessionEvent): void => {
    const { state: after, actions } = step(state, next, nowMs);
    seen.push({ before: state, event: next, after, actions });
    state = after;
  };
  for (const { event: next, afterMs } of happenings) {
    const untilMs = nowMs + afterMs;
    for (let dueMs = tickDueMs(state, nowMs); dueMs <= untilMs; dueMs = tickDueMs(state, nowMs)) {
      nowMs = dueMs;
      take({ kind: 'tick' });
    }
    nowMs = untilMs;
    take(next);
  }
  return { seen, nowMs };
}

test('session - nothing is sent, reported or closed after it has closed, and it closes once', () => {
  fc.assert(
    fc.property(history, (happenings) => {
      const { seen } = play(happenings);
      const actions = seen.flatMap((one) => one.actions);
      const closes = actions.filter((action) => action.kind === 'close');
      expect(closes.length).toBeLessThanOrEqual(1);
      if (closes.length === 1) expect(actions.at(-1)?.kind).toBe('close');
      for (const { after, actions: done } of seen) {
        expect(done.some((action) => action.kind === 'close')).toBe(done.length > 0 && after.phase === 'closed');
      }
    }),
  );
});

test('session - bytes leave only on a socket that is up: the bind first, and once', () => {
  fc.assert(
    fc.property(history, (happenings) => {
      const { seen } = play(happenings);
      const connected = seen.findIndex((one) => one.event.kind === 'connected' && one.before.phase === 'connecting');
      const sent = seen.flatMap((one, index) =>
        one.actions
          .filter((action) => action.kind === 'send' || action.kind === 'respond')
          .map((action) => ({ action, index })),
      );
      if (connected === -1) {
        expect(sent).toEqual([]);
        return;
      }
      expect(sent[0]).toEqual({ action: { kind: 'send', command: 'bind' }, index: connected });
      const binds = sent.filter(({ action }) => action.kind === 'send' && action.command === 'bind');
      expect(binds).toHaveLength(1);
    }),
  );
});

test('session - bound is reported at most once, and only for a good answer to our bind', () => {
  fc.assert(
    fc.property(history, (happenings) => {
      const reports = play(happenings).seen.filter((one) => one.actions.some((action) => action.kind === 'bound'));
      expect(reports.length).toBeLessThanOrEqual(1);
      for (const { before, event: cause } of reports) {
        expect(before.phase).toBe('binding');
        expect(cause).toMatchObject({ kind: 'pdu', commandId: commandId.bind_transmitter_resp, status: 0 });
      }
    }),
  );
});

test('session - every enquire_link and unbind of a connected peer is answered with its own number', () => {
  fc.assert(
    fc.property(history, (happenings) => {
      for (const { before, event: cause, actions } of play(happenings).seen) {
        if (cause.kind !== 'pdu' || before.phase === 'closed' || before.phase === 'connecting') continue;
        if (cause.commandId !== commandId.enquire_link && cause.commandId !== commandId.unbind) continue;
        const response = { commandId: cause.commandId + 0x80000000, status: 0, sequence: cause.sequence };
        expect(actions[0]).toEqual({ kind: 'respond', ...response });
      }
    }),
  );
});

test('session - a response is never answered', () => {
  fc.assert(
    fc.property(history, (happenings) => {
      for (const { event: cause, actions } of play(happenings).seen) {
        if (cause.kind !== 'pdu' || cause.commandId < 0x80000000) continue;
        expect(actions.filter((action) => action.kind === 'respond')).toEqual([]);
      }
    }),
  );
});

test('session - from wherever it is, a peer that falls mute is closed in bounded time', () => {
  fc.assert(
    fc.property(history, (happenings) => {
      const { seen, nowMs: startMs } = play(happenings);
      let state = seen.at(-1)?.after ?? startSession(settings, 0);
      let nowMs = startMs;
      for (let ticks = 0; state.phase !== 'closed'; ticks++) {
        expect(ticks).toBeLessThan(6);
        nowMs = tickDueMs(state, nowMs);
        state = step(state, { kind: 'tick' }, nowMs).state;
      }
      expect(nowMs - startMs).toBeLessThanOrEqual(deadlineMs);
      expect(tickDueMs(state, nowMs)).toBe(Number.POSITIVE_INFINITY);
    }),
  );
});

test('session - a peer that answers every enquire_link at once stays bound', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.nat(99), (rounds, delayMs) => {
      let nowMs = 0;
      let state = step(startSession(settings, nowMs), { kind: 'connected' }, nowMs).state;
      const answer = (id: number): SessionEvent => ({ kind: 'pdu', commandId: id, status: 0, sequence: 1 });
      state = step(state, answer(commandId.bind_transmitter_resp), nowMs).state;
      for (let round = 0; round < rounds; round++) {
        nowMs = tickDueMs(state, nowMs);
        const asked = step(state, { kind: 'tick' }, nowMs);
        expect(asked.actions).toEqual([{ kind: 'send', command: 'enquire_link' }]);
        nowMs += delayMs;
        state = step(asked.state, answer(commandId.enquire_link_resp), nowMs).state;
        expect(state.phase).toBe('bound');
      }
    }),
  );
});
