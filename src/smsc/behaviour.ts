/**
 * How a simulated carrier behaves: limits, latency, faults and receipts, with the check of values that come
 * from a command line or over HTTP. Chances are drawn from a seed, so that a run can be repeated. Pure.
 */
import { Fault } from '../fault.ts';
import { type ReceiptState, receiptStateCodes } from '../handoff.ts';
import type { MessageIdSpelling } from '../smpp/message-id.ts';

/** Everything that can be changed while the simulator runs. Shares are 0 to 1; limits of 0 mean none. */
export type Behaviour = {
  /** Accepted submit_sm in any one second, over all binds; more are answered ESME_RTHROTTLED. */
  readonly ratePerSecond: number;
  /** Unanswered submit_sm of one bind; more are answered ESME_RMSGQFUL. */
  readonly windowMax: number;
  /** Binds at once of one account; a further one is refused with ESME_RALYBND. */
  readonly bindsMax: number;
  /** From a submit_sm to its answer. */
  readonly latencyMs: number;
  /** Up to this much is added to `latencyMs`, by chance. */
  readonly latencyJitterMs: number;
  /** Reading pauses for so long after each read: a slow peer that lets our buffers fill. */
  readonly readPauseMs: number;
  /** Share of submit_sm answered with each command_status, for example `{ "0x0b": 0.01 }`. */
  readonly errors: Readonly<Record<string, number>>;
  /** Share of submit_sm that are taken but never answered. */
  readonly silence: number;
  /** Reads everything and answers nothing, not even enquire_link. */
  readonly unresponsive: boolean;
  /** The connection breaks at each so-manyth submit_sm of a bind, before its answer. */
  readonly disconnectEvery: number;
  /** Refuses every bind with this command_status. */
  readonly bindStatus: number;
  /** Closes every new connection at once. */
  readonly refuseConnections: boolean;
  /** Spelling of message ids, as a carrier's setting names it; see `MessageIds`. */
  readonly messageIds: MessageIdSpelling;
  /** Final states of accepted messages by share; what is missing to 1 never gets a receipt. */
  readonly receiptMix: Readonly<Partial<Record<ReceiptState, number>>>;
  /** From the acceptance to the receipt. */
  readonly receiptDelayMs: number;
  /** Up to this much is added to `receiptDelayMs`, by chance. */
  readonly receiptJitterMs: number;
  /** Where id and state stand in a receipt. */
  readonly receiptForm: 'text' | 'tlv' | 'both';
  /** Share of receipts that are sent before the submit_sm_resp of their message. */
  readonly receiptFirst: number;
  /** Sends receipts on another bind of the account than the one that submitted, when there is one. */
  readonly receiptOtherBind: boolean;
  /** Unanswered deliver_sm of one bind; further receipts wait. */
  readonly receiptWindow: number;
  /** A receipt that is not answered, or refused for the moment, is sent again after so long. */
  readonly receiptRetryMs: number;
};

/** A carrier that accepts everything at once and reports everything delivered. */
export const plainBehaviour: Behaviour = {
  ratePerSecond: 0,
  windowMax: 0,
  bindsMax: 0,
  latencyMs: 0,
  latencyJitterMs: 0,
  readPauseMs: 0,
  errors: {},
  silence: 0,
  unresponsive: false,
  disconnectEvery: 0,
  bindStatus: 0,
  refuseConnections: false,
  messageIds: 'as-is',
  receiptMix: { delivered: 1 },
  receiptDelayMs: 0,
  receiptJitterMs: 0,
  receiptForm: 'both',
  receiptFirst: 0,
  receiptOtherBind: false,
  receiptWindow: 1000,
  receiptRetryMs: 30_000,
};

type Check = (value: unknown) => string | undefined;

const whole: Check = (value) =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? undefined : 'must be a whole number, 0 or more';
const positive: Check = (value) => whole(value) ?? (value === 0 ? 'must be at least 1' : undefined);
const share: Check = (value) =>
  typeof value === 'number' && value >= 0 && value <= 1 ? undefined : 'must be a number from 0 to 1';
const flag: Check = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false');
const oneOf =
  (...allowed: readonly string[]): Check =>
  (value) =>
    allowed.includes(value as string) ? undefined : `must be one of ${allowed.join(', ')}`;
const mixOf =
  (isKey: (key: string) => boolean, keys: string): Check =>
  (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return `must be shares by ${keys}`;
    let sum = 0;
    for (const [key, part] of Object.entries(value)) {
      if (!isKey(key)) return `has ${JSON.stringify(key)}, which is not one of ${keys}`;
      const problem = share(part);
      if (problem !== undefined) return `at ${JSON.stringify(key)}: ${problem}`;
      sum += part as number;
    }
    return sum > 1 + 1e-9 ? 'has shares of more than 1 in all' : undefined;
  };

const checks: Readonly<Record<keyof Behaviour, Check>> = {
  ratePerSecond: whole,
  windowMax: whole,
  bindsMax: whole,
  latencyMs: whole,
  latencyJitterMs: whole,
  readPauseMs: whole,
  errors: mixOf((key) => Number(key) > 0 && Number(key) < 0xffffffff, 'command_status numbers such as 0x0b'),
  silence: share,
  unresponsive: flag,
  disconnectEvery: whole,
  bindStatus: whole,
  refuseConnections: flag,
  messageIds: oneOf('as-is', 'hexadecimal', 'decimal', 'hexadecimal-in-response', 'decimal-in-response'),
  receiptMix: mixOf((key) => Object.hasOwn(receiptStateCodes, key), Object.keys(receiptStateCodes).join(', ')),
  receiptDelayMs: whole,
  receiptJitterMs: whole,
  receiptForm: oneOf('text', 'tlv', 'both'),
  receiptFirst: share,
  receiptOtherBind: flag,
  receiptWindow: positive,
  receiptRetryMs: positive,
};

/**
 * A part of a behaviour from outside, checked. Throws a `Fault` of code `input` whose details name every
 * unknown key and wrong value.
 */
export function checkBehaviour(value: unknown): Partial<Behaviour> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Fault('input', 'a behaviour is an object of settings');
  }
  const details: string[] = [];
  for (const [key, setting] of Object.entries(value)) {
    const check = Object.hasOwn(checks, key) ? checks[key as keyof Behaviour] : undefined;
    const problem = check === undefined ? 'is not a setting of the simulator' : check(setting);
    if (problem !== undefined) details.push(`${key} ${problem}`);
  }
  if (details.length > 0) throw new Fault('input', details.join('; '), { details });
  return value;
}

/** Chances from a seed (mulberry32): the same seed gives the same run. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** The next number, at least 0 and below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x100000000;
  }
}

/** The answer that is none: the message is taken and stays unanswered. */
export const silent = -1;

/** A mix of numbers that chances are looked up in: the first entry whose `below` is above the chance. */
type Mix = readonly { readonly below: number; readonly value: number }[];

function mix(shares: readonly (readonly [number, number])[]): Mix {
  let below = 0;
  return shares.map(([value, part]) => {
    below += part;
    return { below, value };
  });
}

function pick(from: Mix, chance: number): number | undefined {
  for (const { below, value } of from) if (chance < below) return value;
  return undefined;
}

/** A behaviour prepared for quick decisions. */
export class Decider {
  readonly behaviour: Behaviour;
  readonly #answers: Mix;
  readonly #states: Mix;
  readonly #chance: Chance;

  constructor(behaviour: Behaviour, chance: Chance) {
    this.behaviour = behaviour;
    this.#chance = chance;
    const answers: [number, number][] = [[silent, behaviour.silence]];
    for (const [code, part] of Object.entries(behaviour.errors)) answers.push([Number(code), part]);
    this.#answers = mix(answers);
    const states = Object.entries(behaviour.receiptMix) as [ReceiptState, number][];
    this.#states = mix(states.map(([state, part]) => [receiptStateCodes[state], part]));
  }

  /** command_status of the next submit_sm that no limit stands against, or `silent`. */
  answer(): number {
    const last = this.#answers.at(-1)?.below ?? 0;
    return last === 0 ? 0 : (pick(this.#answers, this.#chance.next()) ?? 0);
  }

  /** message_state code of the next accepted message, or 0 when it never gets a receipt. */
  finalState(): number {
    const only = this.#states[0];
    if (only !== undefined && only.below >= 1) return only.value;
    return pick(this.#states, this.#chance.next()) ?? 0;
  }

  /** Whether the next receipt overtakes its answer. */
  receiptFirst(): boolean {
    return this.behaviour.receiptFirst > 0 && this.#chance.next() < this.behaviour.receiptFirst;
  }

  /** How long the next receipt takes, in milliseconds. */
  receiptDelayMs(): number {
    const { receiptDelayMs, receiptJitterMs } = this.behaviour;
    return receiptJitterMs === 0 ? receiptDelayMs : receiptDelayMs + this.#chance.next() * receiptJitterMs;
  }

  /** How long the next answers take, in milliseconds. */
  latencyMs(): number {
    const { latencyMs, latencyJitterMs } = this.behaviour;
    return latencyJitterMs === 0 ? latencyMs : latencyMs + this.#chance.next() * latencyJitterMs;
  }
}
