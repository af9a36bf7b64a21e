/** A slot's pace in virtual time: never above its share of the contract, and close to it when there is work. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Pace } from '../../src/carrier/pace.ts';
import { Chance } from '../../src/smsc/behaviour.ts';

/** Rates of slow, usual and fast slots, whole and broken. */
const rates = fc.oneof(
  fc.integer({ min: 1, max: 60 }),
  fc.double({ min: 0.5, max: 100, noNaN: true }),
  fc.integer({ min: 100, max: 3_000 }),
);

/** What one second may hold: 5 % above the rate; a slow one holds whole segments. */
function secondMost(ratePerSecond: number): number {
  return Math.max(Math.ceil(ratePerSecond), ratePerSecond * 1.05);
}

/** The most that any window of one second holds; `times` ascend. */
function peakOf(times: readonly number[]): number {
  let peak = 0;
  let from = 0;
  times.forEach((atMs, to) => {
    while ((times[from] as number) <= atMs - 1000) from++;
    peak = Math.max(peak, to - from + 1);
  });
  return peak;
}

function sendAll(pace: Pace, nowMs: number, times: number[]): void {
  const allowed = pace.allowed(nowMs);
  pace.spend(allowed);
  for (let i = 0; i < allowed; i++) times.push(nowMs);
}

test('pace - a hungry slot that is looked at now and then keeps its rate, and no second is above it', () => {
  fc.assert(
    fc.property(rates, fc.nat(), (ratePerSecond, seed) => {
      const chance = new Chance(seed);
      const pace = new Pace(ratePerSecond, 0);
      const endMs = Math.max(5_000, 60_000 / ratePerSecond);
      const times: number[] = [];
      for (let nowMs = 0; nowMs < endMs; nowMs += 1 + 9 * chance.next()) sendAll(pace, nowMs, times);
      expect(peakOf(times)).toBeLessThanOrEqual(secondMost(ratePerSecond));
      expect(times.length).toBeGreaterThanOrEqual(Math.floor(0.97 * ratePerSecond * (endMs / 1000)) - 1);
    }),
    { numRuns: 60 },
  );
});

test('pace - after any pauses and throttle answers no second is above the rate', () => {
  const happenings = fc.array(
    fc.record({ afterMs: fc.double({ min: 0, max: 400, noNaN: true }), isThrottled: fc.boolean() }),
    { minLength: 1, maxLength: 200 },
  );
  fc.assert(
    fc.property(rates, happenings, (ratePerSecond, turns) => {
      const pace = new Pace(ratePerSecond, 0);
      const times: number[] = [];
      let nowMs = 0;
      for (const { afterMs, isThrottled } of turns) {
        nowMs += afterMs;
        sendAll(pace, nowMs, times);
        if (isThrottled) pace.throttled(nowMs);
      }
      expect(peakOf(times)).toBeLessThanOrEqual(secondMost(ratePerSecond));
    }),
  );
});

test('pace - the wait that it names is long enough and no longer', () => {
  fc.assert(
    fc.property(rates, fc.double({ min: 0, max: 5_000, noNaN: true }), fc.nat(3), (ratePerSecond, idleMs, again) => {
      const pace = new Pace(ratePerSecond, 0);
      let nowMs = idleMs;
      for (let turn = 0; turn <= again; turn++) {
        pace.spend(pace.allowed(nowMs));
        const waitMs = pace.waitMs(nowMs);
        expect(waitMs).toBeGreaterThan(0);
        expect(pace.allowed(nowMs + waitMs * 0.99 - 0.001)).toBe(0);
        nowMs += waitMs + 0.001;
        expect(pace.allowed(nowMs)).toBeGreaterThanOrEqual(1);
      }
    }),
  );
});

test('pace - a throttle answer halves the rate, its echoes do not, and it climbs back in ten seconds', () => {
  const pace = new Pace(100, 0);
  pace.allowed(1_000);
  pace.throttled(1_000);
  pace.throttled(1_050);
  pace.throttled(1_249);
  expect(pace.factor).toBe(0.5);
  expect(pace.allowed(1_000)).toBe(0);
  pace.allowed(6_000);
  expect(pace.factor).toBeCloseTo(0.75);
  pace.allowed(11_000);
  expect(pace.factor).toBe(1);
  pace.throttled(11_000);
  pace.throttled(11_250);
  expect(pace.factor).toBe(0.25);
});

test('pace - however often it is throttled, something goes', () => {
  const pace = new Pace(64, 0);
  for (let nowMs = 0; nowMs < 60_000; nowMs += 250) pace.throttled(nowMs);
  expect(pace.factor).toBe(1 / 64);
  expect(pace.waitMs(60_000)).toBeLessThanOrEqual(1_000);
});

test('pace - a message longer than what is allowed is paid for before the next one', () => {
  const pace = new Pace(5, 0, 100);
  expect(pace.allowed(1_000)).toBe(1);
  pace.spend(4);
  expect(pace.allowed(1_500)).toBe(0);
  expect(pace.allowed(1_600)).toBe(0);
  expect(pace.allowed(1_701)).toBe(1);
});

test('pace - what a process missed while it stood still is caught up, and no second is above the rate', () => {
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 3_000 }), fc.nat(), (ratePerSecond, seed) => {
      const chance = new Chance(seed);
      const pace = new Pace(ratePerSecond, 0);
      const times: number[] = [];
      for (let nowMs = 0; nowMs < 20_000; nowMs += chance.next() < 0.03 ? 45 * chance.next() : 5)
        sendAll(pace, nowMs, times);
      expect(peakOf(times)).toBeLessThanOrEqual(secondMost(ratePerSecond));
      expect(times.length).toBeGreaterThanOrEqual(0.97 * ratePerSecond * 20);
    }),
    { numRuns: 60 },
  );
});

test('pace - of a slot that changes hands, used by both as long as they have it, no second is above the rate', () => {
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 3_000 }), fc.integer({ min: 60, max: 300 }), fc.nat(), (rate, ms, seed) => {
      const chance = new Chance(seed);
      const times: number[] = [];
      let nowMs = 0;
      const sendUntil = (pace: Pace, endMs: number) => {
        for (; nowMs < endMs; nowMs += chance.next() < 0.1 ? 45 * chance.next() : 2) sendAll(pace, nowMs, times);
        nowMs = endMs;
      };
      for (let holder = 0; holder < 5; holder++) {
        const pace = new Pace(rate, nowMs);
        nowMs += 100 * chance.next();
        sendUntil(pace, nowMs + 700 * chance.next());
        pace.handOver(nowMs);
        sendUntil(pace, nowMs + ms);
      }
      expect(peakOf(times)).toBeLessThanOrEqual(Math.ceil(1.02 * rate));
    }),
    { numRuns: 60 },
  );
});
