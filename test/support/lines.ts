/**
 * A worker's lines to one simulated carrier, in this process, on real Redis and real sockets.
 */
import { carrierSchema } from '../../config/carriers.ts';
import type { Carrier } from '../../config/load.ts';
import { type Settings, settingsSchema } from '../../config/schema.ts';
import { createLines, type Lines } from '../../cluster/lines.ts';
import { systemClock } from '../../src/clock.ts';
import { encodeInPlace } from '../../src/encode/encode.ts';
import { type Batch, type CampaignContent, recordSeparator, unitSeparator } from '../../src/handoff.ts';
import { connectRedis } from '../../src/stream/redis.ts';
import { silentLog } from '../../src/telemetry.ts';

/** Password of every simulated account. */
export const password = 'secret';

/** A carrier with the defaults of the carriers file. */
export function testCarrier(port: number, changes: Partial<Carrier> = {}): Carrier {
  const defaults = carrierSchema.parse({
    name: 'north',
    host: '127.0.0.1',
    port,
    systemId: 'tocsin',
    passwordEnv: 'X',
    binds: 2,
    window: 50,
    ratePerSecond: 100_000,
    prefixes: [''],
  });
  return { ...defaults, password, reconnectMs: 20, reconnectMsMax: 100, ...changes };
}

/** Lines that run, and their end. */
export type TestLines = { readonly lines: Lines; stop(): Promise<void> };

/** Starts lines to `carrier`. */
export async function startLines(
  redisUrl: string,
  carrier: Carrier,
  changes: Partial<Settings> = {},
  worker = 'worker-1',
): Promise<TestLines> {
  const settings = { ...settingsSchema.parse({}), ...changes };
  const redis = await connectRedis(redisUrl, 'command', silentLog, worker);
  const subscribing = await connectRedis(redisUrl, 'subscribing', silentLog, worker);
  const lines = createLines(carrier, {
    worker,
    settings,
    redis,
    subscribing,
    encode: encodeInPlace,
    clock: systemClock,
    log: silentLog,
  });
  await lines.start();
  return {
    lines,
    async stop() {
      await lines.stop(performance.now() + 5_000);
      subscribing.disconnect();
      await redis.quit();
    },
  };
}

/** Content of a campaign of nature `information` that greets by first name. */
export function testContent(changes: Partial<CampaignContent> = {}): CampaignContent {
  return {
    campaign: '1001',
    organisation: '7',
    nature: 'information',
    sender: 'Mairie',
    contents: { fr: 'Bonjour {{firstName}}' },
    defaultLanguage: 'fr',
    fields: ['firstName'],
    expiresAtMs: Date.now() + 3_600_000,
    weight: 1,
    ...changes,
  };
}

/** Address of the recipient with an ordinal, from the range that is reserved for fiction. */
export function addressOf(ordinal: number): string {
  return `3363998${String(ordinal).padStart(4, '0')}`;
}

/** Batches of `recipients` recipients in all, named by their ordinals. */
export function testBatches(content: CampaignContent, recipients: number, batchRecipients: number): Batch[] {
  const batches: Batch[] = [];
  for (let first = 0; first < recipients; first += batchRecipients) {
    const count = Math.min(batchRecipients, recipients - first);
    const lines = Array.from({ length: count }, (_, i) =>
      [addressOf(first + i), `Ada${first + i}`].join(unitSeparator),
    );
    batches.push({
      campaign: content.campaign,
      organisation: content.organisation,
      number: batches.length + 1,
      attempt: 1,
      firstOrdinal: first,
      recipients: count,
      language: 'fr',
      packed: Buffer.from(lines.join(recordSeparator)),
    });
  }
  return batches;
}
