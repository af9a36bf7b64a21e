/** The fold of segments into messages and counts: order does not matter, and nothing goes back. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  foldBatch,
  lowestState,
  messageStates,
  rankOfState,
  segmentStates,
  segmentStatesCount,
} from '../../src/db/fold.ts';
import { messageStateCodes } from '../../src/handoff.ts';
import { BatchState } from '../../src/record/states.ts';

const key = { campaign: '1', organisation: '2', batch: 1, firstOrdinal: 0 };
const recipients = 6;

type Event = { readonly index: number; readonly segment: number; readonly state: number };

/** How many segments each message has, and events on them. */
const history = fc
  .array(fc.integer({ min: 1, max: 4 }), { minLength: recipients, maxLength: recipients })
  .chain((segments) =>
    fc.record({
      segments: fc.constant(segments),
      events: fc.array(
        fc.integer({ min: 0, max: recipients - 1 }).chain((index) =>
          fc.record({
            index: fc.constant(index),
            segment: fc.integer({ min: 0, max: (segments[index] ?? 1) - 1 }),
            state: fc.integer({ min: 1, max: segmentStatesCount - 1 }),
          }),
        ),
        { maxLength: 60 },
      ),
    }),
  );

function play(events: readonly Event[], segments: readonly number[], each?: (state: BatchState) => void) {
  const state = new BatchState(key);
  state.load([]);
  const counts = new Int32Array(segmentStatesCount);
  for (const { index, segment, state: to } of events) {
    // A message of several segments is only ever spoken of with its true number.
    state.apply(index, segment, segments[index] ?? 1, to, counts);
    each?.(state);
  }
  return { state, counts };
}

function lowestOf(state: BatchState): number[] {
  return Array.from({ length: recipients }, (_, index) => lowestState(state.rows, index));
}

test('fold - the order of events changes neither states nor counts', () => {
  const shuffled = history.chain(({ segments, events }) =>
    fc.record({
      segments: fc.constant(segments),
      events: fc.constant(events),
      other: fc.shuffledSubarray(events, { minLength: events.length, maxLength: events.length }),
    }),
  );
  fc.assert(
    fc.property(shuffled, ({ segments, events, other }) => {
      const [one, two] = [play(events, segments), play(other, segments)];
      expect(lowestOf(one.state)).toEqual(lowestOf(two.state));
      expect([...one.counts]).toEqual([...two.counts]);
    }),
  );
});

test('fold - events that come twice change nothing', () => {
  fc.assert(
    fc.property(history, ({ segments, events }) => {
      const [once, twice] = [play(events, segments), play([...events, ...events], segments)];
      expect(lowestOf(once.state)).toEqual(lowestOf(twice.state));
      expect([...once.counts]).toEqual([...twice.counts]);
    }),
  );
});

test('fold - a message never goes back, and accepted messages stay accepted', () => {
  fc.assert(
    fc.property(history, ({ segments, events }) => {
      let before = lowestOf(play([], segments).state);
      play(events, segments, (state) => {
        const now = lowestOf(state);
        now.forEach((lowest, index) => {
          expect(rankOfState[lowest]).toBeGreaterThanOrEqual(rankOfState[before[index] ?? 0]!);
        });
        before = now;
      });
    }),
  );
});

test('fold - counts are exactly the differences of the messages', () => {
  fc.assert(
    fc.property(history, ({ segments, events }) => {
      const { state, counts } = play(events, segments);
      const expected = new Int32Array(segmentStatesCount);
      for (const lowest of lowestOf(state)) {
        if (lowest === 0) continue;
        expected[lowest]! += 1;
        expected[0]! -= 1;
      }
      expect([...counts]).toEqual([...expected]);
    }),
  );
});

test('fold - a batch reads back from its bytes as it was written', () => {
  fc.assert(
    fc.property(history, ({ segments, events }) => {
      const { state } = play(events, segments);
      const again = new BatchState(key);
      again.load(state.rows.map((row) => Buffer.from(row)));
      expect(lowestOf(again)).toEqual(lowestOf(state));
      const names = lowestOf(state).map((lowest) => messageStates[lowest] ?? 'pending');
      expect([...foldBatch([state.rows], recipients)]).toEqual(names.map((name) => messageStateCodes[name]));
    }),
  );
});

test('fold - a message of two segments is what its worse segment is, once both are known', () => {
  const { accepted, delivered, undelivered, unknown, rejected } = segmentStates;
  const stateOf = (...states: number[]) => {
    const events = states.map((state, segment) => ({ index: 0, segment, state }));
    return messageStates[lowestState(play(events, [2, 1, 1, 1, 1, 1]).state.rows, 0)];
  };
  expect(stateOf(accepted)).toBe('pending');
  expect(stateOf(accepted, accepted)).toBe('submitted');
  expect(stateOf(delivered, accepted)).toBe('submitted');
  expect(stateOf(delivered, delivered)).toBe('delivered');
  expect(stateOf(delivered, undelivered)).toBe('failed');
  expect(stateOf(accepted, rejected)).toBe('failed');
  expect(stateOf(unknown, delivered)).toBe('unknown');
});

test('fold - cancelling a message of which a part was sent settles the parts that were not', () => {
  const state = new BatchState(key);
  state.load([]);
  const counts = new Int32Array(segmentStatesCount);
  state.apply(0, 0, 3, segmentStates.accepted, counts);
  expect(messageStates[lowestState(state.rows, 0)]).toBe('pending');
  state.apply(0, 0, 1, segmentStates.cancelled, counts);
  expect(messageStates[lowestState(state.rows, 0)]).toBe('cancelled');
});

test('fold - a message that another carrier took over stands where that one put it', () => {
  const here = play([{ index: 0, segment: 0, state: segmentStates.rerouted }], [1, 1, 1, 1, 1, 1]).state.rows;
  const there = play([{ index: 0, segment: 0, state: segmentStates.delivered }], [1, 1, 1, 1, 1, 1]).state.rows;
  expect(foldBatch([here], 1)[0]).toBe(messageStateCodes.pending);
  expect(foldBatch([here, there], 1)[0]).toBe(messageStateCodes.delivered);
  expect(foldBatch([there, here], 1)[0]).toBe(messageStateCodes.delivered);
});

test('fold - of two carriers that had a message the order in which they come does not matter', () => {
  const rowsOf = (state: number) => play([{ index: 0, segment: 0, state }], [1, 1, 1, 1, 1, 1]).state.rows;
  const [unknown, delivered] = [rowsOf(segmentStates.unknown), rowsOf(segmentStates.delivered)];
  expect(foldBatch([unknown, delivered], 1)[0]).toBe(messageStateCodes.delivered);
  expect(foldBatch([delivered, unknown], 1)[0]).toBe(messageStateCodes.delivered);
});

test('fold - whatever happens at a carrier that gave a message up and was given it again counts', () => {
  const states = Object.entries(segmentStates).filter(([name]) => name !== 'none' && name !== 'rerouted');
  for (const [, state] of states) {
    for (const order of [
      [segmentStates.rerouted, state],
      [state, segmentStates.rerouted],
    ]) {
      const { state: batch } = play(
        order.map((to) => ({ index: 0, segment: 0, state: to })),
        [1, 1, 1, 1, 1, 1],
      );
      expect(lowestState(batch.rows, 0)).toBe(state);
    }
  }
});
