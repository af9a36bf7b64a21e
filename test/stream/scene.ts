/** One carrier's streams on real Redis, for tests. Signals cross Redis's databases, so that names are a test's own. */
import { randomBytes } from 'node:crypto';
import { systemClock } from '../../src/clock.ts';
import type { Batch, CampaignContent, Lane } from '../../src/handoff.ts';
import { Consumer, type Settlement, type TakenBatch } from '../../src/stream/consumer.ts';
import { OutcomeWriter, readBatch } from '../../src/stream/entry.ts';
import { carrierKeys } from '../../src/stream/keys.ts';
import { Producer } from '../../src/stream/producer.ts';
import { connectRedis } from '../../src/stream/redis.ts';
import { silentLog } from '../../src/telemetry.ts';
import { testBatches, testContent } from '../support/lines.ts';
import { testRedis } from '../support/redis.ts';

export const signal = new AbortController().signal;
export const bothLanes: readonly Lane[] = ['alert', 'information'];

export type StreamScene = Awaited<ReturnType<typeof streamScene>>;

export async function streamScene() {
  const { url } = await testRedis();
  const redis = await connectRedis(url, 'command', silentLog);
  const carrier = `c${randomBytes(6).toString('hex')}`;
  const producer = new Producer(redis, 1 << 30, systemClock, silentLog);
  const keys = carrierKeys(carrier);
  let campaigns = 0;
  return {
    url,
    redis,
    carrier,
    keys,
    producer,
    consumer: (worker: string, leaseMs = 60_000) => new Consumer(redis, carrier, worker, leaseMs),
    /** Content of a new campaign. */
    content: (changes: Partial<CampaignContent> = {}) =>
      testContent({ campaign: `${Date.now()}${campaigns++}`, ...changes }),
    async enqueue(content: CampaignContent, batches: readonly Batch[]) {
      await producer.open(carrier, content);
      return await producer.enqueue(carrier, content, batches, signal);
    },
    /** A new campaign with `count` batches of `recipients` each. */
    async campaign(count: number, recipients: number, changes: Partial<CampaignContent> = {}) {
      const content = this.content(changes);
      await this.enqueue(content, testBatches(content, count * recipients, recipients));
      return content.campaign;
    },
    waiting: async () => Number(await redis.get(keys.waiting)),
    end: () => redis.quit(),
  };
}

/** Takes one batch after another, `count` at most; their campaigns in order. */
export async function campaignsTaken(consumer: Consumer, count: number, lanes = bothLanes): Promise<string[]> {
  const campaigns: string[] = [];
  while (campaigns.length < count) {
    const [batch] = await consumer.take(lanes, 1);
    if (batch === undefined) break;
    campaigns.push(batch.campaign);
  }
  return campaigns;
}

/** One batch, which must be there. */
export async function takeOne(consumer: Consumer): Promise<TakenBatch> {
  const [batch] = await consumer.take(bothLanes, 1);
  if (batch === undefined) throw new Error('nothing to take');
  return batch;
}

/** Claims until something is there: a lease of a millisecond ends soon. */
export async function claimOne(consumer: Consumer): Promise<TakenBatch> {
  for (;;) {
    const [batch] = await consumer.claim(1);
    if (batch !== undefined) return batch;
  }
}

/** A settlement of a taken batch that accepts its first recipient. */
export function settlementOf(taken: TakenBatch, flush: number, done: boolean): Settlement {
  const batch = readBatch(taken.fields);
  const writer = new OutcomeWriter(64);
  writer.add(0, 1, 0, 1, 'accepted', 0, `id-${flush}`);
  const { campaign, organisation, number, attempt, firstOrdinal } = batch;
  return {
    campaign,
    entry: taken.entry,
    owner: taken.owner,
    flush,
    done,
    header: { campaign, organisation, batch: number, attempt, firstOrdinal, atMs: 1 },
    packed: writer.take(),
    answered: Buffer.from([flush]),
    packedBytes: batch.packed.length,
    areAnswers: true,
  };
}
