/** A carrier's streams on real Redis and its workers. Names are a test's own: signals cross Redis's databases. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Carrier } from '../../config/load.ts';
import type { Settings } from '../../config/schema.ts';
import { systemClock } from '../../src/clock.ts';
import { type Batch, type CampaignContent, outcomeCodes, type OutcomeKind } from '../../src/handoff.ts';
import type { Behaviour } from '../../src/smsc/server.ts';
import { type LoggedSegment, readLog } from '../../src/smsc/log-reader.ts';
import { startSmsc } from '../../src/smsc/server.ts';
import { readOutcomes, readReceipts } from '../../src/stream/entry.ts';
import { carrierKeys } from '../../src/stream/keys.ts';
import { Producer } from '../../src/stream/producer.ts';
import { StreamRecordSource } from '../../src/stream/record-source.ts';
import { connectRedis } from '../../src/stream/redis.ts';
import { silentLog } from '../../src/telemetry.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';
import { password, startLines, testCarrier, testContent, type TestLines } from '../support/lines.ts';
import { testRedis } from '../support/redis.ts';

const names = Object.fromEntries(Object.entries(outcomeCodes).map(([name, code]) => [code, name as OutcomeKind]));

/** An outcome as it was recorded. */
export type Recorded = {
  readonly ordinal: number;
  readonly segment: number;
  readonly segments: number;
  readonly outcome: OutcomeKind;
  readonly commandStatus: number;
  readonly messageId: string;
};

/** Streams of one carrier, and workers that send from them. */
export class SendScene {
  readonly url: string;
  readonly redis: Awaited<ReturnType<typeof connectRedis>>;
  readonly name = `c${randomBytes(6).toString('hex')}`;
  readonly keys = carrierKeys(this.name);
  readonly producer: Producer;
  readonly source: StreamRecordSource;
  readonly workers: TestLines[] = [];
  #campaigns = 0;

  private constructor(url: string, redis: Awaited<ReturnType<typeof connectRedis>>) {
    this.url = url;
    this.redis = redis;
    this.producer = new Producer(redis, 1 << 30, systemClock, silentLog);
    this.source = new StreamRecordSource(redis);
  }

  /** On a database of the run's Redis, or on a server of the test's own. */
  static async open(ownUrl?: string): Promise<SendScene> {
    const url = ownUrl ?? (await testRedis()).url;
    return new SendScene(url, await connectRedis(url, 'command', silentLog));
  }

  content(changes: Partial<CampaignContent> = {}): CampaignContent {
    return testContent({ campaign: `${Date.now()}${this.#campaigns++}`, ...changes });
  }

  async enqueue(content: CampaignContent, batches: readonly Batch[]): Promise<void> {
    const { signal } = new AbortController();
    await this.producer.open(this.name, content);
    await this.producer.enqueue(this.name, content, batches, signal);
  }

  /** Starts a worker to a carrier at `port`. */
  async work(port: number, carrier: Partial<Carrier> = {}, settings: Partial<Settings> = {}): Promise<TestLines> {
    const name = `worker-${randomBytes(4).toString('hex')}`;
    const lines = await startLines(this.url, testCarrier(port, { ...carrier, name: this.name }), settings, name);
    this.workers.push(lines);
    return lines;
  }

  /** Everything recorded so far of a campaign, or of all; fails when a segment has two outcomes, unless it may. */
  async recorded(campaign?: string, mayHaveTwo = false): Promise<Recorded[]> {
    const { outcomes } = await this.source.read(
      this.name,
      { outcomes: '0-0', receipts: '0-0' },
      { outcomeEntriesMax: 100_000, receiptEntriesMax: 0 },
    );
    const rows: Recorded[] = [];
    const seen = new Set<string>();
    for (const { header, packed } of outcomes) {
      if (campaign !== undefined && header.campaign !== campaign) continue;
      readOutcomes(packed, (index, count, segment, segments, code, commandStatus, bytes, from, to) => {
        for (let i = 0; i < count; i++) {
          const ordinal = header.firstOrdinal + index + i;
          const key = `${header.campaign}/${ordinal}/${segment}`;
          if (!mayHaveTwo) expect(seen.has(key), `outcome of ${key} once`).toBe(false);
          seen.add(key);
          const messageId = bytes.toString('latin1', from, to);
          rows.push({ ordinal, segment, segments, outcome: names[code] as OutcomeKind, commandStatus, messageId });
        }
      });
    }
    return rows;
  }

  /** Outcomes of a campaign once each of its recipients has one for every segment. */
  async outcomes(campaign: string, recipients: number): Promise<Recorded[]> {
    for (;;) {
      const rows = await this.recorded(campaign);
      const left = new Map<number, number>();
      for (const { ordinal, segments } of rows) left.set(ordinal, (left.get(ordinal) ?? segments) - 1);
      if (left.size === recipients && [...left.values()].every((missing) => missing === 0)) return rows;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Ids and states of all receipts recorded so far. */
  async receipts(): Promise<string[]> {
    const { receipts } = await this.source.read(
      this.name,
      { outcomes: '0-0', receipts: '0-0' },
      { outcomeEntriesMax: 0, receiptEntriesMax: 100_000 },
    );
    const ids: string[] = [];
    for (const { packed } of receipts)
      readReceipts(packed, (_code, _at, bytes, from, to) => ids.push(bytes.toString('latin1', from, to)));
    return ids;
  }

  async end(): Promise<void> {
    for (const worker of this.workers.splice(0)) await worker.stop();
    await this.redis.quit();
  }
}

/** A simulated carrier with its log. */
export async function loggedSmsc(behaviour: Partial<Behaviour> = {}) {
  const folder = temporaryFolder();
  const log = join(folder, 'log');
  const smsc = await startSmsc({ accounts: [{ systemId: 'tocsin', password }], log, behaviour });
  return {
    ...smsc,
    /** Segments that it took, in order; `all`: also those that it refused. */
    async segments(all = false): Promise<LoggedSegment[]> {
      const segments: LoggedSegment[] = [];
      for await (const segment of readLog(log)) if (all || segment.status === 0) segments.push(segment);
      return segments;
    },
    async stop() {
      await smsc.stop();
      removeFolder(folder);
    },
  };
}

/** A simulated carrier as `loggedSmsc` starts it. */
export type LoggedSmsc = Awaited<ReturnType<typeof loggedSmsc>>;

/** Resolves when `holds` becomes true; looked at in every turn of the event loop. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}

/** How many of each outcome. */
export function countsOf(rows: readonly Recorded[]): Partial<Record<OutcomeKind, number>> {
  const counts: Partial<Record<OutcomeKind, number>> = {};
  for (const { outcome } of rows) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}
