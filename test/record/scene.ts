/** A recorder on real Redis and PostgreSQL, with outcomes and receipts put into its streams by hand. */
import pg from 'pg';
import { systemClock } from '../../src/clock.ts';
import { connect, type Database } from '../../src/db/client.ts';
import { readProgress } from '../../src/db/progress.ts';
import type { Id, OutcomeKind, Progress, ProgressEvent, Receipt, RecordSource } from '../../src/handoff.ts';
import { Recorder, type RecorderLimits, recorderLimits } from '../../src/record/recorder.ts';
import { entryVersion, OutcomeWriter, packReceipts } from '../../src/stream/entry.ts';
import { carrierKeys } from '../../src/stream/keys.ts';
import { StreamRecordSource } from '../../src/stream/record-source.ts';
import { connectRedis, type RedisConnection } from '../../src/stream/redis.ts';
import { silentLog } from '../../src/telemetry.ts';
import { type TestDatabase, testDatabase } from '../support/postgres.ts';
import { testRedis } from '../support/redis.ts';
import { addCampaign, addOrganisation } from '../support/town.ts';

/** The carrier of all tests here. */
export const carrier = 'north';

/** One outcome of a test. */
export type TestOutcome = {
  readonly index: number;
  readonly kind: OutcomeKind;
  readonly id?: string;
  readonly count?: number;
  readonly segment?: number;
  readonly segments?: number;
};

/** Everything that one test file needs; `close` at its end. */
export class Scene {
  readonly database: TestDatabase;
  readonly owner: pg.Client;
  readonly service: Database;
  readonly redis: RedisConnection;
  readonly organisation: Id;
  readonly events: ProgressEvent[] = [];
  readonly recorders: Recorder[] = [];
  #looks: (() => void)[] = [];

  private constructor(database: TestDatabase, owner: pg.Client, redis: RedisConnection, organisation: Id) {
    this.database = database;
    this.owner = owner;
    this.redis = redis;
    this.organisation = organisation;
    const url = database.serviceUrl;
    this.service = connect({ url, poolMax: 6, applicationName: 'test', statementTimeoutMs: 0, log: silentLog });
  }

  static async open(database?: TestDatabase): Promise<Scene> {
    const own = database ?? (await testDatabase());
    const owner = new pg.Client({ connectionString: own.ownerUrl });
    await owner.connect();
    owner.on('error', () => undefined);
    const redis = await connectRedis((await testRedis()).url, 'command', silentLog);
    return new Scene(own, owner, redis, await addOrganisation(owner));
  }

  async close(): Promise<void> {
    for (const recorder of this.recorders) await recorder.stop();
    this.redis.disconnect();
    await this.service.close();
    await this.owner.end();
  }

  get source(): RecordSource {
    return new StreamRecordSource(this.redis);
  }

  /** A campaign of `recipients` that is being sent. */
  async campaign(recipients: number): Promise<Id> {
    const id = await addCampaign(this.owner, this.organisation, { status: 'sending' });
    await this.owner.query('update campaigns set recipients = $2, planned_at = now() where id = $1', [id, recipients]);
    return id;
  }

  async outcomes(
    campaign: Id,
    batch: number,
    firstOrdinal: number,
    outcomes: readonly TestOutcome[],
    attempt = 1,
    shard = carrier,
  ): Promise<void> {
    const writer = new OutcomeWriter(1024);
    for (const { index, kind, id = '', count = 1, segment = 0, segments = 1 } of outcomes)
      writer.add(index, count, segment, segments, kind, 0, id);
    const { organisation } = this;
    const header = JSON.stringify({ campaign, organisation, batch, attempt, firstOrdinal, atMs: Date.now() });
    await this.redis.xadd(carrierKeys(shard).outcomes, '*', 'v', entryVersion, 'h', header, 'o', writer.take());
  }

  async receipts(receipts: readonly Pick<Receipt, 'messageId' | 'state'>[], shard = carrier): Promise<void> {
    const packed = packReceipts(
      receipts.map((receipt) => ({ ...receipt, error: '042', doneAtSeconds: 1_700_000_000 })),
    );
    await this.redis.xadd(
      carrierKeys(shard).receipts,
      '*',
      'v',
      entryVersion,
      'h',
      JSON.stringify({ atMs: Date.now() }),
      'r',
      packed,
    );
  }

  /** A recorder at work. Receipts are not held unless `limits` say so. */
  async record(
    limits: Partial<RecorderLimits> = {},
    source: RecordSource = this.source,
    name = 'one',
    carriers: readonly string[] = [carrier],
  ): Promise<Recorder> {
    const recorder = new Recorder({
      recorder: name,
      database: this.service,
      source,
      publish: async (events) => {
        this.events.push(...events);
        this.look();
      },
      carriers,
      limits: { ...recorderLimits, idleMs: 5, receiptHoldMs: 0, ...limits },
      clock: systemClock,
      log: silentLog,
    });
    await recorder.start();
    this.recorders.push(recorder);
    return recorder;
  }

  /** Lets `until` look again. */
  look(): void {
    for (const look of this.#looks.splice(0)) look();
  }

  /** Resolves with what `look` gives once `holds` is true of it; looks again whenever progress was told. */
  async until<T>(look: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
    for (;;) {
      const told = new Promise<void>((resolve) => this.#looks.push(resolve));
      const value = await look();
      if (holds(value)) return value;
      await told;
    }
  }

  async progress(campaign: Id): Promise<Progress> {
    const [event] = await readProgress(this.service.pool, [campaign]);
    return event!.progress;
  }

  /** Resolves when the counts of a campaign are as given, members that are not given being 0. */
  async reaches(campaign: Id, wanted: Partial<Progress>): Promise<void> {
    const all = { planned: 0, submitted: 0, delivered: 0, failed: 0, unknown: 0, expired: 0, cancelled: 0, pending: 0 };
    const complete: Progress = { ...all, awaitingReceipt: 0, ...wanted };
    const names = Object.keys(complete) as (keyof Progress)[];
    await this.until(
      () => this.progress(campaign),
      (progress) => names.every((name) => progress[name] === complete[name]),
    );
  }

  async count(table: string): Promise<number> {
    const { rows } = await this.owner.query<{ n: number }>(`select count(*)::int as n from ${table}`);
    return rows[0]!.n;
  }

  /** Entries that are still in Redis. */
  async left(shard = carrier): Promise<number> {
    const keys = carrierKeys(shard);
    return (await this.redis.xlen(keys.outcomes)) + (await this.redis.xlen(keys.receipts));
  }
}
