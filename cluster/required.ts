/** Settings without which a process of the cluster cannot start. */
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import type { CarrierSettings } from '../config/carriers.ts';
import { type Carrier, describeCarriers, loadCarriers } from '../config/load.ts';
import { pemProblem } from '../config/pem.ts';
import { environmentName, type Settings } from '../config/schema.ts';
import { shardsOf } from '../config/shards.ts';
import { Fault } from '../src/fault.ts';
import type { RedisPlace } from '../src/stream/redis.ts';
import type { RedisEndpoint } from '../src/stream/redis-url.ts';

const purposes = {
  databaseUrl: 'name the PostgreSQL of the cluster',
  redisUrl: 'name the Redis of the cluster',
  carriers: 'name the carriers file',
  platformKey: 'hold the key of the platform’s owner',
} as const;

/**
 * Looks whether all of these are set, so that whoever starts a process is told once what it lacks.
 * @throws Fault `config` that names every variable that is missing.
 */
export function requireAll(settings: Settings, ...names: (keyof typeof purposes)[]): void {
  const missing = names.filter((name) => settings[name] === undefined);
  if (missing.length === 0) return;
  throw new Fault('config', missing.map((name) => `${environmentName(name)} must ${purposes[name]}`).join('\n  '));
}

/**
 * The value of a setting that has no default.
 * @throws Fault `config` that names the variable.
 */
export function required(settings: Settings, name: keyof typeof purposes): string {
  requireAll(settings, name);
  const value = settings[name];
  assert(value !== undefined);
  return value;
}

/**
 * Where Redis is.
 * @throws Fault `config` when it is not said, or the file of its authority cannot be read.
 */
export function requiredRedis(settings: Settings): RedisPlace {
  const { redisCaFile, redisSentinelPassword, redisReachedAs } = settings;
  return {
    url: required(settings, 'redisUrl'),
    ...(redisCaFile === undefined ? {} : { ca: textOf(redisCaFile) }),
    ...(redisSentinelPassword === undefined ? {} : { sentinelPassword: redisSentinelPassword }),
    ...(redisReachedAs === undefined ? {} : { reachedAs: reachedAs(redisReachedAs) }),
  };
}

function textOf(path: string): string {
  const problem = pemProblem(path, environmentName('redisCaFile'), 'certificate');
  if (problem !== undefined) throw new Fault('config', problem);
  return readFileSync(path, 'utf8');
}

function reachedAs(pairs: string): Record<string, RedisEndpoint> {
  const entries = pairs.split(',').map((pair): [string, RedisEndpoint] => {
    const [announced = '', reached = ''] = pair.split('=');
    const colon = reached.lastIndexOf(':');
    return [announced, { host: reached.slice(0, colon), port: Number(reached.slice(colon + 1)) }];
  });
  return Object.fromEntries(entries);
}

/**
 * The carriers of the carriers file. Their passwords are not read: only workers have them.
 * @throws Fault `config`.
 */
export function requiredCarriers(settings: Settings): readonly CarrierSettings[] {
  return describeCarriers(required(settings, 'carriers'));
}

/**
 * The same, divided into shards: what lies in Redis is theirs.
 * @throws Fault `config`.
 */
export function requiredShards(settings: Settings): readonly CarrierSettings[] {
  return requiredCarriers(settings).flatMap(shardsOf);
}

/**
 * Shards with their passwords, for who binds.
 * @throws Fault `config`.
 */
export function requiredAccounts(settings: Settings): readonly Carrier[] {
  return loadCarriers(required(settings, 'carriers'));
}
