/**
 * Every connection to Redis is made here, knowingly, by role and by the form of the URL: one server, a cluster, or a
 * set that Sentinel watches over. ioredis is known in this folder only.
 *
 * A reading connection blocks in XREAD: `commandTimeout` or `blockingTimeout` there would drop replies
 * that Redis already counts as delivered and strand them in our own pending list, so it has
 * `socketTimeout` alone, longer than any block. See README, "Decisions".
 */
import type { ConnectionOptions } from 'node:tls';
import { Cluster, Redis, type RedisOptions, ReplyError } from 'ioredis';
import { Fault, isFault } from '../fault.ts';
import type { Log } from '../telemetry.ts';
import { parseRedisUrl, type RedisEndpoint, type RedisTarget } from './redis-url.ts';

/** A connection, for those who only hand it on. To a cluster it is one connection to each of its nodes. */
export type RedisConnection = Redis | Cluster;

/** What a connection is for. */
export type RedisRole =
  /** Scripts and short commands of workers, planner and recorder: waits through an outage. */
  | 'command'
  /** Blocking reads. */
  | 'reading'
  /** Subscriptions. */
  | 'subscribing'
  /** The API: fails fast, because what it publishes is in PostgreSQL already. */
  | 'publishing';

/** Where Redis is and how it is to be trusted. */
export type RedisPlace = {
  /** See `redis-url.ts`. */
  readonly url: string;
  /** Certificates, as PEM, of the authority to trust instead of the system's; only with TLS. */
  readonly ca?: string;
  /** Password of the Sentinels themselves. */
  readonly sentinelPassword?: string;
  /** `host:port` that nodes announce → where this process reaches them. */
  readonly reachedAs?: Readonly<Record<string, RedisEndpoint>>;
};

/** Longest block of a reading connection. */
export const blockMsMax = 1_000;

/** Oldest server that has what the scripts need. */
const majorLeast = 7;
/** A node that is silent for so long while somebody waits for it is left; its successor may be there already. */
const silentMsMax = 3_000;
/** How often nodes of a cluster are asked who has which keys: a primary that stands still says nothing itself. */
const slotsAskMs = 5_000;
/** Pause between questions to a server that is only listened to. */
const askMs = 1_000;
/** Pause before a command goes to a cluster again that cannot serve it just now. */
const againMs = 50;
/** Longest wait of whoever fails fast, to be connected and for an answer; others wait on and say so. */
const answerMsMax = 10_000;
/** What ioredis says of an answer that did not come in time; it has no class or code. */
const timedOut = 'Command timed out';
/** Tries of whoever fails fast; they take about as long as `againMs` times this. */
const failsFastTries = 6;

type Options = Omit<RedisOptions, 'replyMapping'>;
type Parts = {
  readonly place: RedisPlace;
  readonly target: RedisTarget;
  readonly role: RedisRole;
  readonly name: string;
};

/**
 * A connected client of a role.
 * @throws Fault `redis` when the server cannot be reached or is older than 7.0, `config` when the URL is wrong.
 */
export async function connectRedis(
  where: string | RedisPlace,
  role: RedisRole,
  log: Log,
  name = 'tocsin',
): Promise<RedisConnection> {
  const place = typeof where === 'string' ? { url: where } : where;
  const target = parseRedisUrl(place.url);
  const parts = { place, target, role, name };
  const redis = target.kind === 'cluster' ? clusterOf(parts) : new Redis(serverOptions(parts));
  onReconnect(redis, () => generations.set(redis, generationOf(redis) + 1));
  tellOfOutages(redis, role, log);
  const lastError = lastErrorOf(redis);
  // Who only listens would never learn that the other side is gone. Of a cluster, its list of nodes says so.
  if (role === 'subscribing' && redis instanceof Redis && target.kind === 'sentinel') keepAsking(redis);
  try {
    await connected(redis, role, log);
    await refuseUnfit(redis, target);
  } catch (error) {
    redis.disconnect();
    if (error instanceof Fault) throw error;
    // What ended the connection says more than that it ended.
    const cause = lastError() ?? error;
    const how = target.isTls ? 'by TLS' : 'without TLS';
    throw new Fault('redis', `Redis does not answer; check REDIS_URL, which is ${how}, and that the server runs`, {
      cause,
    });
  }
  return redis;
}

/**
 * `error` as a person can be told it, if it is one of `redis` and not of our own: as a fault; else unchanged.
 */
export function commandFault(redis: RedisConnection, error: unknown): unknown {
  if (error instanceof ReplyError)
    return new Fault('redis', 'Redis refused a command; check of which user REDIS_URL is', { cause: error });
  const isLost = error instanceof Error && (redis.status !== 'ready' || error.message === timedOut);
  return isLost && !isFault(error) ? new Fault('redis', 'Redis does not answer any more', { cause: error }) : error;
}

async function connected(redis: RedisConnection, role: RedisRole, log: Log): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      if (role === 'publishing') reject(new Error(`it said nothing for ${answerMsMax / 1000} s`));
      else log.warn('redis.waiting', { connection: role });
    }, answerMsMax);
  });
  try {
    await Promise.race([redis.connect(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The last error that a connection had; of a cluster, that one of its nodes had; of Sentinels, that of one of them. */
function lastErrorOf(redis: RedisConnection): () => Error | undefined {
  let last: Error | undefined;
  let ofSentinel: Error | undefined;
  redis.on(redis instanceof Cluster ? 'node error' : 'error', (error: Error) => (last = error));
  redis.on('sentinelError', (error: Error) => (ofSentinel = error));
  redis.on('connect', () => (ofSentinel = undefined));
  return () => ofSentinel ?? last;
}

/** Calls `action` whenever a connection was made anew; of a cluster, to any of its nodes. */
export function onReconnect(redis: RedisConnection, action: () => void): void {
  redis.on('ready', action);
  if (redis instanceof Cluster) redis.on('+node', (node: Redis) => node.on('ready', action));
}

/** How often a connection was made: what was written in an earlier generation may be unknown to this server. */
export function generationOf(redis: RedisConnection): number {
  return generations.get(redis) ?? 0;
}

const generations = new WeakMap<RedisConnection, number>();

function keepAsking(redis: Redis): void {
  const timer = setInterval(() => {
    if (redis.status === 'ready') redis.ping().catch(heardElsewhere);
  }, askMs).unref();
  redis.on('end', () => clearInterval(timer));
}

/** Whatever ends a connection is told by its events. */
function heardElsewhere(): void {}

/** What connections to one server have in common, whichever finds it. */
function nodeOptions({ place, target, role, name }: Parts): Options {
  const { username, password, isTls, kind } = target;
  const tls: ConnectionOptions = place.ca === undefined ? {} : { ca: place.ca };
  return {
    connectionName: `${name}-${role}`,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(isTls ? { tls } : {}),
    ...socketTimeoutOf(role, kind),
  };
}

/** A single server that stands still is waited for, since there is no other. */
function socketTimeoutOf(role: RedisRole, kind: RedisTarget['kind']): Pick<RedisOptions, 'socketTimeout'> {
  if (role === 'reading') return { socketTimeout: 2 * blockMsMax + 1_000 };
  return kind === 'single' ? {} : { socketTimeout: silentMsMax };
}

function serverOptions(parts: Parts): Options {
  const { place, target, role } = parts;
  const failsFast = role === 'publishing';
  const [first] = target.endpoints;
  return {
    ...nodeOptions(parts),
    ...(target.kind === 'single' ? { host: first.host, port: first.port, db: target.database } : {}),
    ...(target.kind === 'sentinel' ? sentinelOptions(place, target) : {}),
    lazyConnect: true,
    maxRetriesPerRequest: failsFast ? 1 : null,
    enableOfflineQueue: !failsFast,
    autoResendUnfulfilledCommands: true,
    enableAutoPipelining: role === 'command',
    ...(failsFast ? { commandTimeout: answerMsMax } : {}),
    retryStrategy: pauseMs,
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 2 : false),
  };
}

function sentinelOptions({ ca, sentinelPassword, reachedAs }: RedisPlace, target: RedisTarget): Options {
  return {
    sentinels: [...target.endpoints],
    name: target.group,
    // No `failoverDetector`: a Sentinel that tells of a failover while a connection is being made ends it for ever.
    sentinelRetryStrategy: pauseMs,
    // Without it a Sentinel that stands still is asked for ever, and the next one never.
    sentinelCommandTimeout: silentMsMax,
    enableTLSForSentinelMode: target.isTls,
    ...(target.isTls ? { sentinelTLS: ca === undefined ? {} : { ca } } : {}),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
    ...(reachedAs === undefined ? {} : { natMap: { ...reachedAs } }),
  };
}

/**
 * Commands are not joined into pipelines here: where one carrier's keys have moved and another's have not, ioredis
 * would give the caller the answer `MOVED` and learn nothing from it.
 */
function clusterOf(parts: Parts): Cluster {
  const { target, place, role } = parts;
  const failsFast = role === 'publishing';
  return new Cluster([...target.endpoints], {
    lazyConnect: true,
    enableOfflineQueue: !failsFast,
    maxRedirections: failsFast ? failsFastTries : Number.MAX_SAFE_INTEGER,
    clusterRetryStrategy: pauseMs,
    retryDelayOnFailover: againMs,
    retryDelayOnClusterDown: againMs,
    retryDelayOnTryAgain: againMs,
    slotsRefreshInterval: slotsAskMs,
    // Names stay names: certificates are made out to them.
    dnsLookup: (address, callback) => callback(null, address),
    ...(place.reachedAs === undefined ? {} : { natMap: { ...place.reachedAs } }),
    redisOptions: { ...nodeOptions(parts), maxRetriesPerRequest: failsFast ? 1 : null },
  });
}

function pauseMs(attempt: number): number {
  return Math.min(2_000, 50 * 2 ** Math.min(attempt, 6)) * (0.5 + Math.random() / 2);
}

function tellOfOutages(redis: RedisConnection, role: RedisRole, log: Log): void {
  let isDown = false;
  const down = (error: Error, node?: string) => {
    if (!isDown) log.warn('redis.down', { connection: role, ...(node === undefined ? {} : { node }) }, error);
    isDown = true;
  };
  const up = () => {
    if (isDown) log.info('redis.up', { connection: role });
    isDown = false;
  };
  redis.on('error', (error: Error) => down(error));
  if (redis instanceof Cluster) redis.on('node error', down);
  onReconnect(redis, up);
}

async function refuseUnfit(redis: RedisConnection, { kind, database }: RedisTarget): Promise<void> {
  // A server without that database leaves the connection at its first one, which may be another installation's.
  if (kind === 'single' && database > 0) await (redis as Redis).select(database);
  const info = await redis.info('server');
  const version = /redis_version:(\d+)\.(\d+)/.exec(info);
  if (version !== null && Number(version[1]) < majorLeast)
    throw new Fault('redis', `Redis ${version[1]}.${version[2]} is too old; 7.0 or later is needed`);
  const mode = /redis_mode:(\w+)/.exec(info)?.[1];
  if (kind === 'single' && (mode === 'cluster' || mode === 'sentinel'))
    throw new Fault('redis', `REDIS_URL names a ${mode} as a single server; it must begin with redis+${mode}://`);
}
