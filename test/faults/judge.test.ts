/** The judge of faults: each broken promise is found, and none where all are kept. */
import { expect, test } from 'vitest';
import type { MessageState, Nature } from '../../src/handoff.ts';
import type { BookedRecipient, Books, Counters } from './books.ts';
import { judge, type Verdict } from './judge.ts';
import { textFor } from './population.ts';
import { busiestSecond, type Sighting } from './sightings.ts';

const none: Counters = {
  submitted: 0,
  awaiting_receipt: 0,
  delivered: 0,
  failed: 0,
  unknown: 0,
  expired: 0,
  cancelled: 0,
};

/** A recipient with an address of its own, in French unless it is English. */
function recipient(ordinal: number, state: MessageState, language = 'fr'): BookedRecipient {
  return { ordinal, address: `99900${ordinal}`, firstName: `R${ordinal}`, language, state };
}

function sighting(to: BookedRecipient, changes: Partial<Sighting> = {}): Sighting {
  const text = textFor(to.language, to.firstName);
  const usual = { atMicros: 0, status: 0, answered: true, part: 1, parts: 1, text };
  return { ...usual, messageId: `north/m${to.ordinal}`, ...changes };
}

type Scene = {
  readonly nature?: Nature;
  readonly recipients: readonly BookedRecipient[];
  readonly seen: readonly (readonly [BookedRecipient, Sighting])[];
  readonly books?: Partial<Books>;
};

function judged({ nature = 'information', recipients, seen, books = {} }: Scene): Verdict {
  const sightings = new Map<string, Sighting[]>();
  for (const [to, one] of seen) sightings.set(to.address, [...(sightings.get(to.address) ?? []), one]);
  const submissions = seen
    .filter(([, { status, answered }]) => status === 0 && answered)
    .map(([{ ordinal }, { part, messageId }]) => ({ ordinal, segment: part - 1, messageId: messageId.slice(6) }));
  const receipts = submissions.map(({ ordinal, segment }) => ({ ordinal, segment }));
  const usual = { status: 'completed', recipients, submissions, receipts, counters: none, folded: none };
  const allowance = {
    openSegments: 1,
    informationDoubledMax: 0,
    unknownMax: 1,
    unsent: ['unknown' as const],
    sent: ['delivered' as const, 'unknown' as const],
  };
  return judge({ nature, books: { ...usual, ...books }, sightings, allowance });
}

const [a, b] = [recipient(0, 'delivered'), recipient(1, 'delivered')];
const kept: Scene = {
  recipients: [a, b],
  seen: [
    [a, sighting(a)],
    [b, sighting(b)],
  ],
};

test('judge - finds nothing where every promise is kept', () => {
  expect(judged(kept)).toMatchObject({ recipients: 2, segments: 2, lost: 0, doubled: 0, unknown: 0, problems: [] });
});

test.each<[string, Scene]>([
  ['that has no outcome', { ...kept, recipients: [a, recipient(1, 'pending')] }],
  ['that is delivered and was never received', { ...kept, seen: [[a, sighting(a)]] }],
  [
    'of whose two segments one was received',
    { recipients: [recipient(0, 'delivered', 'en')], seen: [[a, sighting(a)]] },
  ],
])('judge - finds a recipient %s', (_, scene) => {
  const { lost, problems } = judged(scene);
  expect(lost).toBe(1);
  expect(problems.join()).toContain('lost');
});

test('judge - finds information that was doubled, and alerts that were doubled more than was open', () => {
  const again = [a, sighting(a, { messageId: 'north/again' })] as const;
  const once = { ...kept, seen: [...kept.seen, again] };
  expect(judged(once)).toMatchObject({ doubled: 1, problems: [expect.stringContaining('doubled')] });
  expect(judged({ ...once, nature: 'alert' })).toMatchObject({ doubled: 1, problems: [] });
  const twice = { ...kept, nature: 'alert' as const, seen: [...once.seen, again] };
  expect(judged(twice).doubled).toBe(2);
  expect(judged(twice).problems.join()).toContain('doubled');
});

test('judge - lets a segment that was refused go again', () => {
  expect(judged({ ...kept, seen: [...kept.seen, [a, sighting(a, { status: 0x58 })]] }).problems).toEqual([]);
});

test('judge - finds more unknown than are allowed, whether they were received or not', () => {
  const recipients = [recipient(0, 'unknown'), recipient(1, 'unknown')];
  expect(judged({ ...kept, recipients }).problems.join()).toContain('unknown');
});

test('judge - finds what was received and is booked as something else', () => {
  const problems = judged({ ...kept, recipients: [a, recipient(1, 'cancelled')] }).problems;
  expect(problems.join()).toContain('booked wrongly');
});

test('judge - finds another text, and somebody who was not meant', () => {
  const other = { ...kept, seen: [[a, sighting(a, { text: 'x' })] as const, [b, sighting(b)] as const] };
  expect(judged(other).problems.join()).toContain('another text');
  const stranger = recipient(7, 'delivered');
  const problems = judged({ ...kept, seen: [...kept.seen, [stranger, sighting(stranger)]] }).problems;
  expect(problems.join()).toContain('nobody');
});

test('judge - finds rows that are missing, doubled or of nothing, and counters that do not add up', () => {
  const row = { ordinal: 0, segment: 0, messageId: 'm0' };
  const rows = (submissions: Books['submissions']) => judged({ ...kept, books: { submissions } }).problems.join();
  const other = { ordinal: 1, segment: 0, messageId: 'm1' };
  expect(rows([row, other])).toBe('');
  expect(rows([row])).toContain('has no row');
  expect(rows([row, row, other])).toContain('twice');
  expect(rows([row, other, { ...other, messageId: 'm2' }])).toContain('never received');
  const counters = { ...none, delivered: 1 };
  expect(judged({ ...kept, books: { counters } }).problems.join()).toContain('counter delivered');
});

test('judge - finds who is delivered and has no receipt', () => {
  const receipts = [{ ordinal: 0, segment: 0 }];
  expect(judged({ ...kept, books: { receipts } }).problems.join()).toContain('without a receipt');
});

test('busiest second - counts any second, and takes off what may have waited in the line', () => {
  const everyMs = (count: number, fromMs: number) => Array.from({ length: count }, (_, i) => (fromMs + i) * 1000);
  expect(busiestSecond(Float64Array.from(everyMs(3_000, 0)), 1_000)).toBe(1_000);
  const burst = [...everyMs(1_000, 0), ...everyMs(1_000, 500)].sort((x, y) => x - y);
  expect(busiestSecond(Float64Array.from(burst), 1_000)).toBe(1_500);
  // Nothing for 300 ms, then all of it at once: it was sent in time, and read late.
  const late = [...everyMs(700, 0), ...Array.from({ length: 300 }, () => 1_000_000), ...everyMs(900, 1_001)];
  expect(busiestSecond(Float64Array.from(late), 1_000)).toBeLessThan(1_050);
});
