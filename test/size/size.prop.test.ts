/** Sizing: what must hold whatever is asked for. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { capabilityOf, contractsFor } from '../../src/size/contract.ts';
import { type Need, type Size, sizeOf } from '../../src/size/size.ts';

const bind = fc.record({
  ratePerSecond: fc.integer({ min: 1, max: 1_000 }),
  window: fc.integer({ min: 1, max: 500 }),
  roundTripMs: fc.integer({ min: 0, max: 1_000 }),
});
const contract = fc.record({
  name: fc.constant('north'),
  binds: fc.integer({ min: 1, max: 64 }),
  window: fc.integer({ min: 1, max: 500 }),
  ratePerSecond: fc.integer({ min: 1, max: 20_000 }),
  roundTripMs: fc.integer({ min: 0, max: 1_000 }),
});
const need: fc.Arbitrary<Need> = fc.record({
  recipients: fc.integer({ min: 1, max: 100_000_000 }),
  deadlineSeconds: fc.integer({ min: 1, max: 86_400 }),
  segments: fc.double({ min: 1, max: 8, noNaN: true }),
  contracts: fc.array(contract, { minLength: 1, maxLength: 12 }),
  isPersonalised: fc.boolean(),
  campaignsPerMonth: fc.integer({ min: 0, max: 1_000 }),
  monthsKept: fc.integer({ min: 0, max: 120 }),
});

/** What more of anything may only raise. */
function amounts({ neededPerSecond, seconds, slots, workers, recorders, planners, redis, postgres }: Size): number[] {
  const { primaries, memoryBytes, fileBytesPerSecond } = redis;
  const { cores, walBytesPerSecond, writesPerSecond, campaignBytes, keptBytes } = postgres;
  const processes = [slots, workers.count, recorders, planners, primaries, cores];
  const storage = [memoryBytes, fileBytesPerSecond, walBytesPerSecond, writesPerSecond, campaignBytes, keptBytes];
  return [neededPerSecond, seconds, ...processes, ...storage];
}

function isNoLess(size: Size, than: Size): boolean {
  const less = amounts(than);
  return amounts(size).every((amount, index) => amount >= (less[index] as number) * (1 - 1e-9));
}

test('sizing - more recipients never need less', () => {
  fc.assert(
    fc.property(need, fc.integer({ min: 1, max: 50 }), (one, times) =>
      isNoLess(sizeOf({ ...one, recipients: one.recipients * times }), sizeOf(one)),
    ),
  );
});

test('sizing - half the deadline is twice the rate, and no fewer slots and workers', () => {
  fc.assert(
    fc.property(need, bind, fc.integer({ min: 1, max: 100_000 }), (any, each, wantedRate) => {
      const one = { ...any, deadlineSeconds: (any.recipients * any.segments) / wantedRate };
      const rate = (one.recipients * one.segments) / one.deadlineSeconds;
      const [slow, fast] = [rate, 2 * rate].map((wanted, index) =>
        sizeOf({
          ...one,
          contracts: contractsFor(wanted, each),
          deadlineSeconds: one.deadlineSeconds / (index + 1),
        }),
      ) as [Size, Size];
      expect(fast.neededPerSecond).toBeCloseTo(2 * slow.neededPerSecond, 6);
      expect(fast.slots).toBeGreaterThanOrEqual(slow.slots);
      expect(fast.workers.count).toBeGreaterThanOrEqual(slow.workers.count);
      expect(fast.postgres.walBytesPerSecond).toBeGreaterThanOrEqual(slow.postgres.walBytesPerSecond);
      expect(fast.seconds).toBeLessThanOrEqual(slow.seconds * (1 + 1e-9));
    }),
  );
});

test('sizing - binds that were sized for a rate carry it, within their contracts', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200_000 }), bind, (rate, each) => {
      const contracts = contractsFor(rate, each);
      const carried = contracts.reduce((sum, one) => sum + capabilityOf(one).segmentsPerSecond, 0);
      expect(carried).toBeGreaterThanOrEqual(rate * (1 - 1e-9));
      expect(Math.max(...contracts.map(({ binds }) => binds))).toBeLessThanOrEqual(64);
      for (const { binds } of contracts) expect(binds).toBeGreaterThanOrEqual(1);
    }),
  );
});

test('sizing - in time, exactly when the contracts carry what is asked for; otherwise it says by how much', () => {
  fc.assert(
    fc.property(need, (one) => {
      const size = sizeOf(one);
      expect(size.isInTime).toBe(size.seconds <= one.deadlineSeconds * (1 + 1e-9));
      expect(size.seconds / size.shortBy).toBeLessThanOrEqual(one.deadlineSeconds * (1 + 1e-9));
      const recipients = size.contracts.reduce((sum, { recipients: part }) => sum + part, 0);
      expect(recipients).toBeCloseTo(one.recipients, 3);
    }),
  );
});

test('sizing - workers are two at least, and beyond what CPU needs never more than slots', () => {
  fc.assert(
    fc.property(need, (one) => {
      const { workers, slots } = sizeOf(one);
      expect(workers.count).toBeGreaterThanOrEqual(2);
      expect(workers.count).toBeLessThanOrEqual(Math.max(2, slots, workers.byCpu));
    }),
  );
});
