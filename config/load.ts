/**
 * Environment and carriers file → checked, frozen configuration. The only reader of `process.env` for
 * settings. Never prints a value that could be a secret: faults name variables and paths only.
 */
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { Fault } from '../src/fault.ts';
import { type CarrierSettings, carrierRelations, carriersFileSchema } from './carriers.ts';
import { environmentName, type Settings, settingsRelations, settingsSchema } from './schema.ts';

/** A carrier with the password that its variable held. */
export type Carrier = CarrierSettings & { readonly password: string };

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Settings of this process.
 * @throws Fault `config` that lists every wrong variable by name.
 */
export function loadSettings(environment: Environment = process.env): Settings {
  const raw: Record<string, string> = {};
  for (const setting of Object.keys(settingsSchema.shape)) {
    const value = environment[environmentName(setting)];
    if (value !== undefined && value !== '') raw[setting] = value;
  }
  const parsed = settingsSchema.safeParse(raw);
  if (!parsed.success)
    throw wrong(
      'The environment is wrong',
      parsed.error.issues.map((i) => `${environmentName(String(i.path[0]))}: ${reasonOf(i)}`),
    );
  const relations = settingsRelations(parsed.data);
  if (relations.length > 0) throw wrong('The environment contradicts itself', relations);
  return Object.freeze(parsed.data);
}

/**
 * Carriers of the file, with their passwords from the environment.
 * @throws Fault `config` that lists every fault of the file by path.
 */
export function loadCarriers(path: string, environment: Environment = process.env): readonly Carrier[] {
  const parsed = carriersFileSchema.safeParse(readJson(path));
  if (!parsed.success)
    throw wrong(
      `The carriers file ${path} is wrong`,
      parsed.error.issues.map((i) => `${pathOf(i.path)}: ${reasonOf(i)}`),
    );
  const { carriers } = parsed.data;
  const problems = carrierRelations(carriers);
  carriers.forEach((carrier, index) => {
    const password = environment[carrier.passwordEnv];
    const at = `carriers[${index}].passwordEnv`;
    if (password === undefined) problems.push(`${at}: the environment has no ${carrier.passwordEnv}`);
    // SMPP 3.4 §4.1.1: password is a C-octet string of at most nine octets with its NUL.
    else if (!/^[\x20-\x7e]{0,8}$/.test(password))
      problems.push(`${at}: ${carrier.passwordEnv} must be at most 8 printable ASCII characters`);
  });
  if (problems.length > 0) throw wrong(`The carriers file ${path} is wrong`, problems);
  return carriers.map((carrier) => Object.freeze({ ...carrier, password: environment[carrier.passwordEnv] as string }));
}

function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new Fault('config', `The carriers file ${path} cannot be read; check TOCSIN_CARRIERS`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'it cannot be parsed';
    throw wrong(`The carriers file ${path} is not JSON`, [reason]);
  }
}

function pathOf(path: readonly PropertyKey[]): string {
  return (
    path.map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i > 0 ? '.' : ''}${String(part)}`)).join('') ||
    'the file'
  );
}

function reasonOf(issue: z.core.$ZodIssue): string {
  return issue.message;
}

function wrong(what: string, details: readonly string[]): Fault {
  return new Fault('config', `${what}:\n  ${details.join('\n  ')}`, { details });
}
