/** The simulator's small parts by themselves: sliding second, slots of waiting receipts, ids, chances. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { emptySpans, scanMessage } from '../../src/smpp/message-fields.ts';
import { Chance, Decider, plainBehaviour } from '../../src/smsc/behaviour.ts';
import { messageIdBytesMax, MessageIds } from '../../src/smsc/message-ids.ts';
import { RateMeter } from '../../src/smsc/rate-meter.ts';
import { recordCounter, writeRecord } from '../../src/smsc/receipt-record.ts';
import { ReceiptWheel, slotMs } from '../../src/smsc/receipt-wheel.ts';
import { submitFrame } from './esme.ts';

test('rate meter - never counts more than a real second holds, and misses at most a bin', () => {
  const gaps = fc.array(fc.double({ min: 0, max: 700, noNaN: true }), { minLength: 1, maxLength: 80 });
  fc.assert(
    fc.property(gaps, (waits) => {
      const meter = new RateMeter();
      const times: number[] = [];
      let now = 0;
      for (const wait of waits) {
        now += wait;
        times.push(now);
        meter.advance(now);
        meter.count();
        const within = (spanMs: number) => times.filter((time) => time > now - spanMs).length;
        expect(meter.lastSecond).toBeLessThanOrEqual(within(1000));
        expect(meter.lastSecond).toBeGreaterThanOrEqual(within(990));
      }
    }),
  );
});

test('receipt wheel - gives every record once, not before its time and at most a slot late', () => {
  const frame = submitFrame(1);
  const spans = emptySpans();
  scanMessage(frame, 0, frame.length, spans);
  const delays = fc.array(fc.tuple(fc.nat(400), fc.nat(50)), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(delays, (steps) => {
      const wheel = new ReceiptWheel();
      const dueAt = new Map<number, number>();
      let now = 0;
      const check = (record: Buffer) => {
        const counter = recordCounter(record);
        const due = dueAt.get(counter);
        expect(due).toBeDefined();
        expect(due).toBeLessThanOrEqual(now);
        dueAt.delete(counter);
      };
      for (const [index, [delay, step]] of steps.entries()) {
        dueAt.set(index + 1, now + delay);
        wheel.add(now + delay, now, (into, offset) => writeRecord(into, offset, index + 1, 1, 0, 2, frame, spans));
        now += step;
        wheel.due(now, check);
        for (const due of dueAt.values()) expect(due).toBeGreaterThan(now - 2 * slotMs);
        expect(wheel.waiting).toBe(dueAt.size);
      }
      now += 500;
      wheel.due(now, check);
      expect(dueAt.size).toBe(0);
    }),
  );
});

test('message ids - differ between messages and between starts, and mean one number in every spelling', () => {
  const counters = fc.integer({ min: 1, max: 2 ** 28 - 1 });
  const spelled = (ids: MessageIds, counter: number, ...how: ['as-is' | 'hexadecimal', 'response' | 'receipt']) => {
    const buffer = Buffer.alloc(messageIdBytesMax);
    return buffer.toString('latin1', 0, ids.write(buffer, 0, counter, ...how));
  };
  fc.assert(
    fc.property(fc.nat(2 ** 40), counters, counters, (startedAtMs, one, other) => {
      const ids = new MessageIds(startedAtMs);
      const decimal = spelled(ids, one, 'as-is', 'response');
      for (const place of ['response', 'receipt'] as const) {
        expect(BigInt(`0x${spelled(ids, one, 'hexadecimal', place)}`)).toBe(BigInt(decimal));
      }
      expect(spelled(ids, other, 'as-is', 'response') === decimal).toBe(one === other);
      expect(spelled(new MessageIds(startedAtMs + 1), one, 'as-is', 'response')).not.toBe(decimal);
    }),
  );
});

test('chances - a seed repeats them, and they are spread evenly', () => {
  const draw = (seed: number) => {
    const chance = new Chance(seed);
    return Array.from({ length: 10_000 }, () => chance.next());
  };
  expect(draw(5)).toEqual(draw(5));
  expect(draw(5)).not.toEqual(draw(6));
  for (const seed of [0, 1, 2 ** 32 - 1]) {
    const tenths = new Array<number>(10).fill(0);
    for (const value of draw(seed)) tenths[Math.floor(value * 10)] = (tenths[Math.floor(value * 10)] ?? 0) + 1;
    for (const count of tenths) expect(Math.abs(count - 1000)).toBeLessThan(150);
  }
});

test('decisions - nothing is left to chance where nothing was asked', () => {
  const decider = new Decider(plainBehaviour, new Chance(1));
  for (let round = 0; round < 100; round += 1) {
    expect([decider.answer(), decider.finalState(), decider.receiptFirst()]).toEqual([0, 2, false]);
    expect([decider.latencyMs(), decider.receiptDelayMs()]).toEqual([0, 0]);
  }
});
