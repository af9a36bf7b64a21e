/**
 * A carrier whose account is divided into shards, over a whole cluster of real processes: to the carrier it stays one
 * account, whatever bind its receipts come by, and it may be divided otherwise while campaigns are under way.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Progress } from '../../src/handoff.ts';
import { type Smsc, startSmsc } from '../../src/smsc/server.ts';
import { newHome, type Running, startAll } from '../support/cluster.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';
import { Api, Watch } from './api.ts';
import { accountOf } from './judge.ts';
import { csvOf, prefixes, residents } from './town.ts';

const folder = temporaryFolder();
const home = newHome(folder, 'home');
const log = join(folder, 'orange.log');
const carriersFile = join(folder, 'carriers.json');
const password = 'pa55word';
const platformKey = 'platform-key-of-these-tests';
/** What the account may do, whatever it is divided into. */
const contract = { binds: 7, window: 40, ratePerSecond: 1_500 };
/** A busy machine lets segments arrive in bunches; were one shard of three to have twice its part, it were 1.33. */
const tolerance = 1.25;
const recipients = 3_000;
const town = residents().slice(0, recipients);
const message = { nature: 'information', audience: { all: true }, defaultLanguage: 'fr', contents: { fr: 'Bonjour' } };

let smsc: Smsc;
let cluster: Running;
let api: Api;
let key = '';

/** Starts the cluster with the account divided into so many shards. */
async function startDivided(shards: number): Promise<string> {
  const carrier = { name: 'orange', host: '127.0.0.1', port: smsc.port, systemId: 'town', passwordEnv: 'ORANGE' };
  const carriers = [{ ...carrier, ...contract, shards, prefixes: prefixes.north }];
  writeFileSync(carriersFile, JSON.stringify({ carriers }));
  const environment = { TOCSIN_CARRIERS: carriersFile, TOCSIN_PLATFORM_KEY: platformKey, ORANGE: password };
  cluster = startAll({ home, args: ['--no-demo'], environment });
  const [, origin = ''] = await cluster.line(/^API +(http:\S+)$/);
  api = new Api(origin, key);
  return origin;
}

async function stop(): Promise<void> {
  cluster.child.kill('SIGTERM');
  await cluster.ended;
}

beforeAll(async () => {
  smsc = await startSmsc({
    accounts: [{ systemId: 'town', password }],
    log,
    behaviour: {
      bindsMax: contract.binds,
      ratePerSecond: Math.ceil(contract.ratePerSecond * tolerance),
      latencyMs: 5,
      receiptOtherBind: true,
      receiptDelayMs: 300,
      receiptJitterMs: 300,
      receiptRetryMs: 1_000,
    },
  });
  const platform = new Api(await startDivided(3), platformKey);
  const { id } = await platform.call<{ id: string }>('POST', '/organisations', { name: 'Valmont' });
  ({ key } = await platform.call<{ key: string }>('POST', `/organisations/${id}/keys`, { name: 'tests' }));
  api = new Api(platform.origin, key);
  await api.call('POST', '/residents/import', csvOf(town));
});

afterAll(async () => {
  await stop();
  await smsc.stop();
  removeFolder(folder);
});

/** What the recorder's metrics count. */
async function metricOf(name: string): Promise<number> {
  const [, port] = await cluster.line(/^health +http:\/\/127\.0\.0\.1:(\d+)\/readyz +\(recorder;/);
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(new RegExp(`^${name}\\{[^}]*carrier="orange"[^}]*\\} (\\S+)$`, 'm').exec(text)?.[1]);
}

/** Fails unless each of the town got the message of `sender` once, and the API says so, by account. */
async function expectAllOnce(id: string, sender: string): Promise<void> {
  const { faults, arrived } = await accountOf({ orange: log }, sender);
  expect(faults).toEqual([]);
  expect([...arrived.keys()].toSorted()).toEqual(town.map(({ mobile }) => mobile.slice(1)).toSorted());
  const report = await api.call<{ carriers: readonly (Progress & { carrier: string })[] }>(
    'GET',
    `/campaigns/${id}/report`,
  );
  const all = { planned: recipients, submitted: recipients, delivered: recipients, pending: 0, awaitingReceipt: 0 };
  expect(report.carriers).toEqual([expect.objectContaining({ carrier: 'orange', ...all })]);
  const results: string[] = [];
  for await (const { carrier, state } of api.all<{ carrier: string; state: string }>(`/campaigns/${id}/results`))
    results.push(`${carrier} ${state}`);
  expect(results).toHaveLength(recipients);
  expect(new Set(results)).toEqual(new Set(['orange delivered']));
}

/** Fails unless the carrier never saw more than the contract allows. */
function expectWithinContract(): void {
  const { bindsPeak, bindsRefused, perSecondPeak, windowPeak, throttled } = smsc.stats();
  expect([bindsRefused, throttled]).toEqual([0, 0]);
  expect(bindsPeak).toBeLessThanOrEqual(contract.binds);
  expect(windowPeak).toBeLessThanOrEqual(contract.window);
  expect(perSecondPeak).toBeLessThanOrEqual(contract.ratePerSecond * tolerance);
}

test('shards - a campaign goes out over all of them as over one account, receipts by any bind', async () => {
  await smsc.waitFor(({ binds }) => binds === contract.binds);
  const id = await api.launch({ ...message, name: 'ONE', sender: 'ONE' });
  expect((await new Watch(api, id).ended).status).toBe('completed');
  await expectAllOnce(id, 'ONE');
  expectWithinContract();
  expect(await metricOf('tocsin_record_rows_total')).toBe(2 * recipients);
  // The orphans' way is for a few whose submission is late, not for what came by another bind.
  expect(await metricOf('tocsin_orphaned_receipts_total')).toBeLessThan(recipients / 100);
});

test('shards - joined again amid a campaign: nothing is lost or sent twice, and the contract holds', async () => {
  const id = await api.launch({ ...message, name: 'TWO', sender: 'TWO' });
  await new Watch(api, id).until(({ submitted }) => submitted > recipients / 4);
  await stop();
  await startDivided(1);
  expect((await new Watch(api, id).ended).status).toBe('completed');
  await expectAllOnce(id, 'TWO');
  expectWithinContract();
});
