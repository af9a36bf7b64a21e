/**
 * Flags of the carrier simulator's command line, checked one by one so that an error names its flag.
 */
import { readFileSync } from 'node:fs';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { Fault, isFault } from '../src/fault.ts';
import { type Behaviour, checkBehaviour } from '../src/smsc/behaviour.ts';
import type { SmscOptions } from '../src/smsc/server.ts';

/** What `--help` prints. */
export const smscHelp = `Simulates SMS carriers over SMPP 3.4.

  npm run smsc -- [flags]

  --port N                 port to listen on; 0 takes a free one (2775)
  --host ADDRESS           address to listen on (127.0.0.1)
  --system-id ID           account that may bind (tocsin)
  --password TEXT          its password (tocsin)
  --account ID:PASSWORD    a further account; may be repeated
  --log FILE               appends everything received to FILE
  --memory FILE            keeps receipts that are still to come, and message ids, over an orderly restart
  --http PORT              GET /stats, GET and POST /behaviour, POST /disconnect on loopback; 0 takes a free port
  --seed N                 seed of every chance (1)
  --tls-key, --tls-cert    PEM files; with both the port speaks TLS
  --carriers FILE          several carriers in one process: a JSON array of objects with port, accounts
                           [{systemId, password}], behaviour {…}, log, memory, httpPort,
                           seed; other flags are not allowed

Limits (0 means none)
  --rate N                 accepted submit_sm in any second; more get ESME_RTHROTTLED
  --window N               unanswered submit_sm of a bind; more get ESME_RMSGQFUL
  --binds-max N            binds of an account; a further one gets ESME_RALYBND
Faults (shares are 0 to 1)
  --latency-ms N           time before an answer; --latency-jitter-ms N adds up to N by chance
  --read-pause-ms N        pause after each read
  --throttle SHARE         answered ESME_RTHROTTLED by chance
  --error CODE=SHARE       answered CODE, such as 0x0b, by chance; may be repeated
  --silence SHARE          taken but never answered
  --unresponsive           answers nothing at all
  --disconnect-every N     breaks the connection at each Nth submit_sm of a bind
  --bind-status CODE       refuses every bind with CODE
Receipts
  --mix STATE=SHARE,…      final states; what is missing to 1 gets no receipt (delivered=1)
  --receipt-delay-ms N     time before a receipt; --receipt-jitter-ms N adds up to N by chance
  --receipt-form FORM      text, tlv or both (both)
  --receipt-first SHARE    sent before the submit_sm_resp
  --receipt-other-bind     sent on another bind of the account
  --receipt-window N       unanswered receipts of a bind (1000)
  --receipt-retry-ms N     an unanswered receipt is sent again after N (30000)
  --id SPELLING            as-is, hexadecimal, decimal, hexadecimal-in-response or decimal-in-response (as-is)
`;

/** Flags that are one setting of the behaviour each. */
const settings = {
  rate: 'ratePerSecond',
  window: 'windowMax',
  'binds-max': 'bindsMax',
  'latency-ms': 'latencyMs',
  'latency-jitter-ms': 'latencyJitterMs',
  'read-pause-ms': 'readPauseMs',
  silence: 'silence',
  unresponsive: 'unresponsive',
  'disconnect-every': 'disconnectEvery',
  'bind-status': 'bindStatus',
  'receipt-delay-ms': 'receiptDelayMs',
  'receipt-jitter-ms': 'receiptJitterMs',
  'receipt-form': 'receiptForm',
  'receipt-first': 'receiptFirst',
  'receipt-other-bind': 'receiptOtherBind',
  'receipt-window': 'receiptWindow',
  'receipt-retry-ms': 'receiptRetryMs',
  id: 'messageIds',
} as const satisfies Record<string, keyof Behaviour>;

const texts = new Set<string>(['receipt-form', 'id']);
const switches = new Set<string>(['unresponsive', 'receipt-other-bind']);

const options: NonNullable<ParseArgsConfig['options']> = {
  help: { type: 'boolean' },
  account: { type: 'string', multiple: true },
  error: { type: 'string', multiple: true },
};
const plainFlags = [
  'port',
  'host',
  'system-id',
  'password',
  'log',
  'memory',
  'http',
  'seed',
  'tls-key',
  'tls-cert',
  'carriers',
  'throttle',
  'mix',
];
for (const flag of plainFlags) options[flag] = { type: 'string' };
for (const flag of Object.keys(settings)) options[flag] = { type: switches.has(flag) ? 'boolean' : 'string' };

type Flags = ReturnType<typeof parseArgs>['values'];

function parse(argv: readonly string[]): Flags {
  try {
    return parseArgs({ args: [...argv], options, strict: true }).values;
  } catch (cause) {
    throw new Fault('input', cause instanceof Error ? cause.message : 'the flags cannot be read', { cause });
  }
}

function text(flags: Flags, flag: string): string | undefined {
  const value = flags[flag];
  return typeof value === 'string' ? value : undefined;
}

function wholeNumber(flags: Flags, flag: string, byDefault: number, max: number): number {
  const value = Number(text(flags, flag) ?? byDefault);
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new Fault('input', `--${flag} must be a whole number from 0 to ${max}`);
}

/** `a=0.9,b=0.1` as shares by name. */
function shares(flag: string, parts: readonly string[]): Record<string, number> {
  const pairs = parts.map((part) => {
    const [name = '', share = '', ...rest] = part.split('=');
    if (name === '' || share === '' || rest.length > 0) throw new Fault('input', `--${flag} wants NAME=SHARE`);
    return [name.trim(), Number(share)] as const;
  });
  return Object.fromEntries(pairs);
}

/** The behaviour that the flags ask for; every problem names its flag. */
function behaviourOf(flags: Flags): Partial<Behaviour> {
  let behaviour: Partial<Behaviour> = {};
  const set = (flag: string, setting: keyof Behaviour, value: unknown) => {
    try {
      behaviour = { ...behaviour, ...checkBehaviour({ [setting]: value }) };
    } catch (cause) {
      if (!isFault(cause, 'input')) throw cause;
      throw new Fault('input', `--${flag}: ${cause.message.slice(setting.length + 1)}`, { cause });
    }
  };
  for (const [flag, setting] of Object.entries(settings)) {
    const value = flags[flag];
    if (value === undefined) continue;
    const isText = texts.has(flag) || switches.has(flag);
    set(flag, setting, isText ? value : value === '' ? Number.NaN : Number(value));
  }
  const mix = text(flags, 'mix');
  if (mix !== undefined) set('mix', 'receiptMix', shares('mix', mix.split(',')));
  const errors = shares('error', (flags['error'] as string[] | undefined) ?? []);
  const throttle = text(flags, 'throttle');
  if (throttle !== undefined) errors['0x58'] = Number(throttle);
  if (Object.keys(errors).length > 0) set('error', 'errors', errors);
  return behaviour;
}

function accountsOf(flags: Flags): SmscOptions['accounts'] {
  const more = ((flags['account'] as string[] | undefined) ?? []).map((pair) => {
    const colon = pair.indexOf(':');
    if (colon < 1) throw new Fault('input', '--account wants ID:PASSWORD');
    return { systemId: pair.slice(0, colon), password: pair.slice(colon + 1) };
  });
  const first = { systemId: text(flags, 'system-id') ?? 'tocsin', password: text(flags, 'password') ?? 'tocsin' };
  return [first, ...more];
}

function fileOf(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new Fault('input', `--${flag}: ${path} cannot be read`, { cause });
  }
}

/** What the flags ask to start: one carrier, or those of a file. */
function carriersOf(flags: Flags): SmscOptions[] {
  const file = text(flags, 'carriers');
  if (file === undefined) return [carrierOf(flags)];
  if (Object.keys(flags).length > 1) throw new Fault('input', '--carriers stands alone: its file says everything');
  return carriersIn(fileOf('carriers', file), file);
}

function carrierOf(flags: Flags): SmscOptions {
  const log = text(flags, 'log');
  const memory = text(flags, 'memory');
  const http = text(flags, 'http');
  const key = text(flags, 'tls-key');
  const cert = text(flags, 'tls-cert');
  if ((key === undefined) !== (cert === undefined)) throw new Fault('input', '--tls-key and --tls-cert go together');
  return {
    accounts: accountsOf(flags),
    port: wholeNumber(flags, 'port', 2775, 65_535),
    host: text(flags, 'host') ?? '127.0.0.1',
    behaviour: behaviourOf(flags),
    seed: wholeNumber(flags, 'seed', 1, 0xffffffff),
    ...(log === undefined ? {} : { log }),
    ...(memory === undefined ? {} : { memory }),
    ...(http === undefined ? {} : { httpPort: wholeNumber(flags, 'http', 0, 65_535) }),
    ...(key === undefined || cert === undefined
      ? {}
      : { tls: { key: fileOf('tls-key', key), cert: fileOf('tls-cert', cert) } }),
  };
}

const carrierKeys = new Set(['accounts', 'port', 'host', 'behaviour', 'seed', 'log', 'memory', 'httpPort', 'tls']);

function carriersIn(json: string, path: string): SmscOptions[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new Fault('input', `--carriers: ${path} is not JSON`, { cause });
  }
  if (!Array.isArray(value) || value.length === 0) throw new Fault('input', `--carriers: ${path} wants a JSON array`);
  for (const [index, carrier] of (value as Record<string, unknown>[]).entries()) {
    const unknown = Object.keys(carrier).filter((key) => !carrierKeys.has(key));
    if (unknown.length > 0) throw new Fault('input', `--carriers: ${path}[${index}] has unknown ${unknown.join(', ')}`);
    if (!Array.isArray(carrier['accounts'])) throw new Fault('input', `--carriers: ${path}[${index}] has no accounts`);
    checkBehaviour(carrier['behaviour'] ?? {});
  }
  return value as SmscOptions[];
}

/** What the flags ask for: the help text, or the carriers to start. Throws a `Fault` of code `input`. */
export function smscFlags(argv: readonly string[]): { readonly help: true } | { readonly carriers: SmscOptions[] } {
  const flags = parse(argv);
  return flags['help'] === true ? { help: true } : { carriers: carriersOf(flags) };
}
