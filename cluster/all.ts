/**
 * `npm start`: the whole cluster on this machine, each part a process of its own, with embedded PostgreSQL and Redis
 * and simulated carriers where no others are configured; then a demonstration campaign with its progress.
 *
 *   npm start                  the demonstration, then keeps serving
 *   npm start -- --once        ends after the campaign; the last line is its summary as JSON
 *   npm start -- --no-demo     serves only
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadCarriers, loadSettings } from '../config/load.ts';
import type { Settings } from '../config/schema.ts';
import { ensureRolePasswords, migrate, urlOfRole } from '../src/db/migrate.ts';
import { isFault } from '../src/fault.ts';
import { type Child, startChild, type Surroundings } from './children.ts';
import { Demo, type DemoPreview, everyOutcome, summaryOf } from './demo.ts';
import { demoPasswordEnv, writeCarriersFile, writeSimulatorFile } from './demo-carriers.ts';
import { type Embedded, startEmbedded, tocsinHome } from './embedded.ts';
import { progressLine } from './progress-bar.ts';
import { loadSecrets, type Secrets, saveSecrets } from './secrets.ts';

/** Workers that `npm start` runs. */
const workers = 2;
/** Longest pause between two progress lines where there is no terminal to draw in. */
const plainLineMs = 1_000;

const help = `npm start [-- --once | --no-demo]
  (nothing)     a demonstration campaign goes out, then the cluster keeps serving
  --once        ends after the campaign; the last line is its summary as JSON
  --no-demo     serves only
Settings are environment variables; README lists them.
`;

type Flags = { readonly once: boolean; readonly demo: boolean };

/** What is running, last started first, so that it can be ended in that order. */
const running: { readonly name: string; stop(): Promise<void> }[] = [];
let stopping: Promise<void> | undefined;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function main(): Promise<void> {
  const flags = flagsOf(process.argv.slice(2));
  const settings = loadSettings();
  const home = tocsinHome();
  mkdirSync(home, { recursive: true });
  const secrets = loadSecrets(home);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void end(signal, 0));

  const embedded = await startServers(home, settings);
  const surroundings = await surroundingsOf(home, settings, secrets, embedded);
  const api = await startCluster(settings, surroundings);
  const origin = `http://${settings.host}:${String(api.announced['port'])}`;
  const succeeded = flags.demo ? await demonstrate(origin, home, secrets, flags) : true;
  if (flags.once) return await end('', succeeded ? 0 : 1);
  tellAddresses(origin, home, loadSecrets(home));
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

async function startServers(home: string, settings: Settings): Promise<Embedded> {
  const embedded = await startEmbedded({ home, databaseUrl: settings.databaseUrl, redisUrl: settings.redisUrl });
  running.unshift({ name: 'servers', stop: () => embedded.stop() });
  void embedded.ended.then((name) => unexpected(name, 'it stopped'));
  for (const name of embedded.started) say(`started ${name} (embedded)`);
  return embedded;
}

/** Migrates, starts the simulated carriers where none are configured, and says what the processes need to know. */
async function surroundingsOf(
  home: string,
  settings: Settings,
  secrets: Secrets,
  embedded: Embedded,
): Promise<ClusterSurroundings> {
  await migrate(embedded.databaseUrl);
  await ensureRolePasswords(embedded.databaseUrl, { api: secrets.apiPassword, service: secrets.servicePassword });
  const logFile = join(home, 'cluster.log');
  const environment: Record<string, string | undefined> = {
    ...process.env,
    REDIS_URL: embedded.redisUrl,
    TOCSIN_PLATFORM_KEY: settings.platformKey ?? secrets.platformKey,
  };
  if (settings.carriers === undefined) {
    environment[demoPasswordEnv] = secrets.carrierPassword;
    const file = writeSimulatorFile(home, secrets.carrierPassword);
    const smsc = await start('carrier simulator', 'smsc', { logFile, environment }, settings.graceMs, [
      '--carriers',
      file,
    ]);
    const servers = smsc.announced['servers'] as readonly { readonly port: number }[];
    environment['TOCSIN_CARRIERS'] = writeCarriersFile(
      home,
      servers.map(({ port }) => port),
    );
  } else loadCarriers(settings.carriers);
  return {
    logFile,
    shared: environment,
    apiUrl: urlOfRole(embedded.databaseUrl, 'tocsin_api', secrets.apiPassword),
    serviceUrl: urlOfRole(embedded.databaseUrl, 'tocsin_service', secrets.servicePassword),
  };
}

/** What the processes of the cluster share, and the two ways into PostgreSQL. */
type ClusterSurroundings = {
  readonly logFile: string;
  readonly shared: Readonly<Record<string, string | undefined>>;
  readonly apiUrl: string;
  readonly serviceUrl: string;
};

/** Starts what takes away before what brings in, so that nothing waits at a start; returns the API. */
async function startCluster(
  settings: Settings,
  { logFile, shared, apiUrl, serviceUrl }: ClusterSurroundings,
): Promise<Child> {
  const inService = { logFile, environment: { ...shared, DATABASE_URL: serviceUrl } };
  const withoutDatabase = { logFile, environment: { ...shared, DATABASE_URL: '' } };
  await start('recorder', 'recorder', inService, settings.graceMs);
  for (let number = 1; number <= workers; number++) {
    const environment = { ...withoutDatabase.environment, TOCSIN_WORKER_NAME: `worker-${number}` };
    await start(`worker ${number}`, 'worker', { logFile, environment }, settings.graceMs);
  }
  await start('planner', 'planner', inService, settings.graceMs);
  return await start('api', 'api', { logFile, environment: { ...shared, DATABASE_URL: apiUrl } }, settings.graceMs);
}

async function start(
  name: string,
  module: string,
  surroundings: Surroundings,
  graceMs: number,
  args?: string[],
): Promise<Child> {
  const child = await startChild(name, module, surroundings, args);
  running.unshift({ name, stop: () => child.stop(graceMs) });
  void child.ended.then((how) => unexpected(name, how));
  say(`started ${name}`);
  return child;
}

async function demonstrate(origin: string, home: string, secrets: Secrets, { once }: Flags): Promise<boolean> {
  const demo = new Demo(origin);
  let town = secrets.demo;
  if (town === undefined || !(await demo.knows(town))) {
    say('creating the demonstration town of Valmont-sur-Lys');
    town = await demo.createTown(secrets.platformKey);
    saveSecrets(home, { ...secrets, demo: town });
  }
  const { id, preview } = await demo.draft(town);
  tellPreview(preview);
  const launchedMs = performance.now();
  const draw = lineDrawer();
  const progress = await demo.launch(town, id, (now) =>
    draw(progressLine(now, (performance.now() - launchedMs) / 1000)),
  );
  draw(progressLine(progress, (performance.now() - launchedMs) / 1000), true);
  const summary = summaryOf(progress, (performance.now() - launchedMs) / 1000);
  const { planned, submitted, delivered, failed, unknown, seconds, perSecond } = summary;
  if (once) lastLine = JSON.stringify(summary);
  else
    say(
      `campaign ${id}: ${planned} planned, ${submitted} submitted, ${delivered} delivered, ${failed} failed, ` +
        `${unknown} unknown in ${seconds} s (${perSecond} a second)`,
    );
  return everyOutcome(progress);
}

/** Printed when everything has stopped, so that it is the last line. */
let lastLine = '';

function tellPreview({ recipients, duplicates, unreachable, segments, expectedSeconds, carriers }: DemoPreview): void {
  const by = carriers.map(({ carrier, recipients: count }) => `${count} by ${carrier}`).join(', ');
  say(
    `preview: ${recipients} recipients (${by}), ${segments} segments, about ${expectedSeconds} s; ` +
      `${duplicates} duplicates; cannot be reached: ${unreachable.noMobile} without a mobile, ` +
      `${unreachable.optedOut} opted out, ${unreachable.noCarrier} without a carrier`,
  );
}

/** Draws one line over and over on a terminal, or a line a second elsewhere. */
function lineDrawer(): (line: string, isLast?: boolean) => void {
  const { stdout } = process;
  let drawnMs = Number.NEGATIVE_INFINITY;
  return (line, isLast = false) => {
    if (stdout.isTTY) {
      stdout.write(`\r\x1b[2K${line.slice(0, stdout.columns - 1)}${isLast ? '\n' : ''}`);
      return;
    }
    if (!isLast && performance.now() - drawnMs < plainLineMs) return;
    drawnMs = performance.now();
    say(line);
  };
}

function tellAddresses(origin: string, home: string, { platformKey, demo }: Secrets): void {
  say('');
  say(`API            ${origin}`);
  say(`documentation  ${origin}/docs   (OpenAPI at ${origin}/openapi.json)`);
  if (demo !== undefined) say(`API key        ${demo.key}`);
  say(`platform key   ${process.env['TOCSIN_PLATFORM_KEY'] === undefined ? platformKey : 'as configured'}`);
  say(`data and logs  ${home}`);
  if (demo !== undefined) say(`\ntry: curl -s -H 'Authorization: Bearer ${demo.key}' '${origin}/campaigns?limit=1'`);
  say('Ctrl-C stops everything.');
}

function unexpected(name: string, how: string): void {
  if (stopping !== undefined) return;
  process.stderr.write(`${name} ended (${how}); stopping the rest\n`);
  void end('', 1);
}

/** Ends everything, last started first, and this process. */
async function end(signal: string, exitCode: number): Promise<void> {
  stopping ??= (async () => {
    if (signal !== '') say(`\n${signal}: draining and stopping`);
    for (const part of running) await part.stop();
    if (lastLine !== '') say(lastLine);
    process.exit(exitCode);
  })();
  await stopping;
}

main().catch((error: unknown) => {
  process.stderr.write(`${isFault(error) ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
  void end('', 1);
});
