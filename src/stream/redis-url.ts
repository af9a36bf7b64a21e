/**
 * What `REDIS_URL` may look like: one server, a cluster, or a set that Sentinel watches over. Pure. Faults never hold
 * the URL itself, which may hold a password.
 *
 *   redis://[user:password@]host[:6379][/database]
 *   redis+cluster://[user:password@]host[:6379],host[:6379]…
 *   redis+sentinel://[user:password@]host[:26379],host[:26379]…/name
 *
 * `rediss` in place of `redis` connects by TLS.
 */
import { Fault, isFault } from '../fault.ts';

/** Host and port. */
export type RedisEndpoint = { readonly host: string; readonly port: number };

/** Where Redis is, and as whom to connect. */
export type RedisTarget = {
  readonly kind: 'single' | 'cluster' | 'sentinel';
  /** The server; some nodes of the cluster; or the Sentinels. */
  readonly endpoints: readonly [RedisEndpoint, ...RedisEndpoint[]];
  readonly isTls: boolean;
  /** ACL user; absent: the default user. */
  readonly username?: string;
  readonly password?: string;
  /** Logical database of a single server. */
  readonly database: number;
  /** What Sentinel calls the set; empty for the others. */
  readonly group: string;
};

const form =
  /^redis(?<tls>s?)(?:\+(?<kind>cluster|sentinel))?:\/\/(?:(?<login>[^@/]*)@)?(?<hosts>[^/?#@]*)(?<path>.*)$/;
const kinds = ['single', 'cluster', 'sentinel'] as const;

/**
 * Reads a URL.
 * @throws Fault `config` that says what is wrong with it.
 */
export function parseRedisUrl(url: string): RedisTarget {
  const parts = form.exec(url)?.groups;
  if (parts === undefined)
    throw wrong('must begin with redis://, redis+cluster:// or redis+sentinel://, or with rediss for TLS');
  if (parts['path']?.includes('@') === true)
    throw wrong('has an @ too many: in a user or password write @ as %40, / as %2F, : as %3A and % as %25');
  const kind = kinds.find((name) => name === parts['kind']) ?? 'single';
  const texts = (parts['hosts'] ?? '').split(',');
  if (kind === 'single' && texts.length > 1)
    throw wrong('names several servers; redis+cluster:// may, redis:// may not');
  const [first, ...others] = texts.map((text) => endpointOf(text, kind === 'sentinel' ? 26379 : 6379));
  if (first === undefined) throw wrong('names no host');
  return {
    kind,
    endpoints: [first, ...others],
    isTls: parts['tls'] === 's',
    ...loginOf(parts['login'] ?? ''),
    ...pathOf(kind, (parts['path'] ?? '').replace(/^\//, '')),
  };
}

/** Why a URL cannot be used; undefined when it can. */
export function redisUrlProblem(url: string): string | undefined {
  try {
    parseRedisUrl(url);
    return undefined;
  } catch (error) {
    if (!isFault(error, 'config')) throw error;
    return error.message.replace('REDIS_URL ', '');
  }
}

function endpointOf(text: string, usualPort: number): RedisEndpoint {
  const parts = /^(?:\[(?<six>[0-9a-fA-F:.]+)\]|(?<host>[\w.-]+))(?::(?<port>\d{1,5}))?$/.exec(text)?.groups;
  const host = parts?.['six'] ?? parts?.['host'];
  if (host === undefined) throw wrong('must name its hosts as host:port, by commas');
  const port = Number(parts?.['port'] ?? usualPort);
  if (port < 1 || port > 65535) throw wrong(`has a port that is none: ${port}`);
  return { host, port };
}

function loginOf(login: string): Pick<RedisTarget, 'username' | 'password'> {
  const colon = login.indexOf(':');
  const [username, password] = colon < 0 ? [login, ''] : [login.slice(0, colon), login.slice(colon + 1)];
  return {
    ...(username === '' ? {} : { username: decoded(username) }),
    ...(password === '' ? {} : { password: decoded(password) }),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw wrong('has a user or password with a % that is not percent-encoding', cause);
  }
}

function pathOf(kind: RedisTarget['kind'], path: string): Pick<RedisTarget, 'database' | 'group'> {
  switch (kind) {
    case 'single':
      if (!/^\d{0,5}$/.test(path)) throw wrong('may end with the number of a database, and nothing else');
      return { database: Number(path), group: '' };
    case 'cluster':
      if (path !== '') throw wrong('of a cluster must end with its hosts: a cluster has no databases');
      return { database: 0, group: '' };
    case 'sentinel':
      if (!/^[\w.-]+$/.test(path)) throw wrong('of Sentinels must end with /name, as they call the set');
      return { database: 0, group: path };
  }
}

function wrong(reason: string, cause?: unknown): Fault {
  return new Fault('config', `REDIS_URL ${reason}`, cause === undefined ? {} : { cause });
}
