/**
 * What a running cluster says of itself after a campaign: metrics of every process, as README lists them, the trace of
 * the campaign, and logs. None of it names a number, a person or a text, and metrics name no campaign either.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { documentedMetrics } from '../../cluster/metrics-table.ts';
import { outcomeCodes } from '../../src/handoff.ts';
import { newHome, type Running, startAll } from '../support/cluster.ts';
import { type CollectedSpan, startCollector } from '../support/collector.ts';
import { type Family, readExposition } from '../support/exposition.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';
import { Api, type CampaignProgress, Watch } from './api.ts';

const folder = temporaryFolder();
const home = newHome(folder, 'home');
const platformKey = 'platform-key-of-these-tests';
const each = 150;
/** Numbers of each carrier of the demonstration. */
const numbers = ['33639980', '33639982'].flatMap((start) =>
  Array.from({ length: each }, (_, n) => `+${start}${String(n).padStart(3, '0')}`),
);
/** Words that stand nowhere else. */
const words = { first: 'Zéphyrine', last: 'Quincampoix', street: 'impasse Sentinelle', text: 'crue-subite' };
const organisation = 'Saint-Hippolyte';

let collector: Awaited<ReturnType<typeof startCollector>>;
let cluster: Running;
let api: Api;
let tenant: string;
let campaign: string;
let last: CampaignProgress;
/** Addresses of the processes' health, by their name. */
const health = new Map<string, string>();

beforeAll(async () => {
  collector = await startCollector();
  const traces = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: '100' };
  const environment = { ...traces, TOCSIN_LOG_LEVEL: 'debug', TOCSIN_PLATFORM_KEY: platformKey };
  cluster = startAll({ home, args: ['--no-demo'], environment });
  const [, origin = ''] = await cluster.line(/^API +(http:\S+)$/);
  for (const name of ['recorder', 'worker 1', 'worker 2', 'planner', 'api']) {
    const [, address = ''] = await cluster.line(new RegExp(`^health +(http:\\S+)/readyz +\\(${name};`));
    health.set(name, address);
  }
  const platform = new Api(origin, platformKey);
  const { id } = await platform.call<{ id: string }>('POST', '/organisations', { name: organisation });
  tenant = id;
  const { key } = await platform.call<{ key: string }>('POST', `/organisations/${id}/keys`, { name: 'tests' });
  api = new Api(origin, key);
  const rows = numbers.map((mobile, n) => `S-${n},${words.first},${words.last},fr,${words.street},${mobile}`);
  const csv = ['externalReference,firstName,lastName,language,street,mobile', ...rows].join('\n');
  expect(await api.call('POST', '/residents/import', csv)).toMatchObject({ created: numbers.length });
  campaign = await api.launch({
    name: 'river',
    nature: 'alert',
    sender: 'RIVER',
    audience: { all: true },
    defaultLanguage: 'fr',
    contents: { fr: `{{firstName}} {{lastName}}, ${words.text} : quittez {{street}}.` },
  });
  last = await new Watch(api, campaign).ended;
});

afterAll(async () => {
  cluster?.child.kill('SIGTERM');
  await cluster?.ended;
  await collector?.stop();
  removeFolder(folder);
});

/** What every process says, by its name; families by theirs. */
async function scrape(): Promise<Map<string, Map<string, Family>>> {
  const scraped = new Map<string, Map<string, Family>>();
  for (const [name, address] of health) {
    const response = await fetch(`${address}/metrics`);
    expect(response.headers.get('content-type')).toContain('version=0.0.4');
    scraped.set(name, readExposition(await response.text()));
  }
  return scraped;
}

/** Sum over all processes of a sample's values, of those with all of `labels`. */
function sum(
  scraped: ReadonlyMap<string, ReadonlyMap<string, Family>>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  let total = 0;
  for (const families of scraped.values())
    for (const family of families.values())
      for (const sample of family.samples)
        if (sample.name === name && Object.entries(labels).every(([label, is]) => sample.labels[label] === is))
          total += sample.value;
  return total;
}

const roleOf = (process: string) => process.split(' ')[0] ?? '';

test('metrics - every process has what README lists for it, of that type and with those labels, no more', async () => {
  for (const [name, families] of await scrape()) {
    const role = roleOf(name);
    const ours = [...families.values()].filter((family) => family.name.startsWith('tocsin_'));
    const shown = ours.map(({ name: metric, type, help }) => ({ name: metric, type, help }));
    const documented = documentedMetrics().filter(({ processes }) => processes.includes(role));
    const listed = documented.map(({ name: metric, type, help }) => ({ name: metric, type, help }));
    const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name);
    expect(shown.toSorted(byName)).toEqual(listed.toSorted(byName));
    for (const { name: metric, labels } of documented)
      for (const sample of families.get(metric)?.samples ?? [])
        expect(
          Object.keys(sample.labels)
            .filter((label) => label !== 'le')
            .toSorted(),
        ).toEqual([...labels, 'role'].toSorted());
    expect(families.has('nodejs_eventloop_lag_p99_seconds')).toBe(true);
  }
});

test('metrics - after a campaign they say what happened', async () => {
  let scraped = await scrape();
  // What is asked for every few seconds comes to rest.
  const asked = ['outbox_rows', 'unrecorded_entries', 'waiting_bytes', 'oldest_batch_seconds', 'campaigns_unplanned'];
  while (asked.some((name) => sum(scraped, `tocsin_${name}`) > 0)) scraped = await scrape();
  const of = (name: string, labels: Record<string, string> = {}) => sum(scraped, name, labels);
  expect(last.status).toBe('completed');
  const alert = { lane: 'alert' };
  const accepted = of('tocsin_segments_total', { ...alert, outcome: 'accepted' });
  // A throttled segment was written more than once.
  expect(of('tocsin_submits_total', alert)).toBe(accepted + of('tocsin_throttles_total', alert));
  expect(accepted).toBe(last.planned);
  expect(of('tocsin_submits_total', { carrier: 'south', ...alert })).toBeGreaterThanOrEqual(each);
  expect(of('tocsin_submits_total', { lane: 'information' })).toBe(0);
  expect(of('tocsin_deliveries_total', { kind: 'receipts' })).toBe(accepted);
  expect(of('tocsin_record_rows_total')).toBe(2 * accepted);
  expect(of('tocsin_record_flush_seconds_count')).toBeGreaterThan(0);
  expect(of('tocsin_response_seconds_count')).toBeGreaterThan(0);
  expect(of('tocsin_response_seconds_sum')).toBeGreaterThan(0);
  expect(of('tocsin_first_submit_seconds_count', alert)).toBe(1);
  expect(of('tocsin_first_submit_seconds_sum', alert)).toBeGreaterThan(0);
  expect(of('tocsin_campaigns_planned_total', alert)).toBe(1);
  expect(of('tocsin_freeze_seconds_count', alert)).toBe(1);
  expect(of('tocsin_slots_held', { carrier: 'north' })).toBe(4);
  expect(of('tocsin_binds_bound')).toBe(6);
  expect(of('tocsin_slots_contract', { carrier: 'north' })).toBe(2 * 4);
  expect(of('tocsin_window_total')).toBe(4 * 100 + 2 * 50);
  expect(of('tocsin_recorder_carriers')).toBe(2);
  expect(of('tocsin_reconciles_total', { result: 'good' })).toBeGreaterThan(0);
  expect(of('tocsin_carrier_usable')).toBe(2);
  expect(of('tocsin_redis_ready')).toBe(1 + 2 * 3 + 2 + 2);
  expect(of('tocsin_database_connections', { state: 'idle' })).toBeGreaterThan(0);
  expect(of('tocsin_database_connections_max')).toBeGreaterThanOrEqual(30);
  const launches = { route: 'POST /campaigns/:id/launch', status: '2xx' };
  expect(of('tocsin_api_requests_total', launches)).toBe(1);
  const nothing = ['window_used', 'batches_held', 'waiting_bytes', 'oldest_batch_seconds', 'set_aside_entries']
    .concat(['campaigns_unplanned', 'unplanned_seconds', 'orphan_receipts', 'database_waiting', 'api_limited_total'])
    .map((name) => [name, of(`tocsin_${name}`)]);
  expect(nothing.filter(([, value]) => value !== 0)).toEqual([]);
});

test('metrics - labels have few values: none names a campaign, an organisation, a number or a person', async () => {
  const carriers = /^(north|south)$/;
  const known: Readonly<Record<string, RegExp>> = {
    role: /^(api|planner|worker|recorder)$/,
    carrier: carriers,
    lane: /^(alert|information)$/,
    outcome: new RegExp(`^(${Object.keys(outcomeCodes).join('|')})$`),
    kind: /^(receipts|inbound|unreadable)$/,
    stream: /^(outcomes|receipts)$/,
    state: /^(used|idle)$/,
    what: /^[a-z]+([-_ ][a-z]+)*$/i,
    result: /^(good|restored|elsewhere|failed)$/,
    reason: /^[a-z]+(-[a-z]+)*$/,
    connection: /^(command|reading|subscribing|reserving|publishing)$/,
    route: /^(none|(GET|POST|PUT|PATCH|DELETE) (\/(:[a-z]+|[a-z.]+))+)$/,
    status: /^[1-5]xx$/,
    le: /^([0-9.]+|\+Inf)$/,
  };
  const strange: string[] = [];
  for (const families of (await scrape()).values())
    for (const { name, samples } of families.values())
      for (const { labels } of samples)
        for (const [label, value] of Object.entries(labels)) {
          if (name.startsWith('tocsin_') && known[label]?.test(value) !== true) strange.push(`${label}=${value}`);
          if ([campaign, tenant, ...numbers].includes(value) || /\d{8}/.test(value)) strange.push(`${label}=${value}`);
        }
  expect(strange).toEqual([]);
});

test('traces - a campaign is one tree of spans over all processes, with the API request as its root', async () => {
  const launch = () => collector.spans.find(({ name }) => name === 'POST /campaigns/:id/launch');
  const tree = () => collector.spans.filter(({ traceId }) => traceId === launch()?.traceId);
  const named = (name: string) => tree().filter((span) => span.name === name);
  const isWhole = () =>
    named('plan.enqueue').length === 2 &&
    named('batch.send').length > 0 &&
    named('record.receipt').length === named('batch.send').length;
  await collector.until(isWhole);
  const spans = new Map(tree().map((span) => [span.spanId, span]));
  const shape = (span: CollectedSpan) => {
    const parent = span.parentSpanId === undefined || span.parentSpanId === '' ? undefined : span.parentSpanId;
    const above = parent === undefined ? 'nothing' : (spans.get(parent)?.name ?? 'a span that never came');
    return `${span.service}: ${span.name} below ${above}`;
  };
  expect(new Set(tree().map(shape))).toEqual(
    new Set([
      'tocsin-api: POST /campaigns/:id/launch below nothing',
      'tocsin-planner: plan.freeze below POST /campaigns/:id/launch',
      'tocsin-planner: plan.enqueue below POST /campaigns/:id/launch',
      'tocsin-worker: batch.send below plan.enqueue',
      'tocsin-recorder: record.outcomes below batch.send',
      'tocsin-recorder: record.receipt below batch.send',
    ]),
  );
  const first = (name: string) =>
    named(name)
      .map((span) => BigInt(span.startTimeUnixNano))
      .reduce((a, b) => (a < b ? a : b));
  expect(first('plan.freeze')).toBeGreaterThanOrEqual(BigInt(launch()?.startTimeUnixNano ?? 0));
  for (const { startTimeUnixNano, endTimeUnixNano } of tree())
    expect(BigInt(endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(startTimeUnixNano));
  expect(named('batch.send')[0]?.events.map(({ name }) => name)).toEqual(['encoded', 'submitted']);
});

test('traces - attributes are ids, counts and codes: no number, name, text or key', () => {
  const keys = collector.spans.flatMap(({ attributes }) => attributes.map(({ key }) => key));
  const known = [
    'campaign',
    'lane',
    'recipients',
    'carrier',
    'batch',
    'attempt',
    'segments',
    'lost',
    'rows',
    'request',
  ];
  const expected = [...known.map((key) => `tocsin.${key}`), 'http.route', 'http.response.status_code'];
  expect(new Set(keys)).toEqual(new Set(expected));
  expect(never().filter((text) => collector.raw.join('\n').includes(text))).toEqual([]);
});

/** What nothing may say. */
function never(): string[] {
  const secrets = JSON.parse(readFileSync(join(home, 'secrets.json'), 'utf8')) as Record<string, unknown>;
  return [...Object.values(words), organisation, platformKey, api.key, 'Bearer']
    .concat(Object.values(secrets).filter((secret) => typeof secret === 'string'))
    .concat(numbers.map((number) => number.slice(1)));
}

test('logs - are JSON with ids and counts: no number, name, text, key or secret, however much is logged', () => {
  const log = readFileSync(join(home, 'cluster.log'), 'utf8');
  const lines = log
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    // The simulator's ports.
    .filter((line) => !('servers' in line));
  const roles = new Set(lines.map(({ role }) => role));
  expect([...roles]).toEqual(expect.arrayContaining(['api', 'planner', 'recorder', 'worker']));
  for (const line of lines) {
    expect(line).toMatchObject({ level: expect.any(Number), time: expect.any(Number), pid: expect.any(Number) });
    expect(line['msg']).toMatch(/^[a-z]+([.-][a-z]+)*$/);
  }
  expect([...never(), 'tocsin_'].filter((text) => log.includes(text))).toEqual([]);
  const launch = lines.find(({ route }) => route === 'POST /campaigns/:id/launch');
  expect(launch).toMatchObject({
    msg: 'api.answered',
    status: 202,
    requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
  expect(collector.spans.map(({ traceId }) => traceId)).toContain(launch?.['traceId']);
  expect(log).toContain(campaign);
});
