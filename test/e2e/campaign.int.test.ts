/**
 * Campaigns over a whole cluster of real processes, as a user of the API sees them, judged by the carriers' own logs:
 * nobody is forgotten, nobody is written to twice, and what the API says is what happened.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Progress } from '../../src/handoff.ts';
import { newHome, type Running, startAll, startProcess } from '../support/cluster.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';
import { Api, type CampaignProgress, Watch } from './api.ts';
import { type Account, accountOf, tally } from './judge.ts';
import { counts, csvOf, type Expected, expectedOf, prefixes, residents, type Texts } from './town.ts';

const all = residents();
const folder = temporaryFolder();
const home = newHome(folder, 'home');
const passwords = { north: 'n0rd-pw', south: 's0uth-pw' };
const platformKey = 'platform-key-of-these-tests';
const logs = { north: join(folder, 'north.log'), south: join(folder, 'south.log') };
const texts: Texts = {
  fr:
    "Bonjour {{firstName|voisin}}, l'eau sera coupée mardi de 8 h à 12 h : {{street|votre rue}}. " +
    'Prévoyez des réserves. La mairie de Valmont vous remercie de votre patience',
  en: 'Hello {{firstName|neighbour}} {{lastName}}, water will be off in {{street|your street}} on Tuesday, 8 to 12.',
};
const town = { sender: 'VALMONT', nature: 'information', audience: { all: true }, defaultLanguage: 'fr' };

let smsc: Running;
let cluster: Running;
let api: Api;

beforeAll(async () => {
  // What is refused is refused for good: the log says so, and so must the report.
  const north = { errors: { '0x0b': 0.01 }, receiptMix: { delivered: 0.97, undeliverable: 0.03 } };
  // Long enough that whatever leaves after a pause leaves before the last receipt is here.
  const south = { receiptMix: { delivered: 0.98, expired: 0.02 }, receiptDelayMs: 1_600 };
  const simulated = [
    { behaviour: { ...north, receiptDelayMs: 200, receiptFirst: 0.01, latencyMs: 5 }, log: logs.north },
    { behaviour: { ...south, latencyMs: 20, messageIds: 'hexadecimal-in-response' }, log: logs.south },
  ].map((carrier, index) => {
    const password = index === 0 ? passwords.north : passwords.south;
    return { ...carrier, port: 0, seed: index + 1, accounts: [{ systemId: 'town', password }] };
  });
  const file = join(folder, 'simulator.json');
  writeFileSync(file, JSON.stringify(simulated));
  smsc = startProcess('smsc', { home: join(folder, 'smsc'), args: ['--carriers', file] });
  const [ready] = await smsc.line(/^\{.*\}$/);
  const { servers } = JSON.parse(ready) as { servers: { port: number }[] };
  const common = { host: '127.0.0.1', systemId: 'town', binds: 2, roundTripMs: 20 };
  const carriers = [
    { name: 'north', window: 100, ratePerSecond: 2_500, longMessages: 'udh' },
    { name: 'south', window: 100, ratePerSecond: 2_500, longMessages: 'sar', messageId: 'hexadecimal-in-response' },
  ].map((carrier, index) => {
    const [name, variable] = index === 0 ? (['north', 'NORTH'] as const) : (['south', 'SOUTH'] as const);
    return { ...common, ...carrier, port: servers[index]?.port, passwordEnv: variable, prefixes: prefixes[name] };
  });
  const carriersFile = join(folder, 'carriers.json');
  writeFileSync(carriersFile, JSON.stringify({ carriers }));
  cluster = startAll({
    home,
    args: ['--no-demo'],
    environment: {
      TOCSIN_CARRIERS: carriersFile,
      TOCSIN_LOG_LEVEL: 'debug',
      TOCSIN_PLATFORM_KEY: platformKey,
      NORTH: passwords.north,
      SOUTH: passwords.south,
    },
  });
  const [, origin = ''] = await cluster.line(/^API +(http:\S+)$/);
  const platform = new Api(origin, platformKey);
  const { id } = await platform.call<{ id: string }>('POST', '/organisations', { name: 'Valmont' });
  const { key } = await platform.call<{ key: string }>('POST', `/organisations/${id}/keys`, { name: 'tests' });
  api = new Api(origin, key);
  const report = await api.call('POST', '/residents/import', csvOf(all));
  expect(report).toMatchObject({ created: all.length, refused: 0 });
});

afterAll(async () => {
  cluster?.child.kill('SIGTERM');
  await cluster?.ended;
  smsc?.child.kill('SIGTERM');
  await smsc?.ended;
  removeFolder(folder);
});

type Result = Record<'address' | 'externalReference' | 'carrier' | 'language' | 'state', string>;
type Report = {
  readonly campaign: unknown;
  readonly progress: CampaignProgress;
  readonly carriers: readonly (Progress & { readonly carrier: string })[];
  readonly refusals: readonly { readonly carrier: string; readonly commandStatus: string; readonly segments: number }[];
};

/** Fails unless the account is of exactly those in `expected`, each with their text, by their carrier. */
function expectArrived(account: Account, expected: ReadonlyMap<string, Expected>): void {
  expect(account.faults).toEqual([]);
  const short = (of: ReadonlyMap<string, { readonly carrier: string; readonly text: string }>) =>
    [...of].map(([number, { carrier, text }]) => `${number} ${carrier} ${text}`).toSorted();
  expect(short(account.arrived)).toEqual(short(expected));
}

/** Fails unless the campaign's report, results and results.csv say of each number what `stateOf` says. */
async function expectResults(
  id: string,
  last: CampaignProgress,
  expected: ReadonlyMap<string, Expected>,
  stateOf: (number: string) => string,
): Promise<void> {
  const wanted = [...expected].map(([number, { carrier, language, resident }]) =>
    [`+${number}`, resident.externalReference, carrier, language, stateOf(number)].join(' '),
  );
  const line = ({ address, externalReference, carrier, language, state }: Result) =>
    [address, externalReference, carrier, language, state].join(' ');
  const csv = await api.call<string>('GET', `/campaigns/${id}/results.csv`);
  const rows: Result[] = parse(csv, { columns: true });
  expect(rows.map(line).toSorted()).toEqual(wanted.toSorted());
  const items: string[] = [];
  for await (const item of api.all<Result>(`/campaigns/${id}/results`)) items.push(line(item));
  expect(items).toEqual(rows.map(line));
  const states = tally([...expected.keys()].map(stateOf));
  const { delivered = 0, failed = 0, cancelled = 0, ...others } = states;
  expect(others).toEqual({});
  const totals = { planned: expected.size, delivered, failed, cancelled, unknown: 0, expired: 0 };
  expect(last).toMatchObject({ ...totals, pending: 0, awaitingReceipt: 0 });
  const { progress } = await api.call<Report>('GET', `/campaigns/${id}/report`);
  expect(progress).toEqual(last);
}

test('campaign - each reachable resident gets one message, whole, in their language, and the API says so', async () => {
  const expected = expectedOf(all, texts);
  const campaign = { ...town, name: 'water', sender: 'WATER', contents: texts };
  const { id } = await api.call<{ id: string }>('POST', '/campaigns', campaign);
  const preview = await api.call('GET', `/campaigns/${id}/preview`);
  const reach = {
    recipients: expected.size,
    duplicates: counts.duplicates,
    unreachable: { noMobile: counts.landlines, optedOut: 0, noCarrier: counts.unserved },
  };
  expect(preview).toMatchObject(reach);
  expect(expected.size).toBe(19_000);
  expect(Object.keys(tally([...expected.values()].map(({ carrier, language }) => carrier + language)))).toHaveLength(4);
  await api.call('POST', `/campaigns/${id}/launch`);
  const last = await new Watch(api, id).ended;

  expect(last.status).toBe('completed');
  const account = await accountOf(logs, 'WATER');
  expectArrived(account, expected);
  const parts = [...account.arrived.values()].map((arrived) => String(arrived.parts));
  expect(Object.keys(tally(parts))).toEqual(expect.arrayContaining(['1', '2', '3']));
  await expectResults(id, last, expected, (number) => account.arrived.get(number)?.state ?? 'missing');

  const report = await api.call<Report>('GET', `/campaigns/${id}/report`);
  expect(report.campaign).toMatchObject({ status: 'completed', ...reach });
  for (const { carrier, planned, delivered, failed } of report.carriers) {
    const of = [...account.arrived.values()].filter((arrived) => arrived.carrier === carrier);
    const states = tally(of.map(({ state }) => state));
    expect({ carrier, planned, delivered, failed }).toEqual({ carrier, planned: of.length, ...states });
  }
  expect(report.carriers).toHaveLength(2);
  const refusals = report.refusals.map((r) => [`${r.carrier} ${r.commandStatus}`, r.segments] as const);
  expect(new Map(refusals)).toEqual(account.refused);
});

test('pause - within a second nothing leaves any more; resume goes on, with none lost or doubled', async () => {
  const short: Texts = { fr: 'Bonjour {{firstName}}', en: 'Hello {{firstName}}' };
  const expected = expectedOf(all, short);
  const id = await api.launch({ ...town, name: 'pause', sender: 'PAUSE', contents: short });
  const watch = new Watch(api, id);
  await watch.until(({ submitted }) => submitted > 1_000);
  await api.call('POST', `/campaigns/${id}/pause`);
  const pausedMs = Date.now();
  // The last receipt of what had left comes more than a second after it.
  const quiet = await watch.until((p) => p.status === 'paused' && p.awaitingReceipt === 0);
  expect(quiet.pending).toBeGreaterThan(0);
  const resumedMs = Date.now();
  await api.call('POST', `/campaigns/${id}/resume`);
  const last = await watch.ended;

  expect(last.status).toBe('completed');
  const account = await accountOf(logs, 'PAUSE');
  expectArrived(account, expected);
  const whilePaused = account.atMs.filter((atMs) => atMs > pausedMs + 1_000 && atMs < resumedMs);
  expect(whilePaused).toEqual([]);
  expect(resumedMs - pausedMs).toBeGreaterThan(1_000);
  expect(account.atMs.filter((atMs) => atMs > resumedMs).length).toBeGreaterThanOrEqual(quiet.pending);
  await expectResults(id, last, expected, (number) => account.arrived.get(number)?.state ?? 'missing');
});

test('cancel - what has not left is settled as cancelled, what has left keeps its outcome', async () => {
  const short: Texts = { fr: 'Bonjour {{firstName}}', en: 'Hello {{firstName}}' };
  const expected = expectedOf(all, short);
  const id = await api.launch({ ...town, name: 'cancel', sender: 'CANCEL', contents: short });
  const watch = new Watch(api, id);
  await watch.until(({ submitted }) => submitted > 1_000);
  await api.call('POST', `/campaigns/${id}/cancel`);
  const last = await watch.ended;

  expect(last.status).toBe('cancelled');
  const account = await accountOf(logs, 'CANCEL');
  const left = new Map([...expected].filter(([number]) => account.arrived.has(number)));
  expect(left.size).toBeLessThan(expected.size);
  expectArrived(account, left);
  await expectResults(id, last, expected, (number) => account.arrived.get(number)?.state ?? 'cancelled');
});

test('logs - hold no password, key, number or text, even where everything is logged', () => {
  const files = ['cluster.log', join('postgres', 'server.log'), join('redis', 'server.log')];
  const log = files.map((file) => readFileSync(join(home, file), 'utf8')).join('\n');
  const secrets = JSON.parse(readFileSync(join(home, 'secrets.json'), 'utf8')) as Record<string, string>;
  const never = [...Object.values(passwords), ...Object.values(secrets), platformKey, api.key, 'coupée', 'neighbour'];
  expect(never.filter((text) => log.includes(text))).toEqual([]);
  expect(log.match(/(33639\d{6}|1\d{3}5550\d{3})/)).toBeNull();
  expect(log).toContain('campaign.planned');
});
