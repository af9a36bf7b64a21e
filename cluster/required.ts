/** Settings without which a process of the cluster cannot start. */
import type { CarrierSettings } from '../config/carriers.ts';
import { type Carrier, describeCarriers, loadCarriers } from '../config/load.ts';
import { environmentName, type Settings } from '../config/schema.ts';
import { Fault } from '../src/fault.ts';

const purposes = {
  databaseUrl: 'name the PostgreSQL of the cluster',
  redisUrl: 'name the Redis of the cluster',
  carriers: 'name the carriers file',
  platformKey: 'hold the key of the platform’s owner',
} as const;

/**
 * The value of a setting that has no default.
 * @throws Fault `config` that names the variable.
 */
export function required(settings: Settings, name: keyof typeof purposes): string {
  const value = settings[name];
  if (value === undefined) throw new Fault('config', `${environmentName(name)} must ${purposes[name]}`);
  return value;
}

/**
 * The carriers of the carriers file. Their passwords are not read: only workers have them.
 * @throws Fault `config`.
 */
export function requiredCarriers(settings: Settings): readonly CarrierSettings[] {
  return describeCarriers(required(settings, 'carriers'));
}

/**
 * The carriers of the carriers file with their passwords, for who binds.
 * @throws Fault `config`.
 */
export function requiredAccounts(settings: Settings): readonly Carrier[] {
  return loadCarriers(required(settings, 'carriers'));
}
