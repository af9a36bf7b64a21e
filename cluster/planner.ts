/**
 * The planner process: freezes launched campaigns, puts their batches into Redis, ends what is done. Talks to
 * PostgreSQL and Redis.
 */
import { hostname } from 'node:os';
import type { Settings } from '../config/schema.ts';
import { shardsOf } from '../config/shards.ts';
import { systemClock } from '../src/clock.ts';
import { dealingOver } from '../src/plan/dealing.ts';
import { Planner, type PlannerLimits } from '../src/plan/planner.ts';
import { Rerouter } from '../src/plan/reroute.ts';
import { routeTable } from '../src/plan/route.ts';
import { Standings } from '../src/plan/standing.ts';
import { Commands } from '../src/stream/commands.ts';
import { Producer } from '../src/stream/producer.ts';
import { progressPublisher } from '../src/stream/progress-feed.ts';
import { connectRedis, type RedisConnection } from '../src/stream/redis.ts';
import { askPauses, askUp } from '../src/stream/standing.ts';
import { watchBacklogs } from './backlog.ts';
import { countPool, countRedis } from './connection-metrics.ts';
import { openDatabase, warnOfRoom } from './database.ts';
import { countPlanner } from './planner-metrics.ts';
import { PresenceTeller } from './presence.ts';
import { requireAll, required, requiredCarriers, requiredRedis } from './required.ts';
import { retentionOf } from './retention.ts';
import { type Context, type Parts, runProcess } from './run.ts';

/** Pause between looks for what commands did not tell. */
const sweepMs = 500;

await runProcess('planner', build);

async function build(context: Context): Promise<Parts> {
  const { settings, log, metrics, tracer } = context;
  requireAll(settings, 'databaseUrl', 'redisUrl', 'carriers');
  const accounts = requiredCarriers(settings);
  const place = requiredRedis(settings);
  const name = `${hostname()}-${process.pid}`;
  const database = openDatabase(context, { url: required(settings, 'databaseUrl'), applicationName: 'tocsin-planner' });
  const redis = await connectRedis(place, 'command', log, name);
  const reading = await connectRedis(place, 'reading', log, name);
  const names = accounts.flatMap(shardsOf).map((shard) => shard.name);
  const standings = standingsOf(context, redis, names);
  const enqueue = new Producer(redis, settings.waitingBytesMax, systemClock, log);
  const usable = (carrier: string) => standings.usable(carrier);
  const { isUsable, ...dealing } = dealingOver(names, usable);
  const routes = () => routeTable(accounts, isUsable);
  const rerouter = new Rerouter({ database, enqueue, routes, ...dealing, clock: systemClock, log });
  const backlogs = watchBacklogs(redis, database, names, systemClock, log);
  const weeksAhead = () => planner.partitionWeeksAhead;
  const frozen = countPlanner(metrics, {
    carriers: names,
    campaigns: () => planner.campaigns,
    usable,
    weeksAhead,
    ...backlogs,
  });
  const retention = retentionOf(context, {
    name,
    database,
    redis,
    enqueue,
    accounts: accounts.map((account) => account.name),
  });
  countPool(metrics, database.pool);
  countRedis(metrics, { command: redis, reading });
  const planner: Planner = new Planner({
    planner: name,
    database,
    commands: new Commands(reading, redis, name),
    enqueue,
    publish: progressPublisher(redis),
    carriers: accounts,
    usable: isUsable,
    ...dealing,
    frozen,
    tracer,
    limits: limitsOf(settings),
    clock: systemClock,
    log,
  });
  return {
    services: [
      {
        name: 'connections',
        start: () => warnOfRoom(database, log),
        async stop() {
          reading.disconnect();
          await redis.quit();
          await database.close();
        },
      },
      new PresenceTeller({ role: 'planner', name: `planner-${name}`, redis, clock: systemClock, log }),
      standings,
      rerouter,
      ...backlogs.services,
      planner,
      retention,
    ],
    unready: () => ({}),
  };
}

function standingsOf({ settings, log }: Context, redis: RedisConnection, carriers: readonly string[]): Standings {
  return new Standings({
    carriers,
    askUp: () => askUp(redis, carriers),
    askPauses: (known) => askPauses(redis, carriers, known),
    awayMs: settings.carrierAwayMs,
    clock: systemClock,
    log,
  });
}

function limitsOf(settings: Settings): PlannerLimits {
  const { batchRecipientsMax, batchSecondsMax, campaignsAtOnceMax, plannerLeaseMs, receiptWaitSeconds } = settings;
  const receiptWaitMs = receiptWaitSeconds * 1000;
  return { batchRecipientsMax, batchSecondsMax, campaignsAtOnceMax, leaseMs: plannerLeaseMs, sweepMs, receiptWaitMs };
}
