/** The recorder on real Redis and PostgreSQL: everything once, whatever order, whoever dies. */
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { idAtMs } from '../../src/db/partitions.ts';
import type { Id, OutcomeKind, ReceiptState, RecordSource } from '../../src/handoff.ts';
import { carrierKeys } from '../../src/stream/keys.ts';
import { ownPostgres } from '../support/own-server.ts';
import { carrier, Scene, type TestOutcome } from './scene.ts';

let open: Scene | undefined;

async function scene(): Promise<Scene> {
  open = await Scene.open();
  return open;
}

afterEach(async () => {
  await open?.close();
  await open?.database.drop();
  open = undefined;
});

function accepted(from: number, count: number, prefix = 'id'): TestOutcome[] {
  return Array.from({ length: count }, (_, i) => ({ index: from + i, kind: 'accepted', id: `${prefix}-${from + i}` }));
}

test('recorder - outcomes and receipts become rows, states and counts, and leave Redis', async () => {
  const s = await scene();
  const campaign = await s.campaign(10);
  await s.outcomes(campaign, 1, 0, [...accepted(0, 4), { index: 4, kind: 'rejected' }, { index: 5, kind: 'unknown' }]);
  await s.outcomes(campaign, 2, 6, [
    { index: 0, count: 2, kind: 'cancelled' },
    { index: 2, kind: 'expired' },
  ]);
  await s.receipts([
    { messageId: 'id-0', state: 'delivered' },
    { messageId: 'id-1', state: 'undeliverable' },
    { messageId: 'id-2', state: 'enroute' },
  ]);
  await s.record();
  await s.reaches(campaign, {
    planned: 10,
    submitted: 4,
    delivered: 1,
    failed: 2,
    awaitingReceipt: 2,
    unknown: 1,
    cancelled: 2,
    expired: 1,
    pending: 1,
  });
  const { rows } = await s.owner.query<{ text: string }>(
    `select concat_ws(' ', ordinal, recipients, outcome, message_id, carrier, batch) as text
      from submissions order by ordinal`,
  );
  expect(rows.map((row) => row.text)).toEqual([
    '0 1 1 id-0 north 1',
    '1 1 1 id-1 north 1',
    '2 1 1 id-2 north 1',
    '3 1 1 id-3 north 1',
    '4 1 2  north 1',
    '5 1 3  north 1',
    '6 2 5  north 2',
    '8 1 4  north 2',
  ]);
  const receipts = await s.owner.query<{ text: string }>(
    `select concat_ws(' ', ordinal, state, error, extract(epoch from done_at)::int) as text
      from receipts order by ordinal`,
  );
  expect(receipts.rows.map((row) => row.text)).toEqual([
    '0 2 042 1700000000',
    '1 5 042 1700000000',
    '2 1 042 1700000000',
  ]);
  await s.recorders[0]?.stop();
  expect(await s.left()).toBe(0);
});

test('recorder - an outcome of a week whose partitions are gone does not stop it', async () => {
  const s = await scene();
  const campaign = await s.campaign(1);
  const old = idAtMs(Date.now() - 700 * 86_400_000);
  await s.owner.query('update campaigns set id = $2 where id = $1', [campaign, old]);
  await s.outcomes(old, 1, 0, accepted(0, 1));
  await s.record();
  await s.reaches(old, { planned: 1, submitted: 1, awaitingReceipt: 1 });
});

test('recorder - says of which moment everything is recorded, once it is', async () => {
  const s = await scene();
  const campaign = await s.campaign(4);
  const recorder = await s.record();
  await s.outcomes(campaign, 1, 0, accepted(0, 4));
  const writtenMs = systemClock.monotonicMs();
  await s.until(
    () => s.redis.ping(),
    () => {
      s.look();
      return (recorder.recordedAtMs.get(carrier) ?? 0) >= writtenMs;
    },
  );
  expect(await s.count('submissions')).toBe(4);
});

test('recorder - a message of several segments counts once, when all of them have news', async () => {
  const s = await scene();
  const campaign = await s.campaign(1);
  const part = (segment: number): TestOutcome => ({
    index: 0,
    kind: 'accepted',
    id: `part-${segment}`,
    segment,
    segments: 3,
  });
  await s.record();
  await s.outcomes(campaign, 1, 0, [part(2), part(0)]);
  await s.outcomes(campaign, 1, 0, [part(1)]);
  await s.reaches(campaign, { planned: 1, submitted: 1, awaitingReceipt: 1 });
  await s.receipts([0, 1, 2].map((n) => ({ messageId: `part-${n}`, state: n === 1 ? 'undeliverable' : 'delivered' })));
  await s.reaches(campaign, { planned: 1, submitted: 1, failed: 1 });
});

test('recorder - a receipt that comes before its submission waits for it, also over a restart', async () => {
  const s = await scene();
  const campaign = await s.campaign(3);
  await s.receipts([
    { messageId: 'early-0', state: 'delivered' },
    { messageId: 'early-1', state: 'delivered' },
  ]);
  const first = await s.record();
  await s.outcomes(campaign, 1, 0, accepted(0, 1, 'early'));
  await s.reaches(campaign, { planned: 3, submitted: 1, delivered: 1, pending: 2 });
  await first.stop();
  expect(await s.count('orphan_receipts')).toBe(1);
  await s.record({}, s.source, 'two');
  await s.outcomes(campaign, 1, 0, accepted(1, 1, 'early'));
  await s.reaches(campaign, { planned: 3, submitted: 2, delivered: 2, pending: 1 });
  expect(await s.count('orphan_receipts')).toBe(0);
});

test('recorder - a receipt long after its submission finds it in PostgreSQL', async () => {
  const s = await scene();
  const campaign = await s.campaign(2);
  const first = await s.record();
  await s.outcomes(campaign, 1, 0, accepted(0, 2));
  await s.reaches(campaign, { planned: 2, submitted: 2, awaitingReceipt: 2 });
  await first.stop();
  await s.record({}, s.source, 'two');
  await s.receipts([
    { messageId: 'id-1', state: 'delivered' },
    { messageId: 'nobody’s', state: 'delivered' },
  ]);
  await s.reaches(campaign, { planned: 2, submitted: 2, delivered: 1, awaitingReceipt: 1 });
  expect(await s.count('orphan_receipts')).toBe(1);
});

test('recorder - a receipt that is held does not become an orphan while its submission is on the way', async () => {
  const s = await scene();
  const campaign = await s.campaign(1);
  await s.receipts([{ messageId: 'id-0', state: 'delivered' }]);
  let wasOrphaned = false;
  const source: RecordSource = {
    trim: (name, through) => s.source.trim(name, through),
    staying: (name, entries) => s.source.staying(name, entries),
    async read(name, after, limits) {
      const read = await s.source.read(name, after, limits);
      wasOrphaned ||= (await s.count('orphan_receipts')) > 0;
      if (after.outcomes === '0-0' && read.outcomes.length === 0) await s.outcomes(campaign, 1, 0, accepted(0, 1));
      return read;
    },
  };
  await s.record({ receiptHoldMs: 2_000 }, source);
  await s.reaches(campaign, { planned: 1, submitted: 1, delivered: 1 });
  expect(wasOrphaned).toBe(false);
});

test('recorder - a held receipt is recorded once its hold is over, however seldom it looks', async () => {
  const s = await scene();
  const campaign = await s.campaign(1);
  await s.outcomes(campaign, 1, 0, accepted(0, 1));
  await s.receipts([{ messageId: 'id-0', state: 'delivered' }]);
  await s.record({ receiptHoldMs: 100, idleMs: 600_000 });
  await s.reaches(campaign, { planned: 1, submitted: 1, delivered: 1 });
});

test('recorder - a crash between commit and trim counts nothing twice', async () => {
  const s = await scene();
  const campaign = await s.campaign(100);
  const neverTrims: RecordSource = {
    read: (name, after, limits) => s.source.read(name, after, limits),
    trim: () => Promise.reject(new Error('crash')),
    staying: (name, entries) => s.source.staying(name, entries),
  };
  const first = await s.record({}, neverTrims);
  await s.outcomes(campaign, 1, 0, accepted(0, 50));
  await s.reaches(campaign, { planned: 100, submitted: 50, awaitingReceipt: 50, pending: 50 });
  await first.stop();
  expect(await s.left()).toBe(1);
  await s.record({}, s.source, 'two');
  await s.outcomes(campaign, 1, 0, accepted(50, 50));
  await s.receipts(accepted(0, 100).map(({ id }) => ({ messageId: id ?? '', state: 'delivered' })));
  await s.reaches(campaign, { planned: 100, submitted: 100, delivered: 100 });
  expect(await s.count('submissions')).toBe(100);
  expect(await s.count('receipts')).toBe(100);
});

test('recorder - while PostgreSQL is dead nothing is lost, and it goes on by itself', async () => {
  const server = await ownPostgres();
  const s = await Scene.open(server.database);
  const campaign = await s.campaign(300);
  await s.record({ idleMs: 1 });
  await s.outcomes(campaign, 1, 0, accepted(0, 100));
  await s.reaches(campaign, { planned: 300, submitted: 100, awaitingReceipt: 100, pending: 200 });
  await server.kill();
  await s.outcomes(campaign, 1, 0, accepted(100, 200));
  await s.receipts(accepted(0, 300).map(({ id }) => ({ messageId: id ?? '', state: 'delivered' })));
  await server.start();
  await s.reaches(campaign, { planned: 300, submitted: 300, delivered: 300 });
  const { rows } = await s.service.pool.query<{ n: number }>('select count(*)::int as n from submissions');
  expect(rows[0]?.n).toBe(300);
  await s.close();
  await server.dispose();
});

test.each(['falls back', 'is empty'])(
  'recorder - a Redis that %s, with a clock a minute behind: what comes then is recorded once',
  async (how) => {
    const s = await scene();
    const { outcomes, receipts } = carrierKeys(carrier);
    const streams = [outcomes, receipts];
    const lastIds = async () =>
      await Promise.all(
        streams.map(async (stream) => {
          const facts =
            (await s.redis.exists(stream)) === 1 ? ((await s.redis.xinfo('STREAM', stream)) as string[]) : [];
          return Number(facts[facts.indexOf('last-generated-id') + 1]?.split('-')[0] ?? 0);
        }),
      );
    const aheadMs = Date.now() + 60_000;
    for (const stream of streams) {
      await s.redis.xadd(stream, `${aheadMs}-0`, 'v', '0');
      await s.redis.xdel(stream, `${aheadMs}-0`);
    }
    const campaign = await s.campaign(20);
    // A hold of receipts that the clock would end after a minute only.
    await s.record({ receiptHoldMs: 100 });
    await s.outcomes(campaign, 1, 0, accepted(0, 10));
    await s.receipts(accepted(0, 10).map(({ id }) => ({ messageId: id ?? '', state: 'delivered' })));
    await s.reaches(campaign, { planned: 20, submitted: 10, delivered: 10, pending: 10 });
    while ((await s.left()) > 0) await s.redis.ping();
    for (const stream of streams)
      if (how === 'is empty') await s.redis.del(stream);
      else await s.redis.call('XSETID', stream, `${aheadMs - 60_000}-0`);
    while ((await lastIds()).some((ms) => ms < aheadMs)) await s.redis.ping();
    await s.outcomes(campaign, 1, 0, accepted(10, 10));
    await s.receipts(accepted(10, 10).map(({ id }) => ({ messageId: id ?? '', state: 'delivered' })));
    await s.reaches(campaign, { planned: 20, submitted: 20, delivered: 20 });
    expect([await s.count('submissions'), await s.count('receipts')]).toEqual([20, 20]);
  },
);

test('recorder - one that lost its carrier writes nothing more; the one that has it goes on', async () => {
  const s = await scene();
  const campaign = await s.campaign(20);
  const slow = await s.record({ leaseMs: 60_000 });
  await s.outcomes(campaign, 1, 0, accepted(0, 10));
  await s.reaches(campaign, { planned: 20, submitted: 10, awaitingReceipt: 10, pending: 10 });
  await s.owner.query(
    `update recorder_offsets set owner = 'two', epoch = epoch + 1, lease_until = now() + interval '1 minute'
      where carrier = $1`,
    [carrier],
  );
  await s.outcomes(campaign, 1, 0, accepted(10, 10));
  const second = await s.record({}, s.source, 'two');
  await s.reaches(campaign, { planned: 20, submitted: 20, awaitingReceipt: 20 });
  expect(await s.count('submissions')).toBe(20);
  expect(second.accounts).toEqual([carrier]);
  await slow.stop();
  expect(slow.accounts).toEqual([]);
});

test('recorder - ids that only bytes can say, and errors with them, are kept and matched', async () => {
  const s = await scene();
  const campaign = await s.campaign(1);
  const id = 'é\\t\t"\x01ÿ';
  await s.record();
  await s.outcomes(campaign, 1, 0, [{ index: 0, kind: 'accepted', id }]);
  await s.reaches(campaign, { planned: 1, submitted: 1, awaitingReceipt: 1 });
  const { rows } = await s.owner.query<{ id: string }>('select message_id as id from submissions');
  expect(rows).toEqual([{ id }]);
  await s.recorders[0]?.stop();
  await s.record({}, s.source, 'two');
  await s.receipts([{ messageId: id, state: 'delivered' }]);
  await s.reaches(campaign, { planned: 1, submitted: 1, delivered: 1 });
});

type Step = { readonly kind: 'outcome'; readonly at: number } | { readonly kind: 'receipt'; readonly at: number };

test('recorder - any order of outcomes and receipts ends in the same counts, which only move forward', async () => {
  const s = await scene();
  await s.record({ rowsMax: 20, batchesMax: 2, recentIdsMax: 3, orphanIdsMax: 4 });
  const finals: readonly ReceiptState[] = ['delivered', 'undeliverable', 'expired'];
  const kinds: readonly OutcomeKind[] = ['accepted', 'accepted', 'accepted', 'rejected', 'unknown'];
  let run = 0;
  const recipients = 24;
  const orders = fc.array(fc.record({ key: fc.integer(), receiptKey: fc.integer() }), {
    minLength: recipients,
    maxLength: recipients,
  });
  await fc.assert(
    fc.asyncProperty(orders, async (order) => {
      run += 1;
      const prefix = `run${run}`;
      const campaign: Id = await s.campaign(recipients);
      const steps: (Step & { key: number })[] = order.flatMap(({ key, receiptKey }, at) => [
        { kind: 'outcome', at, key },
        ...(kinds[at % 5] === 'accepted' ? [{ kind: 'receipt', at, key: receiptKey } as const] : []),
      ]);
      steps.sort((a, b) => a.key - b.key);
      for (const step of steps) {
        const { at } = step;
        const batch = Math.floor(at / 8);
        const outcome: TestOutcome = {
          index: at % 8,
          kind: kinds[at % 5]!,
          id: kinds[at % 5] === 'accepted' ? `${prefix}-${at}` : '',
        };
        if (step.kind === 'outcome') await s.outcomes(campaign, batch + 1, batch * 8, [outcome]);
        else await s.receipts([{ messageId: `${prefix}-${at}`, state: finals[at % 3]! }]);
      }
      const indexes = Array.from({ length: recipients }, (_, at) => at);
      const ok = indexes.filter((at) => kinds[at % 5] === 'accepted');
      const delivered = ok.filter((at) => at % 3 === 0).length;
      const rejected = indexes.filter((at) => kinds[at % 5] === 'rejected').length;
      const unknown = indexes.filter((at) => kinds[at % 5] === 'unknown').length;
      const failed = ok.length - delivered + rejected;
      await s.reaches(campaign, { planned: recipients, submitted: ok.length, delivered, failed, unknown });
      let before = { submitted: 0, delivered: 0, pending: recipients };
      for (const { progress } of s.events.filter((event) => event.campaign === campaign)) {
        const parts = progress.pending + progress.awaitingReceipt + progress.delivered + progress.failed;
        expect(parts + progress.unknown + progress.expired + progress.cancelled).toBe(recipients);
        expect(progress.submitted).toBeGreaterThanOrEqual(before.submitted);
        expect(progress.delivered).toBeGreaterThanOrEqual(before.delivered);
        expect(progress.pending).toBeLessThanOrEqual(before.pending);
        before = progress;
      }
    }),
    { numRuns: 40 },
  );
  expect(await s.count('orphan_receipts')).toBe(0);
});

test('recorder - of a backlog each message counts once, while pages are filled and written side by side', async () => {
  const s = await scene();
  const [batches, size] = [40, 12];
  const campaign = await s.campaign(batches * size);
  // Receipts of three kinds: right behind their submission, before it, and long after it.
  const receiptsOf = (batch: number) =>
    Array.from({ length: size }, (_, at) => ({ messageId: `m${batch}-${at}`, state: 'delivered' as const }));
  for (let batch = 1; batch <= batches; batch += 1) {
    if (batch % 3 === 0) await s.receipts(receiptsOf(batch));
    const outcomes = Array.from({ length: size }, (_, at): TestOutcome => {
      return { index: at, kind: 'accepted', id: `m${batch}-${at}` };
    });
    await s.outcomes(campaign, batch, (batch - 1) * size, outcomes);
    if (batch % 3 === 1) await s.receipts(receiptsOf(batch));
  }
  for (let batch = 2; batch <= batches; batch += 3) await s.receipts(receiptsOf(batch));
  await s.record({ rowsMax: 20, batchesMax: 2, recentIdsMax: 3, orphanIdsMax: 4 });
  const all = batches * size;
  await s.reaches(campaign, { planned: all, submitted: all, delivered: all });
  expect(await s.count('submissions')).toBe(all);
  expect(await s.count('receipts')).toBe(all);
  expect(await s.count('orphan_receipts')).toBe(0);
});
