/**
 * The life of one connection attempt to a carrier, as its ESME (SMPP 3.4 §2.2), on the worker's main thread. It
 * decides; carrier/bind.ts acts: events go in, a new state and actions come out. It must never send after it has
 * closed, and never sees a message: submit_sm_resp and deliver_sm take the bind's fast path and are only reported
 * here as signs of life. A new attempt begins with a new state. Pure.
 *
 *   connecting ──connected──► binding ──bind_resp 0──► bound ──drain──► unbinding ──unbind_resp──► closed
 *       │                        │                       │                  │
 *       └─ deadline, drain ──────┴─ refusal, deadline, ──┴─ dead peer,  ────┴─ deadline ──────────► closed
 *                                   unbind, drain           unbind
 *   (from everywhere: socket-closed, stream-lost ──► closed)
 */

import { commandId, commandName, isResponse, responseTo } from './command.ts';
import { commandStatus } from './command-status.ts';
import { type BindType, bindCommands } from './pdu.ts';
import {
  answered,
  assertLinkLimits,
  type DeadReason,
  enquired,
  gaveUp,
  heard,
  type LinkLimits,
  type LinkTimers,
  requested,
  startTimers,
  verdict,
} from './timers.ts';

/** What a session must know of its bind. */
export type SessionSettings = {
  readonly bindType: BindType;
  /** Limits while bound. */
  readonly link: LinkLimits;
  /** How long connecting may take, TLS included (session_init_timer). */
  readonly connectMs: number;
  /** How long the carrier may take to answer the bind. */
  readonly bindMs: number;
  /** How long the carrier may take to answer the unbind. */
  readonly unbindMs: number;
};

/** Why a session ended. */
export type CloseReason =
  | DeadReason
  | 'connect-timeout'
  | 'bind-timeout'
  | 'unbind-timeout'
  /** The carrier refused the bind; the `refused` action before has its command_status. */
  | 'refused'
  /** The carrier unbound us. */
  | 'unbound-by-peer'
  /** We unbound, as asked, or gave up before we were bound, as asked. */
  | 'drained'
  /** The byte stream held an impossible command_length. */
  | 'stream-lost'
  | 'socket-closed';

/** Where a session stands. */
export type SessionState =
  | {
      readonly phase: 'connecting' | 'binding' | 'unbinding';
      readonly settings: SessionSettings;
      readonly deadlineMs: number;
    }
  | { readonly phase: 'bound'; readonly settings: SessionSettings; readonly timers: LinkTimers }
  | { readonly phase: 'closed'; readonly reason: CloseReason };

/** What happened. */
export type SessionEvent =
  /** The socket may be written to: TCP connected, and with TLS the handshake done and the peer verified. */
  | { readonly kind: 'connected' }
  /** A PDU came that is not on the bind's fast path. */
  | { readonly kind: 'pdu'; readonly commandId: number; readonly status: number; readonly sequence: number }
  /** PDUs of the fast path came; once per chunk is enough. */
  | { readonly kind: 'heard' }
  /** Among them answers to requests of the window; `stillOpen` when others wait. */
  | { readonly kind: 'answered'; readonly stillOpen: boolean }
  /** Requests of the window were written; once per write is enough. */
  | { readonly kind: 'requested' }
  /** Requests of the window waited too long; `oldestMs`: when the oldest that still waits was written. */
  | { readonly kind: 'gave-up'; readonly oldestMs: number | undefined }
  /** Time passed. */
  | { readonly kind: 'tick' }
  /** End in good order. Ask when the window is empty: a carrier answers nothing after an unbind. */
  | { readonly kind: 'drain' }
  /** The framer lost the stream. */
  | { readonly kind: 'stream-lost' }
  /** The socket closed or failed. */
  | { readonly kind: 'socket-closed' };

/** What the bind has to do, in this order. */
export type SessionAction =
  /** Send a request of our own, with a sequence_number from the window's counter. */
  | { readonly kind: 'send'; readonly command: 'bind' | 'enquire_link' | 'unbind' }
  /** Send a PDU that is only a header. */
  | { readonly kind: 'respond'; readonly commandId: number; readonly status: number; readonly sequence: number }
  /** Messages may be sent from now on. */
  | { readonly kind: 'bound' }
  /** The carrier refused the bind; `statusOf(status)` says how to go on. A `close` follows. */
  | { readonly kind: 'refused'; readonly status: number }
  /** Let what was written leave, then destroy the socket; no action ever follows. */
  | { readonly kind: 'close'; readonly reason: CloseReason };

/** A state and what to do. */
export type SessionStep = { readonly state: SessionState; readonly actions: readonly SessionAction[] };

const nothing: readonly SessionAction[] = Object.freeze([]);

/** A session whose socket begins to connect now. */
export function startSession(settings: SessionSettings, nowMs: number): SessionState {
  assertLinkLimits(settings.link);
  return { phase: 'connecting', settings, deadlineMs: nowMs + settings.connectMs };
}

/** When the session wants its next `tick` at the latest, monotonic milliseconds; Infinity when closed. */
export function tickDueMs(state: SessionState, nowMs: number): number {
  if (state.phase === 'closed') return Number.POSITIVE_INFINITY;
  if (state.phase !== 'bound') return state.deadlineMs;
  const due = verdict(state.timers, nowMs);
  return due.kind === 'wait' ? due.untilMs : nowMs;
}

/** Moves a session on. Total: an event that means nothing in a state changes nothing. */
export function step(state: SessionState, event: SessionEvent, nowMs: number): SessionStep {
  if (state.phase === 'closed') return { state, actions: nothing };
  switch (event.kind) {
    case 'connected':
      return onConnected(state, nowMs);
    case 'pdu':
      return onPdu(state, event, nowMs);
    case 'heard':
      return withTimers(state, (timers) => heard(timers, nowMs));
    case 'answered':
      return withTimers(state, (timers) => answered(timers, nowMs, event.stillOpen));
    case 'requested':
      return withTimers(state, (timers) => requested(timers, nowMs));
    case 'gave-up':
      return withTimers(state, (timers) => gaveUp(timers, event.oldestMs));
    case 'tick':
      return onTick(state, nowMs);
    case 'drain':
      return onDrain(state, nowMs);
    case 'stream-lost':
      return onStreamLost(state);
    case 'socket-closed':
      return close('socket-closed');
  }
}

type OpenState = Exclude<SessionState, { phase: 'closed' }>;
type PduEvent = Extract<SessionEvent, { kind: 'pdu' }>;

function close(reason: CloseReason, ...before: readonly SessionAction[]): SessionStep {
  return { state: { phase: 'closed', reason }, actions: [...before, { kind: 'close', reason }] };
}

function withTimers(state: OpenState, change: (timers: LinkTimers) => LinkTimers): SessionStep {
  if (state.phase !== 'bound') return { state, actions: nothing };
  return { state: { ...state, timers: change(state.timers) }, actions: nothing };
}

function onConnected(state: OpenState, nowMs: number): SessionStep {
  if (state.phase !== 'connecting') return { state, actions: nothing };
  const { settings } = state;
  return {
    state: { phase: 'binding', settings, deadlineMs: nowMs + settings.bindMs },
    actions: [{ kind: 'send', command: 'bind' }],
  };
}

function onTick(state: OpenState, nowMs: number): SessionStep {
  if (state.phase === 'bound') {
    const due = verdict(state.timers, nowMs);
    if (due.kind === 'dead') return close(due.reason);
    if (due.kind === 'wait') return { state, actions: nothing };
    const timers = enquired(state.timers, nowMs);
    return { state: { ...state, timers }, actions: [{ kind: 'send', command: 'enquire_link' }] };
  }
  if (nowMs < state.deadlineMs) return { state, actions: nothing };
  const reasons = { connecting: 'connect-timeout', binding: 'bind-timeout', unbinding: 'unbind-timeout' } as const;
  return close(reasons[state.phase]);
}

function onDrain(state: OpenState, nowMs: number): SessionStep {
  if (state.phase === 'unbinding') return { state, actions: nothing };
  if (state.phase !== 'bound') return close('drained');
  const { settings } = state;
  return {
    state: { phase: 'unbinding', settings, deadlineMs: nowMs + settings.unbindMs },
    actions: [{ kind: 'send', command: 'unbind' }],
  };
}

function onStreamLost(state: OpenState): SessionStep {
  if (state.phase === 'connecting') return close('stream-lost');
  // SMPP 3.4 §4.3: a command_length that cannot be is told by generic_nack; its sequence_number cannot be known.
  return close('stream-lost', nack(commandStatus.ESME_RINVCMDLEN, 0));
}

function onPdu(state: OpenState, event: PduEvent, nowMs: number): SessionStep {
  if (state.phase === 'connecting') return { state, actions: nothing };
  const step = withTimers(state, (timers) => heard(timers, nowMs));
  const alive = step.state as OpenState;
  return isResponse(event.commandId) ? onResponse(alive, event, nowMs) : onRequest(alive, event);
}

/**
 * Responses that were not asked for are ignored. In `bound`, generic_nack answers a message; the bind settles it
 * like any submit_sm_resp, by its sequence_number and command_status.
 */
function onResponse(state: OpenState, event: PduEvent, nowMs: number): SessionStep {
  if (state.phase === 'binding') {
    const expected = bindCommands[state.settings.bindType].response;
    if (event.commandId !== expected && event.commandId !== commandId.generic_nack) return { state, actions: nothing };
    return onBindAnswer(state.settings, event, nowMs);
  }
  if (state.phase === 'unbinding' && event.commandId === commandId.unbind_resp) return close('drained');
  return { state, actions: nothing };
}

function onBindAnswer(settings: SessionSettings, event: PduEvent, nowMs: number): SessionStep {
  if (event.commandId !== commandId.generic_nack && event.status === commandStatus.ESME_ROK) {
    return { state: { phase: 'bound', settings, timers: startTimers(settings.link, nowMs) }, actions: [boundAction] };
  }
  // A generic_nack refuses even when it forgets to say why.
  const status = event.status === commandStatus.ESME_ROK ? commandStatus.ESME_RINVCMDID : event.status;
  return close('refused', { kind: 'refused', status });
}

const boundAction: SessionAction = Object.freeze({ kind: 'bound' });

function onRequest(state: OpenState, event: PduEvent): SessionStep {
  switch (commandName(event.commandId)) {
    case 'enquire_link':
      return { state, actions: [respond(event)] };
    case 'unbind':
      return close(state.phase === 'unbinding' ? 'drained' : 'unbound-by-peer', respond(event));
    // The fast path answers deliver_sm; SMPP 3.4 has no response to the other two.
    case 'deliver_sm':
    case 'alert_notification':
    case 'outbind':
      return { state, actions: nothing };
    default:
      return { state, actions: [nack(commandStatus.ESME_RINVCMDID, event.sequence)] };
  }
}

function respond(event: PduEvent): SessionAction {
  const { sequence } = event;
  return { kind: 'respond', commandId: responseTo(event.commandId), status: commandStatus.ESME_ROK, sequence };
}

function nack(status: number, sequence: number): SessionAction {
  return { kind: 'respond', commandId: commandId.generic_nack, status, sequence };
}
