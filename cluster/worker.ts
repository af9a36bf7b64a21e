/**
 * The worker process: its lines to each carrier and one encoder for all. Talks to Redis and carriers only.
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { accountOf } from '../src/account.ts';
import { systemClock } from '../src/clock.ts';
import { dealingOver } from '../src/plan/dealing.ts';
import { isReplaced } from '../src/plan/route.ts';
import { Standings } from '../src/plan/standing.ts';
import type { Service } from '../src/service.ts';
import { connectRedis, type RedisPlace } from '../src/stream/redis.ts';
import { startRedisClock } from '../src/stream/redis-clock.ts';
import { turnOf } from '../src/stream/slots.ts';
import { askPauses, askUp } from '../src/stream/standing.ts';
import type { Log } from '../src/telemetry.ts';
import { countRedis } from './connection-metrics.ts';
import { otherNamesOf } from './division.ts';
import { Leftovers } from './leftovers.ts';
import { unbound, type WorkerParts } from './lines.ts';
import { PresenceTeller } from './presence.ts';
import { requireAll, requiredAccounts, requiredCarriers, requiredRedis } from './required.ts';
import { type Context, type Parts, runProcess } from './run.ts';
import { Sending } from './sending.ts';
import { startThreads } from './threads.ts';
import { countEvents, countPauses, countWorker } from './worker-metrics.ts';

await runProcess('worker', build);

async function build({ settings, log, metrics, tracer }: Context): Promise<Parts> {
  requireAll(settings, 'redisUrl', 'carriers');
  const place = requiredRedis(settings);
  const accounts = requiredCarriers(settings);
  const carriers = requiredAccounts(settings);
  // Leases know their holder by this name. A container that starts again has the same host name and process id.
  const worker = `${settings.workerName ?? `${hostname()}-${process.pid}`}-${randomBytes(4).toString('hex')}`;
  const threads = startThreads({ threads: settings.encodeThreads, inPlaceBelow: settings.encodeInPlaceBelow });
  const { connections, clock, ...connected } = await connectWorker(place, worker, log);
  const { redis, subscribing, reserving } = connected;
  const names = carriers.map((carrier) => carrier.name);
  const parts: WorkerParts = {
    worker,
    settings,
    ...connected,
    encode: threads.encode,
    standingTold: () => standings.wake(),
    turnOf: (carrier) => turnOf(names, carrier),
    otherNamesOf: otherNamesOf(names),
    ...countEvents(metrics, names),
    tracer,
    clock,
    log,
  };
  const standings: Standings = new Standings({
    carriers: names,
    askUp: () => askUp(redis, names),
    askPauses: (known) => askPauses(redis, names, known),
    awayMs: settings.carrierAwayMs,
    changed: () => sending.stand(),
    clock: systemClock,
    log,
  });
  const usable = (carrier: string) => standings.usable(carrier);
  const { isUsable } = dealingOver(names, usable);
  const isPaused = (carrier: string) => standings.pauseOf(carrier).pause !== 'none';
  const sending: Sending = new Sending({
    carriers,
    lines: parts,
    standingOf: ({ name }) => ({
      isPaused: isPaused(name),
      isAway: !usable(name) && isReplaced(accounts, isUsable, accountOf(name)),
    }),
    changed: () => presence.wake(),
    drainMs: settings.drainMs,
    clock: systemClock,
  });
  const presence: PresenceTeller = new PresenceTeller({
    role: 'worker',
    name: worker,
    redis,
    doing: () => ({ phase: sending.phase, lines: sending.presence }),
    wished: (wish) => sending.heed(wish),
    clock: systemClock,
    log,
  });
  countWorker(metrics, () => sending.lines);
  countPauses(metrics, names, isPaused);
  countRedis(metrics, { command: redis, subscribing, reserving });
  return {
    services: [
      { name: 'threads', start: async () => undefined, stop: () => threads.close() },
      connections,
      standings,
      presence,
      new Leftovers(carriers, parts),
      sending,
    ],
    unready: () => unbound(sending.lines),
  };
}

/** Everything of a worker that needs Redis, and its end. */
async function connectWorker(place: RedisPlace, worker: string, log: Log) {
  const redis = await connectRedis(place, 'command', log, worker);
  const subscribing = await connectRedis(place, 'subscribing', log, worker);
  // A connection of its own: whatever shares it waits for the replica too.
  const reserving = await connectRedis(place, 'command', log, `${worker}-reserving`);
  // By a clock of its own that is an hour ahead, it would let everything expire.
  const clock = await startRedisClock(redis, systemClock, log);
  const connections: Service = {
    name: 'connections',
    start: async () => undefined,
    async stop() {
      clock.stop();
      subscribing.disconnect();
      await Promise.all([redis.quit(), reserving.quit()]);
    },
  };
  return { redis, subscribing, reserving, clock, connections };
}
