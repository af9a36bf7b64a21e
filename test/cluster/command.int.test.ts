/**
 * The operator's command against a whole cluster of real processes, as an operator runs it: what it says is so, and
 * what it does is judged by the carriers' own logs.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Status } from '../../cluster/cli/status.ts';
import { connectRedis } from '../../src/stream/redis.ts';
import { silentLog } from '../../src/telemetry.ts';
import { Api, Watch } from '../e2e/api.ts';
import { accountOf } from '../e2e/judge.ts';
import { csvOf, prefixes, residents } from '../e2e/town.ts';
import { newHome, type Running, startAll, startProcess } from '../support/cluster.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';
import { testDatabase } from '../support/postgres.ts';
import { testRedis } from '../support/redis.ts';

const root = join(import.meta.dirname, '..', '..');
const folder = temporaryFolder();
const home = newHome(folder, 'home');
const password = 'pa55word';
const platformKey = 'platform-key-of-these-tests';
const names = ['north', 'south'] as const;
const logs = { north: join(folder, 'north.log'), south: join(folder, 'south.log') };
/** By the carriers' rates it takes ten seconds: an operator's command needs a part of that on a busy machine. */
const recipients = { north: 1_500, south: 1_000 };
const rates = { north: 150, south: 800 };
const town = residents().filter(
  (_, index) => index < recipients.north || (index >= 10_000 && index < 10_000 + recipients.south),
);
const message = { nature: 'information', audience: { all: true }, defaultLanguage: 'fr', contents: { fr: 'Bonjour' } };

let smsc: Running;
let cluster: Running;
let api: Api;
let operator: Record<string, string>;

type Ran = { readonly code: number | null; readonly out: string; readonly err: string };

/** Runs the command as it is installed, with nothing but these settings. */
async function tocsin(args: readonly string[], environment: Readonly<Record<string, string>> = operator): Promise<Ran> {
  const env = { PATH: process.env['PATH'], ...environment };
  const child = spawn(process.execPath, [join(root, 'cluster', 'cli', 'tocsin.mjs'), ...args], { env });
  const ran = { code: null as number | null, out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (ran.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (ran.err += text));
  ran.code = await new Promise((resolve) => child.once('close', resolve));
  return ran;
}

/** The object that --json printed. */
async function told<Answer>(...args: string[]): Promise<Answer & { readonly code: number | null }> {
  const { code, out, err } = await tocsin([...args, '--json']);
  expect(err).toBe('');
  return { ...(JSON.parse(out) as Answer), code };
}

beforeAll(async () => {
  const behaviour = { latencyMs: 5, receiptDelayMs: 100 };
  const simulated = names.map((name, index) => ({
    port: 0,
    seed: index + 1,
    behaviour,
    accounts: [{ systemId: 'town', password }],
    log: logs[name],
  }));
  const file = join(folder, 'simulator.json');
  writeFileSync(file, JSON.stringify(simulated));
  smsc = startProcess('smsc', { home: join(folder, 'smsc'), args: ['--carriers', file] });
  const [ready] = await smsc.line(/^\{.*\}$/);
  const { servers } = JSON.parse(ready) as { servers: { port: number }[] };
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, `${password}\n`);
  const carriers = names.map((name, index) => ({
    name,
    host: '127.0.0.1',
    port: servers[index]?.port,
    systemId: 'town',
    passwordFile,
    binds: 2,
    window: 50,
    ratePerSecond: rates[name],
    shards: name === 'south' ? 2 : 1,
    prefixes: prefixes[name],
  }));
  const carriersFile = join(folder, 'carriers.json');
  writeFileSync(carriersFile, JSON.stringify({ carriers }));
  const otherwise = carriers.map((carrier) => ({ ...carrier, shards: 2 }));
  writeFileSync(join(folder, 'otherwise.json'), JSON.stringify({ carriers: otherwise }));
  const environment = { TOCSIN_CARRIERS: carriersFile, TOCSIN_PLATFORM_KEY: platformKey };
  cluster = startAll({ home, args: ['--no-demo'], environment });
  const [, origin = ''] = await cluster.line(/^API +(http:\S+)$/);
  await cluster.line(/^operator /);
  operator = Object.fromEntries(
    readFileSync(join(home, 'operator.env'), 'utf8')
      .split('\n')
      .flatMap((line) => {
        const [, name, value] = /^(\w+)='(.*)'$/.exec(line) ?? [];
        return name === undefined || value === undefined ? [] : [[name, value]];
      }),
  );
  const platform = new Api(origin, platformKey);
  const { id } = await platform.call<{ id: string }>('POST', '/organisations', { name: 'Valmont' });
  const { key } = await platform.call<{ key: string }>('POST', `/organisations/${id}/keys`, { name: 'tests' });
  api = new Api(origin, key);
  await api.call('POST', '/residents/import', csvOf(town));
});

afterAll(async () => {
  cluster?.child.kill('SIGTERM');
  await cluster?.ended;
  smsc?.child.kill('SIGTERM');
  await smsc?.ended;
  removeFolder(folder);
});

/** Launches to the town, and resolves when a good part is on its way. */
async function launch(sender: string): Promise<{ id: string; watch: Watch }> {
  const id = await api.launch({ ...message, name: sender, sender });
  const watch = new Watch(api, id);
  await watch.until(({ submitted }) => submitted > 100);
  return { id, watch };
}

/** Fails unless each of the town got the message of `sender` once. */
async function expectAllOnce(sender: string): Promise<void> {
  const { faults, arrived } = await accountOf(logs, sender);
  expect(faults).toEqual([]);
  expect([...arrived.keys()].toSorted()).toEqual(town.map(({ mobile }) => mobile.slice(1)).toSorted());
}

test('carrier pause - nothing leaves for it, the other goes on, status says so; resume loses none', async () => {
  const { watch } = await launch('PAUSE');
  const paused = await told<{ pause: string; changed: boolean }>('carrier', 'pause', 'north');
  expect(paused).toMatchObject({ code: 0, pause: 'wait', changed: true });
  const pausedMs = Date.now();
  // The south is sent to its end meanwhile, and all receipts are in.
  const quiet = await watch.until((p) => p.awaitingReceipt === 0 && p.submitted >= recipients.south && p.pending > 0);
  const status = await told<Status>('status');
  const [north, ...souths] = status.carriers;
  expect(status).toMatchObject({ code: 0, database: 'here', campaigns: [{ status: 'sending', count: 1 }] });
  expect(north).toMatchObject({ carrier: 'north', pause: { pause: 'wait' }, bindsUp: 2, freeSlots: 0 });
  expect(north?.pending).toEqual({ alert: 0, information: quiet.pending });
  expect(north?.lanes.information).toMatchObject({ campaigns: 1 });
  expect(north?.lanes.information.oldestMs).toBeGreaterThan(0);
  expect(souths).toMatchObject([
    { carrier: 'south.0', pause: { pause: 'none' }, pending: null, contract: { binds: 1, ratePerSecond: 400 } },
    { carrier: 'south.1', pause: { pause: 'none' }, pending: null, contract: { binds: 1, ratePerSecond: 400 } },
  ]);
  const shards = souths.map(({ carrier }) => carrier);
  expect(status.accounts).toEqual([{ account: 'south', shards, orphans: 0, pending: { alert: 0, information: 0 } }]);
  const text = await tocsin(['status']);
  expect(text.out).toMatch(/north +paused +2\/2 +2\/2/);
  expect(text.out).toMatch(/south\.1 +sending +1\/1 +1\/1/);
  expect(text.out).toMatch(/\nsouth +2 +0 +0 +0\n/);
  expect(await told('carrier', 'pause', 'north')).toMatchObject({ changed: false });
  // Divided by the next carriers file, it is paused as well.
  const divided = await tocsin(['status'], { ...operator, TOCSIN_CARRIERS: join(folder, 'otherwise.json') });
  expect(divided.out).toMatch(/north\.0 +paused [^]*north\.1 +paused /);
  const resumedMs = Date.now();
  expect(await told('carrier', 'resume', 'north')).toMatchObject({ code: 0, pause: 'none', changed: true });
  expect((await watch.ended).status).toBe('completed');
  await expectAllOnce('PAUSE');
  expect(await told('carrier', 'pause', 'south.1')).toMatchObject({ shards: ['south.1'], changed: true });
  expect(await told('carrier', 'pause', 'south')).toMatchObject({ shards, pause: 'wait', changed: true });
  expect(await told('carrier', 'resume', 'south')).toMatchObject({ shards, pause: 'none', changed: true });
  const { carriers } = await told<Status>('status');
  expect(carriers.map(({ pause: { pause } }) => pause)).toEqual(['none', 'none', 'none']);
  const { atMs } = await accountOf({ north: logs.north }, 'PAUSE');
  expect(atMs.filter((ms) => ms > pausedMs + 500 && ms < resumedMs)).toEqual([]);
  expect(atMs.filter((ms) => ms > resumedMs)).toHaveLength(quiet.pending);
});

test('drain - of one of two workers amid a campaign: the other has all, none is lost or doubled', async () => {
  const { id, watch } = await launch('DRAIN');
  const { code, out } = await tocsin(['drain', 'worker-1']);
  expect([code, out.trimEnd().split('\n').at(-1)]).toEqual([0, expect.stringMatching(/drained: 0 slots, 0 binds, 0 /)]);
  const { processes, carriers } = await told<Status>('status');
  const [first, second] = processes.filter(({ role }) => role === 'worker');
  expect(processes.map(({ role }) => role)).toEqual(['api', 'planner', 'recorder', 'worker', 'worker']);
  expect([first?.phase, second?.phase]).toEqual(['drained', 'sending']);
  expect(new Set(carriers.flatMap(({ slots }) => slots.map(({ worker }) => worker)))).toEqual(new Set([second?.name]));
  await watch.ended;
  await expectAllOnce('DRAIN');
  expect(await told('undrain', 'worker-1')).toMatchObject({ code: 0, phase: 'sending', done: true });
  const ambiguous = await tocsin(['drain', 'worker']);
  expect([ambiguous.code, ambiguous.err]).toEqual([2, expect.stringContaining(`worker may be ${first?.name}`)]);

  const file = join(folder, `campaign-${id}.csv`);
  const csv = await api.call<string>('GET', `/campaigns/${id}/results.csv`);
  writeFileSync(file, csv);
  const verified = await told('verify-report', file);
  const rows = { file: town.length, database: town.length };
  expect(verified).toMatchObject({ code: 0, campaign: id, matches: true, rows, differing: 0, counts: 'equal' });
  const lines = csv.split('\r\n');
  lines[3] = lines[3]?.replace(/,delivered$/, ',failed') ?? '';
  lines[5] = lines[5]?.replace(',north,', ',west,') ?? '';
  lines[8] = lines[7] ?? '';
  lines.splice(10, 1);
  lines.splice(-1, 0, 'nonsense', '99999999,1,a,,,+33639980000,north,fr,delivered');
  const noise = join(folder, 'noise.csv');
  writeFileSync(noise, randomBytes(100_000));
  for (const [path, text] of [
    [noise, 'is no file of results'],
    [folder, 'cannot be read'],
  ] as const) {
    const broken = await tocsin(['verify-report', path, '--campaign', id]);
    expect([broken.code, broken.out, broken.err]).toEqual([1, '', expect.stringContaining(text)]);
  }
  const other = join(folder, 'other.csv');
  writeFileSync(other, lines.join('\r\n'));
  const differs = await tocsin(['verify-report', other, '--campaign', id]);
  expect(differs.code).toBe(1);
  expect(differs.out).not.toMatch(/\+?33639|\+1\d{3}5550/);
  for (const text of [
    'recipient 4 has another carrier',
    'recipient 6 stands there again',
    'recipient 7 is missing',
    'recipient 9 is missing',
    'the campaign has no recipient 99999999',
    'it has no ordinal',
  ])
    expect(differs.out).toContain(text);
});

test('reconcile - finds nothing missing where all is well, and that a Redis has lost its data', async () => {
  expect(await told('reconcile', '--dry-run')).toMatchObject({ code: 0, data: 'good', lost: [], result: null });
  expect(await told('reconcile')).toMatchObject({ code: 0, data: 'good', stranded: [], result: 'good' });
  const empty = await testRedis();
  const lost = await tocsin(['reconcile', '--dry-run', '--json'], { ...operator, REDIS_URL: empty.url });
  expect([lost.code, JSON.parse(lost.out)]).toEqual([1, { data: 'lost', lost: [], stranded: [], result: null }]);
});

test('migrate - brings a database to the present schema, as often as one likes', async () => {
  const database = await testDatabase();
  const ran = await tocsin(['migrate', '--json'], { DATABASE_URL: database.ownerUrl });
  expect([ran.code, JSON.parse(ran.out)]).toEqual([0, { migrated: true, passwords: false }]);
  await database.drop();
});

test('usage - what is wrong is named with the variable to set, exit code 2, and no secret is printed', async () => {
  const secret = 'redis://:s3cret@127.0.0.1:1';
  const away = 'postgres://u:s3cret@127.0.0.1:1/x';
  const empty = (operator['DATABASE_URL'] ?? '').replace(/\/\w+$/, '/postgres');
  const limited = (operator['REDIS_URL'] ?? '').replace('redis://', 'redis://limited:s3cret@');
  const redis = await connectRedis(operator['REDIS_URL'] ?? '', 'command', silentLog);
  await redis.call('ACL', 'SETUSER', 'limited', 'on', '>s3cret', '+@connection', '+info');
  redis.disconnect();
  const secretFile = join(folder, 'secret');
  writeFileSync(secretFile, 's3cret');
  const cases: readonly [args: string[], environment: Record<string, string>, code: number, text: string][] = [
    [[], {}, 2, ''],
    [['fly'], {}, 2, 'there is no fly'],
    [['status', '--colour'], {}, 2, '--colour'],
    [['status'], {}, 2, 'TOCSIN_CARRIERS'],
    [
      ['status'],
      { TOCSIN_CARIERS: 's3cret' },
      2,
      'TOCSIN_CARIERS is no setting and does nothing; is it TOCSIN_CARRIERS?',
    ],
    [['drain'], {}, 2, 'WORKER must follow'],
    [['drain', 'x', '--timeout', 'soon'], operator, 2, '--timeout'],
    [['drain', 'nobody'], operator, 2, 'there is no worker nobody'],
    [['carrier', 'stop', 'north'], operator, 2, 'neither pause nor resume'],
    [['carrier', 'pause', 'west'], operator, 2, 'there are north, south, south.0, south.1'],
    [['reconcile'], { REDIS_URL: secret }, 2, 'DATABASE_URL'],
    [['status', '--json'], { ...operator, REDIS_URL: secret }, 1, 'check REDIS_URL'],
    [['drain', ''], operator, 2, 'WORKER must not be empty'],
    [['drain', 'nobody'], { REDIS_URL: limited }, 1, 'check of which user REDIS_URL is'],
    [['status'], { ...operator, TOCSIN_CARRIERS: secretFile }, 2, 'is not JSON'],
    [['verify-report', 'none.csv', '--campaign', '9223372036854775808'], operator, 2, '--campaign'],
    [['verify-report', 'none.csv', '--campaign', '1'], { DATABASE_URL: away }, 1, 'check DATABASE_URL'],
    [['verify-report', 'none.csv', '--campaign', '1'], { DATABASE_URL: empty }, 1, 'run tocsin migrate'],
    [['size', '--recipients', '1', '--deadline', '999999h'], {}, 2, 'at most 8760h'],
    [['verify-report', 'none.csv'], operator, 2, '--campaign'],
    [['verify-report', 'none.csv', '--campaign', '1'], operator, 1, 'no campaign 1'],
    [['migrate'], {}, 2, 'DATABASE_URL is not set'],
    [['migrate'], operator, 2, 'DATABASE_URL is of the role tocsin_service'],
    [['migrate'], { DATABASE_URL: 'postgres://a:s3cret@b:port/c' }, 2, 'DATABASE_URL: must be a URL'],
    [['migrate'], { DATABASE_URL: 'postgres://a:s3cret@db.example/c' }, 2, 'needs sslmode=verify-full'],
    [['size', '--recipients', '5000', '--deadline', 'soon'], {}, 2, '--deadline'],
  ];
  const results = await Promise.all(cases.map(([args, environment]) => tocsin(args, environment)));
  results.forEach(({ code, out, err }, at) => {
    const [args, , wanted, text] = cases[at]!;
    expect([args, code]).toEqual([args, wanted]);
    expect(err).toContain(text);
    expect(out + err).not.toMatch(/s3cret|    at /);
  });
  const half = await tocsin(['status'], { ...operator, DATABASE_URL: away });
  expect([half.code, half.err]).toEqual([1, '']);
  expect(half.out).toMatch(
    /campaigns are not known: PostgreSQL cannot be used; check DATABASE_URL.*\n +connect ECONNREF/,
  );
  const size = await tocsin(['size', '--recipients', '5000', '--deadline', '2m', '--json'], {});
  expect([size.code, JSON.parse(size.out)]).toMatchObject([0, { need: { recipients: 5_000, deadlineSeconds: 120 } }]);
  const unread = spawn(process.execPath, [join(root, 'cluster', 'cli', 'tocsin.mjs'), '--help']);
  unread.stdout.destroy();
  const said: string[] = [];
  unread.stderr.setEncoding('utf8').on('data', (text: string) => said.push(text));
  await new Promise((resolve) => unread.once('close', resolve));
  expect(said).toEqual([]);
  const help = await tocsin(['drain', '--help'], {});
  expect([help.code, help.out]).toEqual([0, expect.stringContaining('--timeout SECONDS')]);
});
