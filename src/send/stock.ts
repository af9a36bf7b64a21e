/**
 * Batches in a worker's hands for one carrier, and the choice of what is written next. Runs on the worker's main
 * thread. Alerts come first, then batches in the order in which the schedule gave them; a paused batch is passed by.
 */
import assert from 'node:assert';
import type { Run } from '../carrier/link.ts';
import type { Room } from '../carrier/pool.ts';
import { type CampaignContent, type CampaignState, type Lane, lanes } from '../handoff.ts';
import type { Hold } from '../stream/consumer.ts';
import { noCounts, type SenderCounts } from './counts.ts';
import type { Span } from '../tracing.ts';
import type { BatchLedger } from './ledger.ts';

/** A ticket is handle × this + frame; a batch has fewer frames. */
const framesMax = 65_536;
/** Tickets must stay below 2^31. */
const handlesMax = 32_768;

/** A batch in hand. */
export type Held = Hold & {
  readonly handle: number;
  readonly content: CampaignContent;
  readonly ledger: BatchLedger;
  state: CampaignState;
  /** Where its segments are counted: those of its lane. */
  readonly counts: SenderCounts;
  /** Nothing of it was written by this worker yet. */
  isUnwritten: boolean;
  /** The campaign's first batch, of which nothing was ever written. */
  isFirst: boolean;
  readonly span: Span;
  /** Frames that wait for an answer. */
  inFlight: number;
  /** Flushes of outcomes so far. */
  flushes: number;
  /** The flush that is on its way; resolves when its outcomes are in Redis. */
  flushing: Promise<void> | undefined;
  /** Outcomes of that flush. */
  recording: number;
  isReserving: boolean;
  /** It is being given back: its books must not change any more. */
  isLeaving: boolean;
  /** It belongs to another worker: write nothing more, record what still comes. */
  isLost: boolean;
};

/** The batches of one carrier. */
export class Stock {
  readonly #held: (Held | undefined)[] = [];
  readonly #freeHandles: number[] = [];
  readonly #writable: Readonly<Record<Lane, Held[]>> = { alert: [], information: [] };
  readonly #alerts = new Set<Held>();
  #size = 0;
  /** Totals since the start. */
  readonly counts: Readonly<Record<Lane, SenderCounts>> = { alert: noCounts(), information: noCounts() };
  /** Batches that were found expired, for the sender to settle. */
  readonly expired: Held[] = [];

  /** Batches in hand. */
  get size(): number {
    return this.#size;
  }

  /** Every batch in hand. */
  all(): Held[] {
    return this.#held.filter((held) => held !== undefined);
  }

  /** Takes a batch in. */
  add(hold: Hold, content: CampaignContent, ledger: BatchLedger, state: CampaignState, span: Span): Held {
    assert(ledger.frameCount < framesMax, 'a batch has fewer frames than a ticket can tell apart');
    const handle = this.#freeHandles.pop() ?? this.#held.length;
    assert(handle < handlesMax, 'a worker holds fewer batches than a ticket can tell apart');
    const held: Held = {
      handle,
      campaign: hold.campaign,
      entry: hold.entry,
      owner: hold.owner,
      content,
      ledger,
      state,
      counts: this.counts[content.nature],
      isUnwritten: true,
      isFirst: false,
      span,
      inFlight: 0,
      flushes: 0,
      flushing: undefined,
      recording: 0,
      isReserving: false,
      isLeaving: false,
      isLost: false,
    };
    this.#held[handle] = held;
    this.#size++;
    this.#writable[content.nature].push(held);
    if (content.nature === 'alert') this.#alerts.add(held);
    return held;
  }

  /** Lets a batch go; none of its frames may be in flight. */
  remove(held: Held): void {
    assert(held.inFlight === 0, 'no answer is due');
    this.#held[held.handle] = undefined;
    this.#freeHandles.push(held.handle);
    this.#size--;
    this.#alerts.delete(held);
    this.#unlist(held);
  }

  /** Whether a batch is in hand. */
  has(held: Held): boolean {
    return this.#held[held.handle] === held;
  }

  /** The batch of a hold; undefined when it is not in hand any more. */
  find({ campaign, entry, owner }: Hold): Held | undefined {
    return this.#held.find((held) => held?.entry === entry && held.campaign === campaign && held.owner === owner);
  }

  /** The batch of a ticket. */
  of(ticket: number): Held {
    const held = this.#held[Math.floor(ticket / framesMax)];
    assert(held !== undefined, 'a ticket belongs to a batch in hand');
    return held;
  }

  /** The frame of a ticket. */
  frameOf(ticket: number): number {
    return ticket % framesMax;
  }

  /** Frames of a lane that were not written yet and may be soon. */
  unwritten(lane: Lane): number {
    let frames = 0;
    for (const held of this.#writable[lane]) {
      if (held.state === 'active') frames += held.ledger.frameCount - held.ledger.next + held.ledger.again.length;
    }
    return frames;
  }

  /** Batches of a lane that have something to write and may. */
  writableCount(lane: Lane): number {
    return this.#writable[lane].filter((held) => held.state === 'active').length;
  }

  /** Batches of a lane that have something to write, in the order in which it will be written. */
  listed(lane: Lane): readonly Held[] {
    return this.#writable[lane];
  }

  /** Segments of alerts that were written and whose outcomes are not surely in Redis: what a crash would double. */
  get alertsOpen(): number {
    let open = 0;
    for (const held of this.#alerts) open += held.inFlight + held.ledger.unrecorded + held.recording;
    return open;
  }

  /** Puts a batch back among those with something to write. */
  relist(held: Held): void {
    const list = this.#writable[held.content.nature];
    if (!list.includes(held)) list.unshift(held);
  }

  /** The most urgent run that fits; undefined when there is none. `nowMs` is the wall clock. */
  next(room: Room, nowMs: number): { held: Held; run: Run } | undefined {
    for (const lane of lanes) {
      if (room[lane] < 1) continue;
      for (const held of this.#writable[lane]) {
        const run = isWritable(held) ? this.#runOf(held, lane, room, nowMs) : undefined;
        if (run !== undefined) return { held, run };
      }
    }
    return undefined;
  }

  #runOf(held: Held, lane: Lane, room: Room, nowMs: number): Run | undefined {
    const { ledger, handle } = held;
    if (held.content.expiresAtMs <= nowMs) {
      if (!this.expired.includes(held)) this.expired.push(held);
      return undefined;
    }
    const { bytes, offsets } = ledger.frames;
    const again = ledger.takeAgain(nowMs);
    let from = again;
    let to = again + 1;
    if (again < 0) {
      const length = ledger.runLength(room.paced, room[lane], room.most[lane]);
      if (length === 0) return undefined;
      from = ledger.next;
      to = from + length;
      ledger.next = to;
    }
    if (ledger.next === ledger.frameCount && ledger.again.length === 0) this.#unlist(held);
    held.inFlight += to - from;
    return { bytes, offsets, from, to, ticketBase: handle * framesMax };
  }

  #unlist(held: Held): void {
    const list = this.#writable[held.content.nature];
    const at = list.indexOf(held);
    if (at >= 0) list.splice(at, 1);
  }
}

/** Whether frames of a batch may be written at all. */
export function isWritable(held: Held): boolean {
  return held.state === 'active' && !held.isLost && !held.isLeaving;
}
