/**
 * The API process: the routes over HTTP. Talks to PostgreSQL, as a role that row-level security binds, and to Redis.
 */
import { hostname } from 'node:os';
import { createApi } from '../src/api/app.ts';
import { defaultLimits } from '../src/api/limits.ts';
import { serveApi } from '../src/api/serve.ts';
import { systemClock } from '../src/clock.ts';
import { connect } from '../src/db/client.ts';
import { routeTable } from '../src/plan/route.ts';
import type { Service } from '../src/service.ts';
import { publishCommand } from '../src/stream/commands.ts';
import { ProgressFeed } from '../src/stream/progress-feed.ts';
import { connectRedis } from '../src/stream/redis.ts';
import { countRequests } from './api-metrics.ts';
import { countPool, countRedis } from './connection-metrics.ts';
import { PresenceTeller } from './presence.ts';
import { required, requiredCarriers, requiredRedis } from './required.ts';
import { type Context, type Parts, runProcess } from './run.ts';

await runProcess('api', build);

async function build({ settings, log, metrics }: Context): Promise<Parts> {
  const carriers = requiredCarriers(settings);
  const platformKey = required(settings, 'platformKey');
  const place = requiredRedis(settings);
  const name = `${hostname()}-${process.pid}`;
  const database = connect({
    url: required(settings, 'databaseUrl'),
    poolMax: settings.databasePoolMax,
    applicationName: 'tocsin-api',
    statementTimeoutMs: settings.statementTimeoutMs,
    pipelines: true,
    log,
  });
  const publishing = await connectRedis(place, 'publishing', log, name);
  const subscribing = await connectRedis(place, 'subscribing', log, name);
  const progress = new ProgressFeed();
  await progress.start(subscribing);
  countPool(metrics, database.pool);
  countRedis(metrics, { publishing, subscribing });
  const stopping = new AbortController();
  const app = createApi({
    database,
    commands: { publish: (campaign, command) => publishCommand(publishing, campaign, command) },
    progress,
    carriers,
    routes: routeTable(carriers),
    platformKey,
    limits: {
      ...defaultLimits,
      jsonBytesMax: settings.bodyBytesMax,
      importBytesMax: settings.importBytesMax,
      // A text that one of the carriers would refuse is refused when it is created.
      segmentsMax: Math.min(...carriers.map((carrier) => carrier.segmentsMax)),
    },
    clock: systemClock,
    log,
    answered: countRequests(metrics),
    stopping: stopping.signal,
  });
  let server: Awaited<ReturnType<typeof serveApi>> | undefined;
  const listening: Service = {
    name: 'api',
    async start() {
      server = await serveApi(app, { host: settings.host, port: settings.port });
    },
    async stop(deadlineMs) {
      stopping.abort();
      await server?.close(deadlineMs);
    },
  };
  const connections: Service = {
    name: 'connections',
    start: async () => undefined,
    async stop() {
      subscribing.disconnect();
      publishing.disconnect();
      await database.close();
    },
  };
  const presence = new PresenceTeller({ role: 'api', name: `api-${name}`, redis: publishing, clock: systemClock, log });
  return {
    services: [connections, presence, listening],
    unready: () => ({}),
    announce: () => ({ port: server?.port }),
  };
}
