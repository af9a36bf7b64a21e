/** The window by example: numbers, places and answers that nobody waits for. */
import { expect, test } from 'vitest';
import { sequenceMax } from '../../src/smpp/command.ts';
import { Window } from '../../src/smpp/window.ts';

test('window - numbers begin at 1 and go from 0x7fffffff to 1', () => {
  expect(new Window(2).open(0, 0)).toBe(1);
  const window = new Window(2, sequenceMax);
  expect([window.open(0, 0), window.nextSequence(), window.open(1, 0)]).toEqual([sequenceMax, 1, 2]);
});

test('window - an answer that is doubled, late or invented is nobody’s', () => {
  const window = new Window(4);
  const sequence = window.open(77, 10);
  expect(window.settle(sequence)).toBe(77);
  expect(window.settle(sequence)).toBe(-1);
  const late = window.open(78, 10);
  window.expire(11, () => {});
  expect(window.settle(late)).toBe(-1);
  expect([0, 5, sequenceMax, 0xffffffff].map((unknown) => window.settle(unknown))).toEqual([-1, -1, -1, -1]);
});

test('window - opening more than the capacity is a bug', () => {
  const window = new Window(1);
  window.open(0, 0);
  expect(window.free).toBe(0);
  expect(() => window.open(1, 0)).toThrow(/full/);
  expect(window.used).toBe(1);
});

test('window - the oldest request is known though later ones are answered', () => {
  const window = new Window(3);
  const first = window.open(0, 100);
  const second = window.open(1, 200);
  window.open(2, 300);
  window.settle(second);
  expect(window.oldestMs()).toBe(100);
  window.settle(first);
  expect(window.oldestMs()).toBe(300);
});
