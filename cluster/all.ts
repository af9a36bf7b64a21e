/**
 * `npm start`: the whole cluster on this machine, each part a process of its own, with embedded PostgreSQL and Redis
 * and simulated carriers where no others are configured; then a demonstration campaign with its progress.
 *
 *   npm start                  the demonstration, then keeps serving
 *   npm start -- --once        ends after the campaign; the last line is its summary as JSON
 *   npm start -- --no-demo     serves only
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { loadCarriers, loadSettings, unknownSettings } from '../config/load.ts';
import type { Settings } from '../config/schema.ts';
import { tellUnknown } from '../config/unknown.ts';
import { ensureRolePasswords, migrate, urlOfRole } from '../src/db/migrate.ts';
import { Fault, isFault } from '../src/fault.ts';
import { type Child, startChild, type Surroundings } from './children.ts';
import { demoPasswordEnv, writeCarriersFile, writeSimulatorFile } from './demo-carriers.ts';
import { demonstrate } from './demo-run.ts';
import { type Embedded, startEmbedded, tocsinHome } from './embedded.ts';
import { type Guard, guardServers } from './embedded-guard.ts';
import { requirePort } from './embedded-port.ts';
import { seldom, waitingText } from './migration.ts';
import { quoted, writeOperatorFile } from './operator-file.ts';
import { loadSecrets, type Secrets } from './secrets.ts';
import { wordsOf } from './words.ts';

/** Workers that `npm start` runs. */
const workers = 2;

const help = `npm start [-- --once | --no-demo]
  (nothing)     a demonstration campaign goes out, then the cluster keeps serving
  --once        ends after the campaign; the last line is its summary as JSON
  --no-demo     serves only
Settings are environment variables; README lists them.
`;

type Flags = { readonly once: boolean; readonly demo: boolean };

/** What is running, last started first, so that it can be ended in that order. */
const running: { readonly name: string; stop(): Promise<void> }[] = [];
/** Addresses of the processes' health, in the order in which they started. */
const health: { readonly name: string; readonly port: number }[] = [];
const stopping = new AbortController();
/** Printed when everything has stopped, so that it is the last line. */
let lastLine = '';

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Starts everything. Resolves with the exit code when there is nothing left to do; with none it goes on serving. */
async function main(flags: Flags): Promise<number | undefined> {
  const settings = loadSettings();
  for (const unknown of unknownSettings(settings)) process.stderr.write(`${tellUnknown(unknown)}\n`);
  if (settings.carriers !== undefined) loadCarriers(settings.carriers);
  await requirePorts(settings);
  const home = tocsinHome();
  const secrets = loadSecrets(home);
  const { embedded, guard } = await startServers(home, settings);
  const surroundings = await surroundingsOf(home, settings, secrets, embedded, guard);
  const api = await startCluster(settings, surroundings);
  const operatorFile = writeOperatorFile(home, {
    REDIS_URL: embedded.redisUrl,
    DATABASE_URL: surroundings.serviceUrl,
    TOCSIN_CARRIERS: resolve(surroundings.shared['TOCSIN_CARRIERS'] ?? ''),
  });
  const origin = `http://${settings.host}:${String(api.announced['port'])}`;
  const platformKey = settings.platformKey ?? secrets.platformKey;
  if (flags.demo) {
    const { summary, everyOutcome } = await demonstrate({ origin, platformKey, home, secrets }, say);
    if (flags.once) {
      lastLine = JSON.stringify(summary);
      return everyOutcome ? 0 : 1;
    }
    const { campaign, planned, submitted, delivered, failed, unknown, seconds, perSecond } = summary;
    say(
      `campaign ${campaign}: ${planned} planned, ${submitted} submitted, ${delivered} delivered, ${failed} failed, ` +
        `${unknown} unknown in ${seconds} s (${perSecond} a second)`,
    );
  }
  tellAddresses(settings, origin, home, loadSecrets(home));
  say(`operator       set -a; . ${quoted(operatorFile)}; set +a; npx tocsin status`);
  say('Ctrl-C stops everything.');
  return undefined;
}

/** Who listens last, the API, would otherwise find out after all else was started. */
async function requirePorts({ host, port, healthPort }: Settings): Promise<void> {
  // A recorder, a planner and an API beside the workers.
  const ofHealth = healthPort === 0 ? [] : Array.from({ length: workers + 3 }, (_, at) => healthPort + at);
  if (ofHealth.includes(port))
    throw new Fault(
      'config',
      `PORT (${port}) must not be one of the ${ofHealth.length} ports from TOCSIN_HEALTH_PORT (${healthPort}) on, ` +
        'of which each process takes one',
    );
  await requirePort(host, port, 'PORT');
  for (const of of ofHealth) await requirePort(host, of, 'TOCSIN_HEALTH_PORT');
}

function flagsOf(argv: string[]): Flags {
  try {
    const { values } = parseArgs({
      args: argv,
      options: { once: { type: 'boolean' }, 'no-demo': { type: 'boolean' }, help: { type: 'boolean' } },
    });
    if (values.help === true) {
      process.stdout.write(help);
      process.exit(0);
    }
    if (values.once === true && values['no-demo'] === true) throw new Error('--once and --no-demo exclude one another');
    return { once: values.once === true, demo: values['no-demo'] !== true };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${help}`);
    process.exit(2);
  }
}

async function startServers(home: string, settings: Settings): Promise<{ embedded: Embedded; guard?: Guard }> {
  const embedded = await startEmbedded({ home, databaseUrl: settings.databaseUrl, redisUrl: settings.redisUrl });
  running.unshift({ name: 'servers', stop: () => embedded.stop() });
  void embedded.ended.then((name) => unexpected(name, 'it stopped'));
  for (const name of embedded.started) say(`started ${name} (embedded)`);
  if (embedded.servers.length === 0) return { embedded };
  const guard = guardServers(home, embedded.servers);
  running.unshift({ name: 'guard', stop: async () => guard.dismiss() });
  return { embedded, guard };
}

/** Migrates, starts the simulated carriers where none are configured, and says what the processes need to know. */
async function surroundingsOf(
  home: string,
  settings: Settings,
  secrets: Secrets,
  embedded: Embedded,
  guard: Guard | undefined,
): Promise<ClusterSurroundings> {
  await prepareDatabase(embedded.databaseUrl, secrets);
  const logFile = join(home, 'cluster.log');
  const inUse = guard?.inUse;
  const environment: Record<string, string | undefined> = {
    ...process.env,
    REDIS_URL: embedded.redisUrl,
    TOCSIN_PLATFORM_KEY: settings.platformKey ?? secrets.platformKey,
    // Read already: a variable and its file at once would be refused.
    DATABASE_URL_FILE: '',
    REDIS_URL_FILE: '',
    TOCSIN_PLATFORM_KEY_FILE: '',
  };
  if (settings.carriers === undefined) {
    environment[demoPasswordEnv] = secrets.carrierPassword;
    const file = writeSimulatorFile(home, secrets.carrierPassword);
    const smsc = await start('carrier simulator', 'smsc', { logFile, inUse, environment }, settings, [
      '--carriers',
      file,
    ]);
    const servers = smsc.announced['servers'] as readonly { readonly port: number }[];
    environment['TOCSIN_CARRIERS'] = writeCarriersFile(
      home,
      servers.map(({ port }) => port),
    );
  }
  return {
    logFile,
    inUse,
    shared: environment,
    apiUrl: urlOfRole(embedded.databaseUrl, 'tocsin_api', secrets.apiPassword),
    serviceUrl: urlOfRole(embedded.databaseUrl, 'tocsin_service', secrets.servicePassword),
  };
}

async function prepareDatabase(ownerUrl: string, { apiPassword, servicePassword }: Secrets): Promise<void> {
  stopping.signal.throwIfAborted();
  await migrate(ownerUrl, { onBusy: seldom((waiting) => say(`the migration ${waitingText(waiting)}`)) });
  await ensureRolePasswords(ownerUrl, { api: apiPassword, service: servicePassword });
}

/** What the processes of the cluster share, and the two ways into PostgreSQL. */
type ClusterSurroundings = {
  readonly logFile: string;
  readonly inUse: number | undefined;
  readonly shared: Readonly<Record<string, string | undefined>>;
  readonly apiUrl: string;
  readonly serviceUrl: string;
};

/** Starts what takes away before what brings in, so that nothing waits at a start; returns the API. */
async function startCluster(
  settings: Settings,
  { logFile, inUse, shared, apiUrl, serviceUrl }: ClusterSurroundings,
): Promise<Child> {
  const inService = { logFile, inUse, environment: { ...shared, DATABASE_URL: serviceUrl } };
  await start('recorder', 'recorder', inService, settings);
  for (let number = 1; number <= workers; number++) {
    const environment = { ...shared, DATABASE_URL: '', TOCSIN_WORKER_NAME: `worker-${number}` };
    await start(`worker ${number}`, 'worker', { logFile, inUse, environment }, settings);
  }
  await start('planner', 'planner', inService, settings);
  const environment = { ...shared, DATABASE_URL: apiUrl };
  return await start('api', 'api', { logFile, inUse, environment }, settings);
}

async function start(
  name: string,
  module: string,
  surroundings: Surroundings,
  { graceMs, healthPort }: Settings,
  args?: string[],
): Promise<Child> {
  stopping.signal.throwIfAborted();
  // One machine, one variable, several processes: each takes the next port.
  const port = healthPort === 0 ? 0 : healthPort + health.length;
  const environment = { ...surroundings.environment, TOCSIN_HEALTH_PORT: String(port) };
  const child = await startChild(name, module, { ...surroundings, environment, abort: stopping.signal }, args);
  running.unshift({ name, stop: () => child.stop(graceMs) });
  void child.ended.then((how) => unexpected(name, how));
  const { healthPort: listening } = child.announced;
  if (typeof listening === 'number') health.push({ name, port: listening });
  say(`started ${name}`);
  return child;
}

function tellAddresses(settings: Settings, origin: string, home: string, { platformKey, demo }: Secrets): void {
  say('');
  say(`API            ${origin}`);
  say(`documentation  ${origin}/docs   (OpenAPI at ${origin}/openapi.json)`);
  if (demo !== undefined) say(`API key        ${demo.key}`);
  say(`platform key   ${settings.platformKey === undefined ? platformKey : 'as configured'}`);
  say(`data and logs  ${home}`);
  for (const { name, port } of health)
    say(`health         http://${settings.host}:${port}/readyz   (${name}; also /metrics)`);
  if (demo !== undefined) say(`\ntry: curl -s -H 'Authorization: Bearer ${demo.key}' '${origin}/campaigns?limit=1'`);
}

function unexpected(name: string, how: string): void {
  if (stopping.signal.aborted) return;
  process.stderr.write(`${name} ended (${how}); stopping the rest\n`);
  void end(1);
}

/** Ends everything, last started first, and this process. */
async function end(exitCode: number): Promise<void> {
  if (stopping.signal.aborted) return;
  stopping.abort();
  await stopRunning();
  // What was being started has noticed by now, or is told when it is there.
  await Promise.allSettled([work]);
  await stopRunning();
  if (lastLine !== '') say(lastLine);
  process.exit(exitCode);
}

async function stopRunning(): Promise<void> {
  for (let part = running.shift(); part !== undefined; part = running.shift()) await part.stop();
}

/** What went wrong, in words; a bug keeps its stack. */
function told(error: unknown): string {
  if (isFault(error)) return wordsOf(error);
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

// Where nobody reads any more, as behind a pipe that was closed, it goes on without words.
process.stdout.on('error', () => undefined);
const flags = flagsOf(process.argv.slice(2));
const work = main(flags);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    // Who asks twice does not want to wait. What runs ends by itself without us.
    if (stopping.signal.aborted) process.exit(1);
    say(`\n${signal}: draining and stopping; once more ends it at once, and leaves the rest to the next start`);
    // Without its campaign's end, `--once` has not done what it was asked for.
    void end(flags.once ? 1 : 0);
  });
work.then(
  (exitCode) => (exitCode === undefined ? undefined : end(exitCode)),
  (error: unknown) => {
    // Whatever fails while everything is being stopped fails because of that.
    if (stopping.signal.aborted) return undefined;
    process.stderr.write(`${told(error)}\n`);
    return end(1);
  },
);
