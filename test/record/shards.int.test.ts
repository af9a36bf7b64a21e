/** The recorder of an account that is divided: one book for all shards, whatever bind a receipt comes by. */
import { afterEach, expect, test } from 'vitest';
import type { Id } from '../../src/handoff.ts';
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

const shards = [`${carrier}.0`, `${carrier}.1`, `${carrier}.2`];
const size = 25;

function accepted(batch: number): TestOutcome[] {
  return Array.from({ length: size }, (_, index) => ({ index, kind: 'accepted', id: idOf(batch, index) }));
}

function idOf(batch: number, index: number): string {
  return `id-${batch}-${index}`;
}

function deliveries(batch: number) {
  return Array.from({ length: size }, (_, index) => ({ messageId: idOf(batch, index), state: 'delivered' as const }));
}

/** Counts statements of the recorder that look message ids up in PostgreSQL. */
function lookUps(s: Scene): () => number {
  const { pool } = s.service;
  const query = pool.query.bind(pool) as (...values: unknown[]) => unknown;
  let count = 0;
  pool.query = ((...values: unknown[]) => {
    if (String(values[0]).includes('as wanted (id)')) count += 1;
    return query(...values);
  }) as typeof pool.query;
  return () => count;
}

async function carriersIn(s: Scene, table: string): Promise<string[]> {
  const { rows } = await s.owner.query<{ carrier: string }>(`select distinct carrier from ${table} order by 1`);
  return rows.map((row) => row.carrier);
}

/** A batch on one shard, then its receipts on another. */
async function across(s: Scene, campaign: Id, batch: number, on: string, by: string): Promise<void> {
  await s.outcomes(campaign, batch, (batch - 1) * size, accepted(batch), 1, on);
  await s.receipts(deliveries(batch), by);
}

test('shards - receipts by a sibling’s bind are matched in memory, and all is kept by account', async () => {
  const s = await scene();
  const batches = 36;
  const campaign = await s.campaign(batches * size);
  const counted = lookUps(s);
  await s.record({ receiptHoldMs: 20 }, s.source, 'one', shards);
  for (let batch = 1; batch <= batches; batch += 1)
    await across(s, campaign, batch, shards[batch % 3] ?? '', shards[Math.floor(batch / 3) % 3] ?? '');
  const all = batches * size;
  await s.reaches(campaign, { planned: all, submitted: all, delivered: all });
  expect(counted()).toBe(0);
  expect(await s.count('orphan_receipts')).toBe(0);
  expect([await s.count('submissions'), await s.count('receipts')]).toEqual([all, all]);
  for (const table of ['submissions', 'receipts', 'batch_states', 'campaign_progress'])
    expect([table, ...(await carriersIn(s, table))]).toEqual([table, carrier]);
  await s.recorders[0]?.stop();
  for (const shard of shards) expect(await s.left(shard)).toBe(0);
});

test('shards - a receipt waits for outcomes of all shards of its time, not of its own alone', async () => {
  const s = await scene();
  const campaign = await s.campaign(2 * size);
  // Outcomes of one shard are a backlog of pages; the receipts of its last ones lie in another's stream.
  for (let batch = 1; batch <= 2; batch += 1)
    await s.outcomes(campaign, batch, (batch - 1) * size, accepted(batch), 1, shards[0]);
  await s.receipts([...deliveries(1), ...deliveries(2)], shards[1]);
  const counted = lookUps(s);
  await s.record({ rowsMax: size }, s.source, 'one', shards);
  await s.reaches(campaign, { planned: 2 * size, submitted: 2 * size, delivered: 2 * size });
  expect([counted(), await s.count('orphan_receipts')]).toEqual([0, 0]);
});

test('shards - dividing an account, and joining it again, loses nothing of its streams of before', async () => {
  const s = await scene();
  const campaign = await s.campaign(4 * size);
  const first = await s.record();
  await s.outcomes(campaign, 1, 0, accepted(1));
  await s.reaches(campaign, { planned: 4 * size, submitted: size, awaitingReceipt: size, pending: 3 * size });
  await first.stop();
  // Written by workers of before, and not recorded when the account is divided.
  await s.outcomes(campaign, 2, size, accepted(2));
  const second = await s.record({}, s.source, 'two', shards);
  await s.outcomes(campaign, 3, 2 * size, accepted(3), 1, shards[2]);
  await s.receipts([...deliveries(1), ...deliveries(2)], shards[1]);
  const delivered = 2 * size;
  await s.reaches(campaign, {
    planned: 4 * size,
    submitted: 3 * size,
    delivered,
    awaitingReceipt: size,
    pending: size,
  });
  await second.stop();
  await s.outcomes(campaign, 4, 3 * size, accepted(4), 1, shards[0]);
  await s.receipts(deliveries(4), shards[2]);
  await s.record({}, s.source, 'three');
  await s.receipts(deliveries(3));
  await s.reaches(campaign, { planned: 4 * size, submitted: 4 * size, delivered: 4 * size });
  expect(await s.count('submissions')).toBe(4 * size);
});

test('shards - what a shard gave up is known as that shard’s, and it is its stream that is asked', async () => {
  const s = await scene();
  const campaign = await s.campaign(size);
  await s.record({}, s.source, 'one', shards);
  await s.outcomes(campaign, 1, 0, [{ index: 0, count: size, kind: 'rerouted' }], 1, shards[1]);
  await s.outcomes(campaign, 1, 0, [{ index: 0, count: 1, kind: 'accepted', id: 'x' }], 1, shards[0]);
  await s.reaches(campaign, { planned: size, submitted: 1, awaitingReceipt: 1, pending: size - 1 });
  const { rows } = await s.owner.query('select carrier, cardinality(indexes) as places from reroutes');
  expect(rows).toEqual([{ carrier: shards[1], places: size }]);
});
