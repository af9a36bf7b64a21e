/** A worker's lines on real Redis and a simulated carrier: what arrives, once, and what is recorded. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { OutcomeKind } from '../../src/handoff.ts';
import type { Behaviour } from '../../src/smsc/server.ts';
import { addressOf, testBatches } from '../support/lines.ts';
import { countsOf, type LoggedSmsc, loggedSmsc, SendScene, until } from './scene.ts';

let s: SendScene;
let smsc: LoggedSmsc;
beforeEach(async () => {
  s = await SendScene.open();
});
afterEach(async () => {
  await s.end();
  await smsc.stop();
});

async function carrier(behaviour: Partial<Behaviour> = {}): Promise<void> {
  smsc = await loggedSmsc(behaviour);
}

const destinations = async () => (await smsc.segments()).map(({ destination }) => destination);
const addresses = (count: number) => Array.from({ length: count }, (_, ordinal) => addressOf(ordinal));
const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b));

/** Nothing of what was sent is left behind in Redis. */
async function expectNothingHeld(): Promise<void> {
  expect(await s.redis.get(s.keys.waiting)).toBe('0');
  expect(await s.redis.zcard(s.keys.held)).toBe(0);
}

test('sender - every recipient is submitted once with their own text, and recorded as accepted', async () => {
  await carrier();
  const content = s.content();
  await s.work(smsc.port);
  await s.enqueue(content, testBatches(content, 2_000, 300));
  expect(countsOf(await s.outcomes(content.campaign, 2_000))).toEqual({ accepted: 2_000 });
  const segments = await smsc.segments();
  expect(segments.map(({ destination }) => destination).toSorted(compare)).toEqual(addresses(2_000));
  const texts = new Map(segments.map(({ destination, text }) => [destination, text]));
  for (let ordinal = 0; ordinal < 2_000; ordinal++) expect(texts.get(addressOf(ordinal))).toBe(`Bonjour Ada${ordinal}`);
  await expectNothingHeld();
});

test('intake - a receipt is answered only when it is in the stream', async () => {
  await carrier({ receiptDelayMs: 5 });
  const content = s.content();
  await s.work(smsc.port);
  await s.enqueue(content, testBatches(content, 200, 100));
  await smsc.waitFor((stats) => stats.receiptsAnswered >= 200);
  expect(new Set(await s.receipts()).size).toBe(200);
});

test('drain - what was not written goes to the next worker, and nothing goes twice', async () => {
  await carrier({ latencyMs: 5 });
  const content = s.content();
  const first = await s.work(smsc.port, { ratePerSecond: 2_000 });
  await s.enqueue(content, testBatches(content, 1_500, 250));
  await smsc.waitFor((stats) => stats.accepted >= 300);
  await first.stop();
  s.workers.length = 0;
  expect((await destinations()).length).toBeLessThan(1_500);
  // Whatever it had is anybody's at once, not when its leases end.
  expect(await s.redis.zcount(s.keys.held, '(0', '+inf')).toBe(0);
  await s.work(smsc.port, { ratePerSecond: 100_000 });
  expect(countsOf(await s.outcomes(content.campaign, 1_500))).toEqual({ accepted: 1_500 });
  expect((await destinations()).toSorted(compare)).toEqual(addresses(1_500));
  await expectNothingHeld();
});

test('drain - a worker that stops at any moment leaves nothing undone and nothing doubled', async () => {
  await carrier({ latencyMs: 1, latencyJitterMs: 4 });
  const content = s.content();
  await s.enqueue(content, testBatches(content, 3_000, 60));
  for (let turn = 1; turn <= 8; turn++) {
    const worker = await s.work(smsc.port, { binds: 1 }, { outcomeFlushMs: 1, reservationSegments: 5 });
    const { accepted } = smsc.stats();
    await smsc.waitFor((stats) => stats.accepted >= Math.min(3_000, accepted + 17 * turn));
    await worker.stop();
    s.workers.length = 0;
    expect(await s.redis.zcount(s.keys.held, '(0', '+inf')).toBe(0);
  }
  await s.work(smsc.port);
  expect(countsOf(await s.outcomes(content.campaign, 3_000))).toEqual({ accepted: 3_000 });
  expect((await destinations()).toSorted(compare)).toEqual(addresses(3_000));
});

test('cancel - the rest of a campaign is settled as cancelled, the part that went stays accepted', async () => {
  await carrier();
  const content = s.content();
  await s.work(smsc.port, { ratePerSecond: 1_000 });
  await s.enqueue(content, testBatches(content, 3_000, 100));
  await smsc.waitFor((stats) => stats.accepted >= 100);
  await s.producer.control(s.name, content.campaign, 'cancel');
  const { accepted = 0, cancelled } = countsOf(await s.outcomes(content.campaign, 3_000));
  expect(cancelled).toBe(3_000 - accepted);
  expect(await destinations()).toHaveLength(accepted);
  expect(accepted).toBeLessThan(3_000);
});

test('cancel - is also the end of a campaign that was begun and given back, refused recipients included', async () => {
  await carrier();
  const content = s.content();
  const [batch] = testBatches(content, 40, 40);
  const packed = Buffer.from(
    (batch as { packed: Buffer }).packed.toString().replace(addressOf(3), '12').replace(addressOf(38), 'x'),
  );
  const worker = await s.work(smsc.port, { ratePerSecond: 20, binds: 1 });
  await s.enqueue(content, [{ ...(batch as never as object), packed } as never]);
  await smsc.waitFor((stats) => stats.accepted >= 2);
  await worker.stop();
  s.workers.length = 0;
  await s.producer.control(s.name, content.campaign, 'cancel');
  await s.work(smsc.port);
  const rows = await s.outcomes(content.campaign, 40);
  const { accepted = 0, cancelled = 0, rejected } = countsOf(rows);
  expect(rejected).toBe(2);
  expect(accepted + cancelled).toBe(38);
  expect(await destinations()).toHaveLength(accepted);
  await expectNothingHeld();
});

test('pause - nothing more is submitted until resume, then all is, once', async () => {
  await carrier();
  const content = s.content();
  await s.work(smsc.port, { ratePerSecond: 1_000 });
  await s.enqueue(content, testBatches(content, 1_000, 100));
  await smsc.waitFor((stats) => stats.accepted >= 100);
  await s.producer.control(s.name, content.campaign, 'pause');
  const other = s.content({ sender: 'Autre' });
  await s.enqueue(other, testBatches(other, 50, 50));
  expect(countsOf(await s.outcomes(other.campaign, 50))).toEqual({ accepted: 50 });
  expect((await destinations()).length).toBeLessThan(1_000);
  await s.producer.control(s.name, content.campaign, 'resume');
  expect(countsOf(await s.outcomes(content.campaign, 1_000))).toEqual({ accepted: 1_000 });
  expect(await destinations()).toHaveLength(1_050);
});

test('expiry - what cannot be sent any more is expired, begun or not, and the log agrees', async () => {
  await carrier();
  const late = s.content({ expiresAtMs: Date.now() - 1 });
  const soon = s.content({ expiresAtMs: Date.now() + 400 });
  await s.work(smsc.port, { ratePerSecond: 200 }, { batchLeaseMs: 600 });
  await s.enqueue(late, testBatches(late, 100, 30));
  await s.enqueue(soon, testBatches(soon, 2_000, 100));
  expect(countsOf(await s.outcomes(late.campaign, 100))).toEqual({ expired: 100 });
  const { accepted = 0, expired = 0 } = countsOf(await s.outcomes(soon.campaign, 2_000));
  expect(accepted + expired).toBe(2_000);
  expect(expired).toBeGreaterThan(0);
  expect(await destinations()).toHaveLength(accepted);
});

test('settle only - batches without recipients get their outcomes by their counts', async () => {
  await carrier();
  const cancelled = s.content();
  const expired = s.content();
  await s.work(smsc.port);
  await s.producer.control(s.name, cancelled.campaign, 'cancel');
  for (const content of [cancelled, expired])
    await s.enqueue(
      content,
      testBatches(content, 70, 20).map((batch) => ({ ...batch, packed: Buffer.alloc(0) })),
    );
  expect(countsOf(await s.outcomes(cancelled.campaign, 70))).toEqual({ cancelled: 70 });
  expect(countsOf(await s.outcomes(expired.campaign, 70))).toEqual({ expired: 70 });
  expect(smsc.stats().received).toBe(0);
});

test('unreadable - such an entry is put aside, a batch without content is rejected, the rest goes on', async () => {
  await carrier();
  const content = s.content();
  const lost = s.content();
  const [first, second] = testBatches(content, 20, 10);
  await s.enqueue(content, [first as never]);
  await s.redis.xadd(s.keys.campaign(content.campaign), '*', 'v', '2', 'n', '10', 'h', '{}', 'p', '');
  await s.redis.xadd(s.keys.campaign(content.campaign), '*', 'something', 'else');
  await s.enqueue(content, [second as never]);
  await s.enqueue(lost, testBatches(lost, 10, 10));
  await s.redis.del(s.keys.content(lost.campaign));
  await s.work(smsc.port);
  expect(countsOf(await s.outcomes(content.campaign, 20))).toEqual({ accepted: 20 });
  expect(countsOf(await s.outcomes(lost.campaign, 10))).toEqual({ rejected: 10 });
  await until(async () => (await s.redis.xlen(s.keys.aside)) === 2);
  await until(async () => (await s.redis.zcard(s.keys.held)) === 0);
  await expectNothingHeld();
});

test('refused by the encoder - those recipients are rejected, the others sent', async () => {
  await carrier();
  const content = s.content();
  const [batch] = testBatches(content, 30, 30);
  const packed = Buffer.from((batch as { packed: Buffer }).packed.toString().replace(addressOf(7), '07'));
  await s.enqueue(content, [{ ...(batch as never as object), packed } as never]);
  const miscounted = s.content();
  await s.enqueue(
    miscounted,
    testBatches(miscounted, 30, 30).map((each) => ({ ...each, recipients: 31 })),
  );
  await s.work(smsc.port);
  const rows = await s.outcomes(content.campaign, 30);
  expect(countsOf(rows)).toEqual({ accepted: 29, rejected: 1 });
  expect(rows.find(({ outcome }) => outcome === 'rejected')).toMatchObject({ ordinal: 7, messageId: '' });
  expect(countsOf(await s.outcomes(miscounted.campaign, 31))).toEqual({ rejected: 31 });
  await expectNothingHeld();
});

test.each([
  ['a window of one', { window: 1, binds: 1 }, { reservationSegments: 1 }],
  ['a message longer than what is reserved', { window: 40 }, { reservationSegments: 1 }],
  ['a message longer than information’s part of the window', { window: 5, binds: 1 }, { alertWindowShare: 0.9 }],
  ['a message longer than the window', { window: 3, binds: 2 }, { reservationSegments: 2 }],
  ['a slow carrier', { window: 10, ratePerSecond: 90, binds: 3 }, {}],
])('long messages - all parts arrive with %s', async (_what, settings, limits) => {
  await carrier({ latencyMs: 1 });
  const fr = `{{firstName}} ${'mot '.repeat(170)}`;
  const content = s.content({ contents: { fr } });
  await s.work(smsc.port, settings, limits);
  await s.enqueue(content, testBatches(content, 12, 5));
  const rows = await s.outcomes(content.campaign, 12);
  expect(countsOf(rows)).toEqual({ accepted: 60 });
  expect(smsc.stats().windowPeak).toBeLessThanOrEqual(settings.window);
  const texts = new Map<string, string[]>();
  for (const { destination, part, text } of await smsc.segments()) {
    const parts = texts.get(destination) ?? [];
    parts[part - 1] = text;
    texts.set(destination, parts);
  }
  const meant = Array.from({ length: 12 }, (_, i) => [addressOf(i), fr.replace('{{firstName}}', `Ada${i}`)] as const);
  expect(new Map([...texts].map(([destination, parts]) => [destination, parts.join('')]))).toEqual(new Map(meant));
});

test('refusals - some are sent again, others rejected; the log agrees with every outcome', async () => {
  const errors = { '0x58': 0.15, '0x14': 0.05, '0x08': 0.1, '0x0b': 0.1, '0x45': 0.05, '0x400': 0.05 };
  await carrier({ errors });
  const content = s.content();
  await s.work(smsc.port, {}, { retryDelayMs: 1, retryMax: 2 });
  await s.enqueue(content, testBatches(content, 1_000, 100));
  const rows = await s.outcomes(content.campaign, 1_000);
  const taken = await destinations();
  expect(new Set(taken).size).toBe(taken.length);
  const accepted = rows.filter(({ outcome }) => outcome === 'accepted').map(({ ordinal }) => addressOf(ordinal));
  expect(accepted.toSorted(compare)).toEqual(taken.toSorted(compare));
  const rejected = rows.filter(({ outcome }) => outcome === 'rejected');
  expect(accepted.length + rejected.length).toBe(1_000);
  const statuses = new Set(rejected.map(({ commandStatus }) => commandStatus));
  expect([...statuses].every((status) => [0x08, 0x0b, 0x45, 0x400].includes(status))).toBe(true);
  expect(statuses.has(0x0b)).toBe(true);
});

test('a bind that is of no use - what it refused goes out by the next one, and nothing becomes unknown', async () => {
  await carrier({ latencyMs: 2, errors: { '0x04': 1 } });
  const content = s.content();
  await s.work(smsc.port, { window: 20, binds: 1 }, { retryDelayMs: 1, retryMax: 50 });
  await s.enqueue(content, testBatches(content, 100, 50));
  await smsc.waitFor((stats) => stats.bindsAccepted >= 3);
  smsc.setBehaviour({ errors: {} });
  expect(countsOf(await s.outcomes(content.campaign, 100))).toEqual({ accepted: 100 });
});

/** How often each address was taken by the carrier. */
async function timesTaken(): Promise<Map<string, number>> {
  const times = new Map<string, number>();
  for (const destination of await destinations()) times.set(destination, (times.get(destination) ?? 0) + 1);
  return times;
}

test.each<[string, Partial<Behaviour>]>([
  ['breaks its connections', { disconnectEvery: 97, latencyMs: 1 }],
  ['leaves some segments unanswered', { silence: 0.03 }],
])(
  'information - to a carrier that %s nothing is sent twice, and what was not answered is unknown, once',
  async (_what, behaviour) => {
    await carrier(behaviour);
    const content = s.content();
    await s.work(smsc.port, { window: 20, responseMs: 200 });
    await s.enqueue(content, testBatches(content, 1_000, 100));
    const rows = await s.outcomes(content.campaign, 1_000);
    const { accepted = 0, unknown = 0 } = countsOf(rows);
    expect(accepted + unknown).toBe(1_000);
    expect(unknown).toBeGreaterThan(0);
    const times = await timesTaken();
    expect(Math.max(...times.values())).toBe(1);
    for (const { ordinal, outcome } of rows) if (outcome === 'accepted') expect(times.get(addressOf(ordinal))).toBe(1);
  },
);

test.each<[string, Partial<Behaviour>]>([
  ['breaks its connections', { disconnectEvery: 97, latencyMs: 1 }],
  ['leaves some segments unanswered', { silence: 0.03 }],
])('alert - to a carrier that %s what was not answered is sent again until it is', async (_what, behaviour) => {
  await carrier(behaviour);
  const content = s.content({ nature: 'alert' });
  await s.work(smsc.port, { window: 20, responseMs: 200 }, { retryDelayMs: 5, retryMax: 100 });
  await s.enqueue(content, testBatches(content, 1_000, 100));
  expect(countsOf(await s.outcomes(content.campaign, 1_000))).toEqual({ accepted: 1_000 });
  const times = await timesTaken();
  expect(times.size).toBe(1_000);
  // Only what was written and not answered goes again.
  const doubled = [...times.values()].reduce((sum, each) => sum + each - 1, 0);
  const { unanswered, disconnects } = smsc.stats();
  expect(doubled).toBeLessThanOrEqual(unanswered + disconnects * 20);
});

test('contract - several workers that come and go keep its binds, its window and its rate', async () => {
  await carrier({ latencyMs: 5, latencyJitterMs: 10 });
  const content = s.content();
  const contract = { binds: 3, window: 8, ratePerSecond: 900 };
  // Nobody dies here: leases are long enough for a machine that has other things to do.
  const settings = { slotLeaseMs: 4_000, batchLeaseMs: 8_000 };
  const first = await s.work(smsc.port, contract, settings);
  await s.enqueue(content, testBatches(content, 1_500, 50));
  await smsc.waitFor((stats) => stats.accepted >= 200);
  await s.work(smsc.port, contract, settings);
  await s.work(smsc.port, contract, settings);
  await smsc.waitFor((stats) => stats.accepted >= 700);
  await first.stop();
  s.workers.shift();
  expect(countsOf(await s.outcomes(content.campaign, 1_500))).toEqual({ accepted: 1_500 });
  const stats = smsc.stats();
  expect(stats.bindsPeak).toBe(3);
  expect(stats.windowPeak).toBeLessThanOrEqual(8);
  expect(stats.perSecondPeak).toBeLessThanOrEqual(900 * 1.05);
  expect((await destinations()).toSorted(compare)).toEqual(addresses(1_500));
});

test('contract - long messages keep a slow rate in every second, and arrive whole', async () => {
  await carrier();
  const content = s.content({ contents: { fr: 'a'.repeat(700) } });
  await s.work(smsc.port, { binds: 2, window: 10, ratePerSecond: 4 });
  await s.enqueue(content, testBatches(content, 3, 3));
  expect(countsOf(await s.outcomes(content.campaign, 3))).toEqual({ accepted: 15 });
  // Each slot may send two a second; one more for what was on its way.
  expect(smsc.stats().perSecondPeak).toBeLessThanOrEqual(5);
  const parts = (await smsc.segments()).map(({ destination, part, parts }) => `${destination} ${part}/${parts}`);
  const whole = addresses(3).flatMap((address) => [1, 2, 3, 4, 5].map((part) => `${address} ${part}/5`));
  expect(parts.toSorted(compare)).toEqual(whole);
});

test('outcomes - of every kind are counted as they are recorded', async () => {
  await carrier({ errors: { '0x0b': 0.2 } });
  const content = s.content();
  const { lines } = await s.work(smsc.port);
  await s.enqueue(content, testBatches(content, 500, 50));
  const counts = countsOf(await s.outcomes(content.campaign, 500));
  const kinds: OutcomeKind[] = ['accepted', 'rejected', 'unknown', 'expired', 'cancelled'];
  for (const kind of kinds) expect(lines.sender.counts.information[kind]).toBe(counts[kind] ?? 0);
  await until(() => lines.sender.batchesHeld === 0);
});
