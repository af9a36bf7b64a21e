/**
 * What each process may do in Redis: the least commands, keys and channels. Printed to `k8s/redis-acl.conf`, in the
 * form of Redis's `aclfile`; a test runs a campaign under these rules and looks for what was refused. Pure.
 */

/** The users, one for each kind of process. */
export const redisRoles = ['api', 'planner', 'worker', 'recorder'] as const;
/** One of them. */
export type RedisAclRole = (typeof redisRoles)[number];

type Rules = {
  readonly commands: readonly string[];
  /** Keys, with what may be done to them where that is not everything. */
  readonly keys: readonly string[];
  readonly channels: readonly string[];
};

const words = (...lines: readonly string[]) => lines.flatMap((line) => line.split(' '));

/** What every connection needs: to be one, to find the node of a key, to run scripts, to tell that it lives. */
const everybody: Rules = {
  commands: words(
    'hello auth ping quit select info client|setname client|id readonly cluster|slots cluster|keyslot cluster|info',
    'asking evalsha eval time get set del pexpire zadd zrem zremrangebyscore',
  ),
  // The common starts of keys that scripts are called with are no keys themselves.
  keys: words('{plan} {plan}:none {plan}:process:* {plan}:processes {plan}:wish:*'),
  channels: [],
};

/** Who puts batches into carriers' streams. */
const producing: Rules = {
  commands: words(
    'exists hget hmget hset hsetnx hexists hdel persist incrby incr publish wait zscore',
    'xadd xlen xrange xinfo|groups xgroup|create',
  ),
  keys: words(
    '{*} {*}:none {*}:meta:* {*}:content:* {*}:campaign:* {*}:schedule:* {*}:clock {*}:waiting',
    '%R~{*}:epoch %R~{plan}:epoch %R~{plan}:epochs-by-carrier',
  ),
  channels: words('{*}:wake {plan}:progress'),
};

const rules: Readonly<Record<RedisAclRole, Rules>> = {
  api: {
    commands: words('xadd subscribe unsubscribe'),
    keys: words('{plan}:campaigns'),
    channels: words('{plan}:progress'),
  },
  planner: {
    commands: [...producing.commands, ...words('xreadgroup xautoclaim xack xdel xtrim zrange')],
    // Of outcomes, receipts and what was set aside: how much there is, and what goes because it is old.
    keys: [
      ...producing.keys,
      ...words('{plan}:campaigns %R~{*}:up {*}:pause %R~{*}:outcomes %R~{*}:receipts %W~{*}:aside'),
    ],
    channels: producing.channels,
  },
  worker: {
    commands: words(
      'exists hget hmget hset hdel hgetall persist incr decrby publish wait subscribe unsubscribe zrange zrangebyscore',
      'xadd xlen xrange xreadgroup xclaim xack xdel',
    ),
    keys: words(
      '{*} {*}:none {*}:meta:* %R~{*}:content:* {*}:campaign:* {*}:schedule:* {*}:clock {*}:held {*}:ledger:*',
      '{*}:waiting {*}:outcomes {*}:receipts {*}:aside {*}:slots {*}:workers {*}:tokens {*}:regained {*}:up {*}:pause',
    ),
    channels: words('{*}:wake'),
  },
  recorder: {
    commands: [...producing.commands, ...words('xdel xtrim xinfo|stream')],
    keys: [...producing.keys, ...words('{*}:epoch {plan}:epochs-by-carrier {*}:outcomes {*}:receipts {*}:seen')],
    channels: producing.channels,
  },
};

/** Arguments of `ACL SETUSER` for a role, after its name and password. */
export function aclRules(role: RedisAclRole): string[] {
  const all = [everybody, rules[role]];
  const distinct = (texts: readonly string[]) => [...new Set(texts)];
  return [
    '-@all',
    ...distinct(all.flatMap(({ commands }) => commands)).map((command) => `+${command}`),
    ...distinct(all.flatMap(({ keys }) => keys)).map((key) => (key.startsWith('%') ? key : `~${key}`)),
    'resetchannels',
    ...distinct(all.flatMap(({ channels }) => channels)).map((channel) => `&${channel}`),
  ];
}

/** The file; whoever uses it puts a hash of each password in place of its name. */
export function aclFile(): string {
  const users = redisRoles.map(
    (role) => `user tocsin-${role} reset on #SHA256_OF_${role.toUpperCase()}_PASSWORD ${aclRules(role).join(' ')}\n`,
  );
  return ['user default off\n', ...users].join('');
}
