/** The window against a model that anyone can check: a Map from sequence_number to ticket and time. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sequenceMax } from '../../src/smpp/command.ts';
import { Window } from '../../src/smpp/window.ts';

type Open = { ticket: number; openedMs: number };
type Model = {
  readonly open: Map<number, Open>;
  readonly closed: number[];
  /** Every number in the order given out. */
  readonly given: number[];
  nowMs: number;
  tickets: number;
};
type Command = fc.Command<Model, Window>;

const capacity = 9;

function checkCounts(model: Model, window: Window): void {
  expect(window.used).toBe(model.open.size);
  expect(window.free).toBe(capacity - model.open.size);
  expect(window.oldestMs()).toBe([...model.open.values()][0]?.openedMs);
  for (const [sequence, { openedMs }] of model.open) expect(window.openedMs(sequence)).toBe(openedMs);
  const closed = model.closed.at(-1);
  if (closed !== undefined) expect(window.openedMs(closed)).toBeUndefined();
}

function checkFresh(model: Model, sequence: number): void {
  expect(sequence).toBeGreaterThanOrEqual(1);
  expect(sequence).toBeLessThanOrEqual(sequenceMax);
  expect(model.given).not.toContain(sequence);
  const last = model.given.at(-1);
  // The counter goes up; it falls only where it wraps to the beginning.
  if (last !== undefined && sequence < last) {
    expect(last).toBeGreaterThan(sequenceMax - 64);
    expect(sequence).toBeLessThan(64);
  }
  model.given.push(sequence);
}

const open = fc.nat(5).map(
  (waitMs): Command => ({
    check: (model) => model.open.size < capacity,
    run(model, window) {
      model.nowMs += waitMs;
      const ticket = model.tickets++;
      const sequence = window.open(ticket, model.nowMs);
      checkFresh(model, sequence);
      model.open.set(sequence, { ticket, openedMs: model.nowMs });
      checkCounts(model, window);
    },
    toString: () => `open after ${waitMs} ms`,
  }),
);

const settle = fc.nat().map(
  (pick): Command => ({
    check: (model) => model.open.size > 0,
    run(model, window) {
      const [sequence, entry] = [...model.open][pick % model.open.size] as [number, Open];
      expect(window.settle(sequence)).toBe(entry.ticket);
      model.open.delete(sequence);
      model.closed.push(sequence);
      checkCounts(model, window);
    },
    toString: () => `settle open no. ${pick}`,
  }),
);

const settleAgain = fc.nat().map(
  (pick): Command => ({
    check: (model) => model.closed.length > 0,
    run(model, window) {
      expect(window.settle(model.closed[pick % model.closed.length] as number)).toBe(-1);
      checkCounts(model, window);
    },
    toString: () => `settle closed no. ${pick}`,
  }),
);

const settleUnknown = fc.oneof(fc.constantFrom(0, sequenceMax, 0x80000000, 0xffffffff), fc.nat(0xffffffff)).map(
  (sequence): Command => ({
    check: (model) => !model.open.has(sequence),
    run(model, window) {
      expect(window.settle(sequence)).toBe(-1);
      checkCounts(model, window);
    },
    toString: () => `settle unknown ${sequence}`,
  }),
);

const next = fc.constant<Command>({
  check: () => true,
  run(model, window) {
    const sequence = window.nextSequence();
    checkFresh(model, sequence);
    model.closed.push(sequence);
    checkCounts(model, window);
  },
  toString: () => 'next',
});

const expire = fc.nat(8).map(
  (ageMs): Command => ({
    check: () => true,
    run(model, window) {
      const beforeMs = model.nowMs - ageMs;
      const expected = [...model.open].filter(([, entry]) => entry.openedMs < beforeMs);
      const seen: [number, number][] = [];
      window.expire(beforeMs, (ticket, sequence) => {
        expect(window.settle(sequence)).toBe(-1);
        seen.push([sequence, ticket]);
      });
      expect(seen).toEqual(expected.map(([sequence, entry]) => [sequence, entry.ticket]));
      for (const [sequence] of expected) {
        model.open.delete(sequence);
        model.closed.push(sequence);
      }
      checkCounts(model, window);
    },
    toString: () => `expire older than ${ageMs} ms`,
  }),
);

const drain = fc.constant<Command>({
  check: () => true,
  run(model, window) {
    const seen: number[] = [];
    window.drain((ticket) => seen.push(ticket));
    expect(seen).toEqual([...model.open.values()].map((entry) => entry.ticket));
    model.closed.push(...model.open.keys());
    model.open.clear();
    checkCounts(model, window);
  },
  toString: () => 'drain',
});

test('window - behaves as a map of open requests, from any first number and over the wrap', () => {
  const first = fc.oneof(fc.constant(1), fc.integer({ min: sequenceMax - 60, max: sequenceMax }));
  const commands = fc.commands([open, open, open, settle, settle, settleAgain, settleUnknown, next, expire, drain], {
    maxCommands: 120,
    size: 'max',
  });
  fc.assert(
    fc.property(first, commands, (firstSequence, run) => {
      fc.modelRun(() => {
        const model: Model = { open: new Map(), closed: [], given: [], nowMs: 1000, tickets: 0 };
        return { model, real: new Window(capacity, firstSequence) };
      }, run);
    }),
    { numRuns: 300 },
  );
});

test('window - every place can be used whatever stays unanswered', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 70 }), fc.infiniteStream(fc.nat()), (size, picks) => {
      const window = new Window(size, sequenceMax - 100);
      const sequences: number[] = [];
      for (let round = 0; round < 300; round++) {
        while (window.free > 0) sequences.push(window.open(sequences.length, round));
        const [answered] = sequences.splice((picks.next().value as number) % sequences.length, 1);
        expect(window.settle(answered as number)).not.toBe(-1);
      }
      expect(window.used).toBe(size - 1);
    }),
    { numRuns: 30 },
  );
});
