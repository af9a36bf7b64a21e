/**
 * Environment and carriers file → checked, frozen configuration. The only reader of `process.env` for
 * settings. Never prints a value that could be a secret: faults name variables and paths only.
 */
import { readFileSync } from 'node:fs';
import { Fault } from '../src/fault.ts';
import { issueWords } from '../src/wording.ts';
import { type CarrierSettings, carrierRelations, readCarriers } from './carriers.ts';
import { pemProblem } from './pem.ts';
import { environmentName, secretSettings, type Settings, settingsRelations, settingsSchema } from './schema.ts';
import { shardsOf } from './shards.ts';
import { type Environment, readSecret, readSecretFile, type SecretReading } from './secret.ts';
import { type UnknownVariable, unknownVariables } from './unknown.ts';

/** A carrier, or a shard of one, with the password that its variable or file held. */
export type Carrier = CarrierSettings & { readonly password: string };

/**
 * Settings of this process.
 * @throws Fault `config` that lists every wrong variable by name.
 */
export function loadSettings(environment: Environment = process.env): Settings {
  const raw: Record<string, string> = {};
  const unread: string[] = [];
  for (const setting of Object.keys(settingsSchema.shape)) {
    const name = environmentName(setting);
    const isSecret = (secretSettings as readonly string[]).includes(setting);
    const { value, problem } = isSecret ? readSecret(environment, name) : { value: environment[name] };
    if (problem !== undefined) unread.push(problem);
    if (value !== undefined && value !== '') raw[setting] = value;
  }
  if (unread.length > 0) throw wrong('The environment is wrong', unread);
  const parsed = settingsSchema.safeParse(raw, { error: issueWords });
  if (!parsed.success)
    throw wrong(
      'The environment is wrong',
      parsed.error.issues.map((i) => `${environmentName(String(i.path[0]))}: ${i.message}`),
    );
  const relations = settingsRelations(parsed.data);
  if (relations.length > 0) throw wrong('The environment contradicts itself', relations);
  return Object.freeze(parsed.data);
}

/** Variables that begin with TOCSIN_ and are neither settings nor a carrier's password; see unknown.ts. */
export function unknownSettings(
  { carriers: path }: Pick<Settings, 'carriers'>,
  environment: Environment = process.env,
): UnknownVariable[] {
  return unknownVariables(Object.keys(environment), path === undefined ? [] : passwordVariables(path));
}

function passwordVariables(path: string): string[] {
  try {
    return parseCarriers(path).flatMap(({ passwordEnv }) => passwordEnv ?? []);
  } catch {
    // Whoever needs the carriers tells what is wrong with their file.
    return [];
  }
}

/**
 * Carriers of the file as it describes them, not divided into shards, for who does not connect to them and so needs no
 * password.
 * @throws Fault `config` that lists every fault of the file by path.
 */
export function describeCarriers(path: string): readonly CarrierSettings[] {
  const carriers = parseCarriers(path);
  const problems = carrierRelations(carriers);
  if (problems.length > 0) throw wrong(`The carriers file ${path} is wrong`, problems);
  return carriers.map((carrier) => Object.freeze(carrier));
}

/**
 * Carriers of the file, divided into shards, with their passwords from the environment or their files. The files of
 * their TLS are only looked at: they are read anew for each connection.
 * @throws Fault `config` that lists every fault of the file by path.
 */
export function loadCarriers(path: string, environment: Environment = process.env): readonly Carrier[] {
  const carriers = parseCarriers(path);
  const problems = carrierRelations(carriers);
  const loaded = carriers.flatMap((carrier, index): Carrier[] => {
    const { value: password = '', problem } = passwordOf(carrier, `carriers[${index}]`, environment);
    if (problem !== undefined) problems.push(problem);
    problems.push(...tlsProblems(carrier, `carriers[${index}].tls`));
    return shardsOf(carrier).map((shard) => Object.freeze({ ...shard, password }));
  });
  if (problems.length > 0) throw wrong(`The carriers file ${path} is wrong`, problems);
  return loaded;
}

function tlsProblems({ tls }: CarrierSettings, at: string): string[] {
  const fields = [
    ['caFile', 'certificate'],
    ['certFile', 'certificate'],
    ['keyFile', 'key'],
  ] as const;
  return fields.flatMap(([field, what]) => {
    const path = tls?.[field];
    return path === undefined ? [] : (pemProblem(path, `${at}.${field}`, what) ?? []);
  });
}

/** The password of a carrier; which of the two fields names it was checked before. */
function passwordOf(
  { passwordEnv, passwordFile }: CarrierSettings,
  at: string,
  environment: Environment,
): SecretReading {
  // Neither or both: that is told as a contradiction of the file.
  if ((passwordEnv === undefined) === (passwordFile === undefined)) return {};
  const [field, name] = passwordEnv === undefined ? ['passwordFile', passwordFile ?? ''] : ['passwordEnv', passwordEnv];
  const found: SecretReading =
    field === 'passwordEnv' ? { value: environment[name] } : readSecretFile(name, `${at}.passwordFile`);
  if (found.problem !== undefined) return found;
  if (found.value === undefined) return { problem: `${at}.passwordEnv: the environment has no ${name}` };
  // SMPP 3.4 §4.1.1: password is a C-octet string of at most nine octets with its NUL.
  if (/^[\x20-\x7e]{0,8}$/.test(found.value)) return found;
  return { problem: `${at}.${field}: ${name} must be at most 8 printable ASCII characters` };
}

function parseCarriers(path: string): readonly CarrierSettings[] {
  const read = readCarriers(readJson(path));
  if ('problems' in read) throw wrong(`The carriers file ${path} is wrong`, read.problems);
  return read.carriers;
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
    // Of what is no carriers file at all nothing is quoted: it may be a file of secrets.
    throw wrong(`The carriers file ${path} is not JSON`, [/^\s*\{/.test(text) ? reason : 'it must begin with {']);
  }
}

function wrong(what: string, details: readonly string[]): Fault {
  return new Fault('config', `${what}:\n  ${details.join('\n  ')}`, { details });
}
