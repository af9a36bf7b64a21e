/**
 * The API process: the routes over HTTP. Talks to PostgreSQL, as a role that row-level security binds, and to Redis.
 */
import { hostname } from 'node:os';
import type { CarrierSettings } from '../config/carriers.ts';
import type { Settings } from '../config/schema.ts';
import { createApi } from '../src/api/app.ts';
import { type ApiLimits, defaultLimits } from '../src/api/limits.ts';
import { serveApi } from '../src/api/serve.ts';
import { systemClock } from '../src/clock.ts';
import type { Database } from '../src/db/client.ts';
import { Replica } from '../src/db/replica.ts';
import { routeTable } from '../src/plan/route.ts';
import type { Service } from '../src/service.ts';
import { publishCommand } from '../src/stream/commands.ts';
import { ProgressFeed } from '../src/stream/progress-feed.ts';
import { connectRedis } from '../src/stream/redis.ts';
import { countRequests } from './api-metrics.ts';
import { countPool, countRedis, countReplica } from './connection-metrics.ts';
import { openDatabase, warnOfRoom } from './database.ts';
import { PresenceTeller } from './presence.ts';
import { requireAll, required, requiredCarriers, requiredRedis } from './required.ts';
import { type Context, type Parts, runProcess } from './run.ts';

await runProcess('api', build);

async function build(context: Context): Promise<Parts> {
  const { settings, log, metrics, tracer } = context;
  requireAll(settings, 'databaseUrl', 'redisUrl', 'carriers', 'platformKey');
  const carriers = requiredCarriers(settings);
  const platformKey = required(settings, 'platformKey');
  const place = requiredRedis(settings);
  const name = `${hostname()}-${process.pid}`;
  const database = openDatabase(context, {
    url: required(settings, 'databaseUrl'),
    applicationName: 'tocsin-api',
    pipelines: true,
  });
  const replica = replicaOf(context, database);
  const publishing = await connectRedis(place, 'publishing', log, name);
  const subscribing = await connectRedis(place, 'subscribing', log, name);
  const progress = new ProgressFeed();
  await progress.start(subscribing);
  countPool(metrics, database.pool);
  countReplica(metrics, replica);
  countRedis(metrics, { publishing, subscribing });
  const stopping = new AbortController();
  const app = createApi({
    database,
    replica,
    commands: { publish: (campaign, command) => publishCommand(publishing, campaign, command) },
    progress,
    carriers,
    routes: routeTable(carriers),
    platformKey,
    limits: limitsOf(settings, carriers),
    clock: systemClock,
    log,
    answered: countRequests(metrics),
    tracer,
    stopping: stopping.signal,
  });
  let server: Awaited<ReturnType<typeof serveApi>> | undefined;
  const listening: Service = {
    name: 'api',
    async start() {
      await warnOfRoom(database, log);
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
    services: [connections, ...(replica === undefined ? [] : [replica]), presence, listening],
    unready: () => ({}),
    announce: () => ({ port: server?.port }),
  };
}

/** How much longer than its usual statement a replica may take before the primary answers. */
const replicaQueryMsMax = 10_000;

function replicaOf(context: Context, primary: Database): Replica | undefined {
  const { settings, log } = context;
  const { replicaDatabaseUrl: url, replicaLagMsMax: lagMsMax } = settings;
  if (url === undefined) return undefined;
  const pool = {
    url,
    applicationName: 'tocsin-api-reports',
    connectTimeoutMs: 1_000,
    queryTimeoutMs: replicaQueryMsMax,
  };
  return new Replica({ primary, replica: openDatabase(context, pool), lagMsMax, clock: systemClock, log });
}

function limitsOf(settings: Settings, carriers: readonly CarrierSettings[]): ApiLimits {
  return {
    ...defaultLimits,
    jsonBytesMax: settings.bodyBytesMax,
    importBytesMax: settings.importBytesMax,
    keyRequestsPerSecondMax: settings.keyRequestsPerSecondMax,
    addressRequestsPerSecondMax: settings.addressRequestsPerSecondMax,
    failedKeysPerMinuteMax: settings.failedKeysPerMinuteMax,
    trustedProxies: settings.trustedProxies,
    // A text that one of the carriers would refuse is refused when it is created.
    segmentsMax: Math.min(...carriers.map((carrier) => carrier.segmentsMax)),
  };
}
