/**
 * The recorder process: outcomes and receipts of the carriers that it holds, from Redis into PostgreSQL, and progress
 * to whoever watches.
 */
import { hostname } from 'node:os';
import { shardsOf } from '../config/shards.ts';
import { systemClock } from '../src/clock.ts';
import { Reconciler } from '../src/record/reconciler.ts';
import { Recorder, recorderLimits } from '../src/record/recorder.ts';
import { StreamConveyor } from '../src/stream/conveyor.ts';
import { Producer } from '../src/stream/producer.ts';
import { progressPublisher } from '../src/stream/progress-feed.ts';
import { StreamRecordSource } from '../src/stream/record-source.ts';
import { connectRedis } from '../src/stream/redis.ts';
import { countPool, countRedis } from './connection-metrics.ts';
import { openDatabase, warnOfRoom } from './database.ts';
import { PresenceTeller } from './presence.ts';
import { reachesOf } from './reach.ts';
import { countRecorder, countRecords } from './recorder-metrics.ts';
import { requireAll, required, requiredCarriers, requiredRedis } from './required.ts';
import { type Context, type Parts, runProcess } from './run.ts';

/** Pause between looks whether Redis still has what was put into it. */
const reconcileEveryMs = 2_000;

await runProcess('recorder', build);

async function build(context: Context): Promise<Parts> {
  const { settings, log, metrics, tracer } = context;
  requireAll(settings, 'databaseUrl', 'redisUrl', 'carriers');
  const accounts = requiredCarriers(settings);
  const carriers = accounts.flatMap(shardsOf).map((shard) => shard.name);
  const place = requiredRedis(settings);
  const name = `${hostname()}-${process.pid}`;
  const database = openDatabase(context, {
    url: required(settings, 'databaseUrl'),
    // Two for each account that it may hold (a page is written while the next is filled), and some for leases.
    poolMax: Math.max(settings.databasePoolMax, 2 * accounts.length + 4),
    applicationName: 'tocsin-recorder',
  });
  const redis = await connectRedis(place, 'command', log, name);
  const accountNames = accounts.map((account) => account.name);
  const events = countRecords(metrics, accountNames);
  const recorder = new Recorder({
    recorder: name,
    database,
    source: new StreamRecordSource(redis, { clock: systemClock, log }),
    publish: progressPublisher(redis),
    carriers,
    limits: {
      ...recorderLimits,
      rowsMax: settings.recorderRowsMax,
      idleMs: settings.recorderFlushMs,
      receiptHoldMs: 3 * settings.outcomeFlushMs,
      leaseMs: settings.recorderLeaseMs,
    },
    clock: systemClock,
    log,
    onFlush: events.flushed,
    tracer,
  });
  const reconciling = {
    owner: name,
    database,
    conveyor: new StreamConveyor(redis),
    carriers,
    enqueue: new Producer(redis, settings.waitingBytesMax, systemClock, log),
    reachOf: reachesOf(accounts, settings),
    leaseMs: settings.recorderLeaseMs,
    clock: systemClock,
    log,
  };
  const reconciler = new Reconciler(reconciling, reconcileEveryMs, () => recorder.recordedAtMs, events.looked);
  countRecorder(metrics, recorder);
  countPool(metrics, database.pool);
  countRedis(metrics, { command: redis });
  return {
    services: [
      {
        name: 'connections',
        start: () => warnOfRoom(database, log),
        async stop() {
          await redis.quit();
          await database.close();
        },
      },
      new PresenceTeller({ role: 'recorder', name: `recorder-${name}`, redis, clock: systemClock, log }),
      reconciler,
      recorder,
    ],
    unready: () => ({}),
  };
}
