/**
 * The worker process: its lines to each carrier and one encoder for all. Talks to Redis and carriers only.
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { systemClock } from '../src/clock.ts';
import { isReplaced } from '../src/plan/route.ts';
import { Standings } from '../src/plan/standing.ts';
import { BacklogReader } from '../src/stream/backlog.ts';
import { connectRedis } from '../src/stream/redis.ts';
import { startRedisClock } from '../src/stream/redis-clock.ts';
import { Replicas } from '../src/stream/replica.ts';
import { askUp } from '../src/stream/standing.ts';
import { BacklogWatch } from './backlog.ts';
import { createLines, unbound } from './lines.ts';
import { required, requiredAccounts } from './required.ts';
import { type Context, type Parts, runProcess } from './run.ts';
import { startThreads } from './threads.ts';
import { countBacklog, countResponses, countWorker } from './worker-metrics.ts';

await runProcess('worker', build);

async function build({ settings, log, metrics }: Context): Promise<Parts> {
  const redisUrl = required(settings, 'redisUrl');
  const carriers = requiredAccounts(settings);
  // Leases know their holder by this name. A container that starts again has the same host name and process id.
  const worker = `${settings.workerName ?? `${hostname()}-${process.pid}`}-${randomBytes(4).toString('hex')}`;
  const threads = startThreads({ threads: settings.encodeThreads, inPlaceBelow: settings.encodeInPlaceBelow });
  const redis = await connectRedis(redisUrl, 'command', log, worker);
  const subscribing = await connectRedis(redisUrl, 'subscribing', log, worker);
  // A connection of its own: whatever shares it waits for the replica too.
  const reserving = await connectRedis(redisUrl, 'command', log, `${worker}-reserving`);
  const replicas = new Replicas(reserving, systemClock, log);
  // By a clock of its own that is an hour ahead, it would let everything expire.
  const clock = await startRedisClock(redis, systemClock, log);
  const parts = {
    worker,
    settings,
    redis,
    reserving: { redis: reserving, reached: () => replicas.reached() },
    subscribing,
    encode: threads.encode,
    responded: countResponses(metrics),
    clock,
    log,
  };
  const lines = carriers.map((carrier) => createLines(carrier, parts));
  countWorker(metrics, lines);
  const names = carriers.map((carrier) => carrier.name);
  const backlog = new BacklogWatch(new BacklogReader(redis), names, systemClock, log);
  countBacklog(metrics, names, (carrier) => backlog.of(carrier));
  const standings: Standings = new Standings({
    carriers: names,
    askUp: () => askUp(redis, names),
    awayMs: settings.carrierAwayMs,
    changed() {
      const usable = (carrier: string) => standings.usable(carrier);
      for (const { carrier, sender } of lines)
        sender.setAway(!usable(carrier.name) && isReplaced(carriers, usable, carrier.name));
    },
    clock: systemClock,
    log,
  });
  return {
    services: [
      {
        name: 'sending',
        async start() {
          await Promise.all(lines.map((line) => line.start()));
        },
        async stop(deadlineMs) {
          await Promise.all(lines.map((line) => line.stop(deadlineMs)));
          await threads.close();
          clock.stop();
          subscribing.disconnect();
          await Promise.all([redis.quit(), reserving.quit()]);
        },
      },
      standings,
      backlog,
    ],
    unready: () => unbound(lines),
  };
}
