/**
 * What a waiting recipient costs in Redis: a campaign is launched while no worker runs, so that everything waits, and
 * the growth of Redis's memory is divided by the recipients. A step of its own, since sending drains while it fills.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type BenchCluster, boundlessCarrier } from './cluster.ts';
import { createOrganisation, createResidents } from './population.ts';
import { draftOf, type PathPlan } from './whole-path.ts';

const pollMs = 50;

/** Bytes of Redis's used_memory per waiting recipient, at its peak. */
export async function redisBytesPerRecipient(
  cluster: BenchCluster,
  plan: PathPlan,
  recipients: number,
): Promise<number> {
  await cluster.startPostgres();
  // Numbers far from the other organisation's.
  const { id, key } = await createOrganisation(cluster.sql, 'Bench, waiting');
  await createResidents(cluster.sql, id, { count: recipients, firstNumber: 50_000_000 });
  const settings = { ...plan.cluster.settings, waitingBytesMax: 2 ** 34 };
  await cluster.start({ workers: 0, settings, carriers: [boundlessCarrier] });
  try {
    const campaign = await cluster.api.createCampaign(key, draftOf(plan));
    const before = await usedMemory(cluster);
    let peak = before;
    await cluster.api.launch(key, campaign);
    for (let enqueued = false; !enqueued; ) {
      await delay(pollMs);
      const { rows } = await cluster.sql.query<{ enqueued: boolean }>(
        'select enqueued_at is not null as enqueued from campaigns where id = $1',
        [campaign],
      );
      enqueued = rows[0]?.enqueued ?? false;
      peak = Math.max(peak, await usedMemory(cluster));
    }
    return Math.round(((peak - before) / recipients) * 10) / 10;
  } finally {
    await cluster.stop();
  }
}

async function usedMemory(cluster: BenchCluster): Promise<number> {
  const memory = await cluster.redis.info('memory');
  return Number(/^used_memory:(\d+)/m.exec(memory)?.[1]);
}
