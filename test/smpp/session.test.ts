/** The life of one connection attempt, event by event. */
import { describe, expect, test } from 'vitest';
import { commandId } from '../../src/smpp/command.ts';
import { commandStatus } from '../../src/smpp/command-status.ts';
import { type SessionEvent, type SessionState, startSession, step, tickDueMs } from '../../src/smpp/session.ts';

const settings = {
  bindType: 'transceiver',
  link: { enquireLinkMs: 30_000, responseMs: 10_000, inactivityMs: 90_000 },
  connectMs: 5000,
  bindMs: 6000,
  unbindMs: 7000,
} as const;

function pdu(id: number, status = 0, sequence = 9): SessionEvent {
  return { kind: 'pdu', commandId: id, status, sequence };
}

function after(...events: readonly SessionEvent[]): SessionState {
  return events.reduce((state, event) => step(state, event, 0).state, startSession(settings, 0));
}

const binding = (): SessionState => after({ kind: 'connected' });
const bound = (): SessionState => after({ kind: 'connected' }, pdu(commandId.bind_transceiver_resp));
const unbinding = (): SessionState =>
  after({ kind: 'connected' }, pdu(commandId.bind_transceiver_resp), { kind: 'drain' });

test('session - connects, binds and reports it', () => {
  const connected = step(startSession(settings, 0), { kind: 'connected' }, 1000);
  expect(connected.actions).toEqual([{ kind: 'send', command: 'bind' }]);
  expect(tickDueMs(connected.state, 1000)).toBe(7000);
  const done = step(connected.state, pdu(commandId.bind_transceiver_resp), 2000);
  expect(done.actions).toEqual([{ kind: 'bound' }]);
  expect(tickDueMs(done.state, 2000)).toBe(32_000);
});

test('session - a refused bind says why and closes', () => {
  const { state, actions } = step(binding(), pdu(commandId.bind_transceiver_resp, commandStatus.ESME_RINVPASWD), 1);
  expect(actions).toEqual([
    { kind: 'refused', status: commandStatus.ESME_RINVPASWD },
    { kind: 'close', reason: 'refused' },
  ]);
  expect(state).toEqual({ phase: 'closed', reason: 'refused' });
});

test('session - a generic_nack refuses the bind, even without a status', () => {
  const nacked = step(binding(), pdu(commandId.generic_nack, commandStatus.ESME_ROK), 1);
  expect(nacked.actions[0]).toEqual({ kind: 'refused', status: commandStatus.ESME_RINVCMDID });
});

test('session - the response to another kind of bind is not ours', () => {
  expect(step(binding(), pdu(commandId.bind_receiver_resp), 1)).toEqual({ state: binding(), actions: [] });
});

describe('session - every wait has an end', () => {
  test.each([
    ['connecting', startSession(settings, 0), 5000, 'connect-timeout'],
    ['binding', binding(), 6000, 'bind-timeout'],
    ['unbinding', unbinding(), 7000, 'unbind-timeout'],
  ] as const)('%s', (_phase, state, limitMs, reason) => {
    expect(tickDueMs(state, 0)).toBe(limitMs);
    expect(step(state, { kind: 'tick' }, limitMs - 1).actions).toEqual([]);
    expect(step(state, { kind: 'tick' }, limitMs).actions).toEqual([{ kind: 'close', reason }]);
  });
});

test('session - a silent peer is enquired, then closed', () => {
  const asked = step(bound(), { kind: 'tick' }, 30_000);
  expect(asked.actions).toEqual([{ kind: 'send', command: 'enquire_link' }]);
  expect(step(asked.state, { kind: 'tick' }, 39_999).actions).toEqual([]);
  expect(step(asked.state, { kind: 'tick' }, 40_000).actions).toEqual([
    { kind: 'close', reason: 'enquire-link-unanswered' },
  ]);
  const answer = step(asked.state, pdu(commandId.enquire_link_resp), 39_999);
  expect(tickDueMs(answer.state, 39_999)).toBe(69_999);
});

test('session - a peer that answers no message is closed though it talks', () => {
  let state = step(bound(), { kind: 'requested' }, 1000).state;
  state = step(state, { kind: 'heard' }, 10_000).state;
  expect(step(state, { kind: 'tick' }, 11_000).actions).toEqual([{ kind: 'close', reason: 'requests-unanswered' }]);
  state = step(state, { kind: 'answered', stillOpen: true }, 10_500).state;
  expect(step(state, { kind: 'tick' }, 11_000).actions).toEqual([]);
});

test('session - draining unbinds and waits for the answer', () => {
  const asked = step(bound(), { kind: 'drain' }, 0);
  expect(asked.actions).toEqual([{ kind: 'send', command: 'unbind' }]);
  expect(step(asked.state, { kind: 'drain' }, 1).actions).toEqual([]);
  expect(step(asked.state, pdu(commandId.unbind_resp), 2).actions).toEqual([{ kind: 'close', reason: 'drained' }]);
});

test('session - draining before the bind is done just closes', () => {
  for (const state of [startSession(settings, 0), binding()]) {
    expect(step(state, { kind: 'drain' }, 0).actions).toEqual([{ kind: 'close', reason: 'drained' }]);
  }
});

test('session - an unbind of the peer is answered before the close, also when it crosses ours', () => {
  const answer = { kind: 'respond', commandId: commandId.unbind_resp, status: 0, sequence: 9 };
  expect(step(bound(), pdu(commandId.unbind), 0).actions).toEqual([
    answer,
    { kind: 'close', reason: 'unbound-by-peer' },
  ]);
  expect(step(unbinding(), pdu(commandId.unbind), 0).actions).toEqual([answer, { kind: 'close', reason: 'drained' }]);
});

test('session - requests that an ESME does not serve are nacked, responses nobody asked for are not', () => {
  const nack = {
    kind: 'respond',
    commandId: commandId.generic_nack,
    status: commandStatus.ESME_RINVCMDID,
    sequence: 9,
  };
  for (const id of [commandId.submit_sm, commandId.query_sm, 0x00000112, 0x00010200]) {
    expect(step(bound(), pdu(id), 0).actions).toEqual([nack]);
  }
  for (const id of [commandId.generic_nack, commandId.unbind_resp, commandId.query_sm_resp, 0x80000112, 0xffffffff]) {
    expect(step(bound(), pdu(id), 0).actions).toEqual([]);
  }
  for (const id of [commandId.alert_notification, commandId.outbind, commandId.deliver_sm]) {
    expect(step(bound(), pdu(id), 0).actions).toEqual([]);
  }
});

test('session - a lost stream is nacked with sequence_number 0 and closed', () => {
  expect(step(bound(), { kind: 'stream-lost' }, 0).actions).toEqual([
    { kind: 'respond', commandId: commandId.generic_nack, status: commandStatus.ESME_RINVCMDLEN, sequence: 0 },
    { kind: 'close', reason: 'stream-lost' },
  ]);
});
