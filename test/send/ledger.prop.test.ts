/**
 * The books of a batch against a model of Redis: whatever order frames are written, answered, refused for a while,
 * recorded, given back, taken over after a crash or closed in, every message has each of its outcomes exactly once.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Batch, type Frames, type OutcomeKind, outcomeCodes } from '../../src/handoff.ts';
import { BatchLedger, type PriorLedger } from '../../src/send/ledger.ts';
import { readOutcomes } from '../../src/stream/entry.ts';

/** Segments of each recipient's message, in order; 0 for one that cannot be encoded. */
type Messages = readonly number[];

function batchOf(messages: Messages, only?: readonly number[]): Batch {
  const fixed = { campaign: '1', organisation: '2', number: 1, attempt: 1, firstOrdinal: 0, language: 'fr' };
  const batch = { ...fixed, recipients: messages.length, packed: Buffer.alloc(0) };
  return only === undefined ? batch : { ...batch, only };
}

function framesOf(messages: Messages): Frames {
  const recipient: number[] = [];
  const segment: number[] = [];
  const segments: number[] = [];
  const refused: { index: number; reason: string }[] = [];
  messages.forEach((count, index) => {
    if (count === 0) refused.push({ index, reason: 'address' });
    for (let i = 0; i < count; i++) {
      recipient.push(index);
      segment.push(i);
      segments.push(count);
    }
  });
  return {
    bytes: Buffer.alloc(0),
    offsets: new Uint32Array(recipient.length + 1),
    recipient: Uint16Array.from(recipient),
    segment: Uint8Array.from(segment),
    segments: Uint8Array.from(segments),
    refused,
  };
}

/** A batch's outcomes as they were recorded: by recipient and segment, `*` for a whole message. */
class Recorded {
  readonly outcomes = new Map<string, number>();

  add(packed: Buffer): void {
    readOutcomes(packed, (index, count, segment, segments, code, _status, _bytes, from, to) => {
      if (count > 1) expect([segment, segments, to - from]).toEqual([0, 1, 0]);
      for (let i = 0; i < count; i++) this.#once(`${index + i}/${segment}/${segments}`, code);
    });
  }

  #once(key: string, code: number): void {
    expect(this.outcomes.has(key), `outcome ${key} once`).toBe(false);
    this.outcomes.set(key, code);
  }

  /** Every message has one outcome for each of its segments, or one for the whole of it. */
  expectComplete(messages: Messages): void {
    let expected = 0;
    messages.forEach((count, index) => {
      const parts = Array.from({ length: count }, (_, i) => `${index}/${i}/${count}`);
      const isWhole = this.outcomes.has(`${index}/0/1`);
      if (isWhole && count !== 1) {
        expect(parts.filter((part) => this.outcomes.has(part))).toEqual([]);
        expected++;
      } else {
        expect(
          parts.filter((part) => !this.outcomes.has(part)),
          `segments of ${index}`,
        ).toEqual([]);
        expected += count;
      }
    });
    expect(this.outcomes.size).toBe(expected);
  }
}

/** A worker with one batch, and what Redis knows of it. */
class Model {
  readonly messages: Messages;
  readonly frames: Frames;
  readonly roomMost: number;
  readonly isAlert: boolean;
  readonly recorded = new Recorded();
  ledger: BatchLedger;
  inFlight: number[] = [];
  /** What Redis has: reserved frames, and answered ones as of the last flush. */
  stored: PriorLedger;
  /** How often each frame was written, and may have been. */
  readonly written: number[];
  readonly mayWrite: number[];
  nowMs = 0;

  constructor(messages: Messages, roomMost: number, isAlert: boolean) {
    this.messages = messages;
    this.frames = framesOf(messages);
    this.roomMost = roomMost;
    this.isAlert = isAlert;
    this.ledger = new BatchLedger(batchOf(messages), this.frames);
    this.stored = { reserved: 0, frames: 0, answered: Buffer.alloc(0), again: [] };
    this.written = Array.from(this.frames.recipient, () => 0);
    this.mayWrite = Array.from(this.frames.recipient, () => 1);
  }

  reserve(segments: number): void {
    const upTo = this.ledger.reservationEnd(segments);
    expect(upTo).toBeGreaterThanOrEqual(this.ledger.next);
    this.stored = { ...this.stored, reserved: upTo, frames: this.ledger.units };
    this.ledger.reserved = Math.max(this.ledger.reserved, upTo);
  }

  run(paced: number, room: number): number {
    const { ledger, frames, roomMost } = this;
    const from = ledger.next;
    const length = ledger.runLength(paced, room, roomMost);
    if (length === 0) return 0;
    const to = from + length;
    expect(length).toBeLessThanOrEqual(Math.min(paced, room));
    expect(to).toBeLessThanOrEqual(ledger.reserved);
    const isParted = to < ledger.frameCount && frames.segment[to] !== 0;
    if (isParted) {
      expect(frames.recipient[from]).toBe(frames.recipient[to - 1]);
      const rest = (frames.segments[from] as number) - (frames.segment[from] as number);
      expect(rest).toBeGreaterThan(Math.min(paced, roomMost));
    }
    ledger.next = to;
    for (let frame = from; frame < to; frame++) this.write(frame);
    return length;
  }

  write(frame: number): void {
    this.written[frame] = (this.written[frame] as number) + 1;
    expect(this.written[frame], `writes of frame ${frame}`).toBeLessThanOrEqual(this.mayWrite[frame] as number);
    expect(frame).toBeLessThan(this.stored.reserved);
    this.inFlight.push(frame);
  }

  take(chance: number): number | undefined {
    return this.inFlight.splice(chance % Math.max(1, this.inFlight.length), 1)[0];
  }

  again(frame: number, isCounted: boolean): void {
    this.mayWrite[frame] = (this.mayWrite[frame] as number) + 1;
    this.ledger.writeAgain(frame, this.nowMs + 10, isCounted);
  }

  flush(): void {
    const answered = Buffer.from(this.ledger.answered);
    this.recorded.add(this.ledger.takeOutcomes());
    this.stored = { ...this.stored, answered };
  }

  /** Written and not answered: `unknown`, or once more for an alert. */
  lose(frame: number): void {
    if (this.isAlert) this.again(frame, true);
    else this.ledger.settle(frame, 'unknown', 0, '');
  }

  giveBack(): void {
    for (const frame of this.inFlight.splice(0)) this.lose(frame);
    this.flush();
    this.#takeOver(this.ledger.position);
  }

  /** Gone with what was not recorded; whoever comes next sees Redis alone. */
  crash(): void {
    this.inFlight = [];
    // What waits to be written again is forgotten with its right to be.
    this.written.forEach((times, frame) => {
      this.mayWrite[frame] = Math.max(times, 1);
    });
    const { reserved, frames, answered } = this.stored;
    this.#takeOver({ reserved, frames, answered, again: [] });
  }

  #takeOver(prior: PriorLedger): void {
    this.stored = { ...prior, again: [] };
    this.ledger = new BatchLedger(batchOf(this.messages), this.frames, prior);
    for (const frame of this.ledger.unanswered()) this.lose(frame);
  }

  /** Writes and answers all that is left. */
  finish(): void {
    for (let turn = 0; !this.ledger.done; turn++) {
      expect(turn, 'every turn gets on').toBeLessThan(10_000);
      this.nowMs += 10;
      for (let frame = this.ledger.takeAgain(this.nowMs); frame >= 0; frame = this.ledger.takeAgain(this.nowMs))
        this.write(frame);
      if (this.ledger.sendable === 0) this.reserve(1);
      this.run(1, this.roomMost);
      for (const frame of this.inFlight.splice(0)) this.ledger.settle(frame, 'accepted', 0, `id${frame}`);
    }
    this.flush();
  }
}

type Step = { readonly what: string; readonly a: number; readonly b: number };

function stepOn(model: Model, { what, a, b }: Step): void {
  const { ledger } = model;
  switch (what) {
    case 'reserve':
      return model.reserve(1 + (a % 20));
    case 'run':
      return void model.run(1 + (a % 10), 1 + (b % model.roomMost));
    case 'settle': {
      const frame = model.take(a);
      if (frame !== undefined)
        ledger.settle(frame, b % 2 === 0 ? 'accepted' : 'rejected', b, b % 2 === 0 ? `id${b}` : '');
      // Repeating it changes nothing.
      if (frame !== undefined) ledger.settle(frame, 'unknown', 0, '');
      return;
    }
    case 'again': {
      const frame = model.take(a);
      if (frame !== undefined) model.again(frame, b % 2 === 0);
      return;
    }
    case 'takeAgain': {
      model.nowMs += a % 20;
      const frame = ledger.takeAgain(model.nowMs);
      if (frame >= 0) model.write(frame);
      return;
    }
    case 'lose': {
      const frame = model.take(a);
      if (frame !== undefined) model.lose(frame);
      return;
    }
    case 'flush':
      return model.flush();
    case 'giveBack':
      return model.giveBack();
    case 'crash':
      return model.crash();
    default:
      return ledger.settleRest(a % 2 === 0 ? 'cancelled' : 'expired');
  }
}

const messagesArbitrary = fc.array(fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 2 }) }, fc.nat(9)), {
  minLength: 1,
  maxLength: 12,
});
const often = ['reserve', 'run', 'run', 'settle', 'settle', 'again', 'takeAgain', 'flush', 'lose'];
const seldom = ['giveBack', 'crash', 'settleRest'];
const steps = fc.array(
  fc.record({ what: fc.constantFrom(...often, ...often, ...seldom), a: fc.nat(1_000), b: fc.nat(1_000) }),
  { maxLength: 60 },
);

test('ledger - whatever happens, every segment has exactly one outcome, and no frame a write too many', () => {
  fc.assert(
    fc.property(
      messagesArbitrary,
      fc.integer({ min: 1, max: 12 }),
      fc.boolean(),
      steps,
      (messages, most, isAlert, all) => {
        const model = new Model(messages, most, isAlert);
        for (const step of all) stepOn(model, step);
        model.finish();
        model.recorded.expectComplete(messages.map((count) => Math.max(1, count)));
        messages.forEach((count, index) => {
          if (count === 0) expect(model.recorded.outcomes.get(`${index}/0/1`)).toBe(outcomeCodes.rejected);
        });
      },
    ),
    { numRuns: 1_500 },
  );
});

test('ledger - information is written once, whatever dies', () => {
  const deaths = fc.array(
    fc.record({
      what: fc.constantFrom('reserve', 'run', 'settle', 'flush', 'crash', 'giveBack'),
      a: fc.nat(99),
      b: fc.nat(99),
    }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(messagesArbitrary, deaths, (messages, all) => {
      const model = new Model(messages, 10, false);
      for (const step of all) stepOn(model, step);
      model.finish();
      expect(Math.max(0, ...model.written)).toBeLessThanOrEqual(1);
    }),
    { numRuns: 500 },
  );
});

test('ledger - another encoding of a batch that was begun sends nothing of it as information', () => {
  const prior = { reserved: 2, frames: 3, answered: Buffer.from([1]), again: [1] };
  const ledger = new BatchLedger(batchOf([1, 1, 1, 1]), framesOf([1, 1, 1, 1]), prior);
  expect(ledger.sendable).toBe(0);
  expect(ledger.again).toEqual([]);
  expect(ledger.unanswered()).toEqual([0, 1, 2, 3]);
});

test('ledger - what is closed at once shares one record for each run of those that are left', () => {
  const rows: unknown[] = [];
  const closed = (only: readonly number[] | undefined, kind: OutcomeKind) => {
    const ledger = BatchLedger.closed(batchOf([1, 1, 1, 1, 1, 1], only), kind);
    expect(ledger.done).toBe(true);
    readOutcomes(ledger.takeOutcomes(), (index, count, _segment, _segments, code) => rows.push([index, count, code]));
  };
  closed(undefined, 'cancelled');
  closed([0, 1, 3, 5], 'expired');
  expect(rows).toEqual([
    [0, 6, outcomeCodes.cancelled],
    [0, 2, outcomeCodes.expired],
    [3, 1, outcomeCodes.expired],
    [5, 1, outcomeCodes.expired],
  ]);
});

test('ledger - a message longer than the pace or all the room is parted, a shorter one waits for its room', () => {
  const ledger = new BatchLedger(batchOf([8, 1]), framesOf([8, 1]));
  ledger.reserved = ledger.reservationEnd(1);
  expect(ledger.reserved).toBe(8);
  expect(ledger.runLength(9, 7, 8)).toBe(0);
  expect(ledger.runLength(9, 8, 8)).toBe(8);
  expect(ledger.runLength(9, 7, 7)).toBe(7);
  expect(ledger.runLength(1, 7, 8)).toBe(0);
  expect(ledger.runLength(1, 8, 8)).toBe(1);
  ledger.next = 3;
  expect(ledger.runLength(2, 8, 8)).toBe(2);
  expect(ledger.runLength(9, 8, 8)).toBe(5);
});

test('ledger - of what is left for another carrier no message has begun; the rest of one that has is unknown', () => {
  const messages = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(messages, fc.nat(), fc.array(fc.nat(), { maxLength: 5 }), (counts, written, refused) => {
      const frames = framesOf(counts);
      const ledger = new BatchLedger(batchOf(counts), frames);
      ledger.next = written % (ledger.frameCount + 1);
      for (const frame of new Set(refused.map((at) => at % Math.max(1, ledger.next))))
        if (frame < ledger.next) ledger.writeAgain(frame, 0, false);
      const again = new Set(ledger.again.map(({ frame }) => frame));
      for (let frame = 0; frame < ledger.next; frame++) if (!again.has(frame)) ledger.settle(frame, 'accepted', 0, 'x');
      ledger.settleRest('rerouted');
      expect(ledger.done).toBe(true);
      const recorded = new Recorded();
      recorded.add(ledger.takeOutcomes());
      recorded.expectComplete(counts);
      for (const [key, code] of recorded.outcomes) {
        const [index, segment, segments] = key.split('/').map(Number) as [number, number, number];
        if (code !== outcomeCodes.rerouted) continue;
        expect([segment, segments]).toEqual([0, 1]);
        const first = frames.recipient.indexOf(index);
        const hasBegun = first < ledger.frameCount && first < written % (ledger.frameCount + 1);
        expect(hasBegun && counts[index] !== 1).toBe(false);
      }
    }),
  );
});
