/**
 * `npm start` as a person uses it: a fresh machine, Ctrl-C in the middle, the next start, and a parent that is killed.
 * Judged by what it prints, its exit code, who is still alive, and the carriers' own logs.
 */
import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { newHome, type Running, type RunOptions, startAll } from '../support/cluster.ts';
import { removeFolder, temporaryFolder } from '../support/folder.ts';
import { Api, type CampaignProgress, Watch } from './api.ts';
import { type Account, accountOf, tally } from './judge.ts';

const folder = temporaryFolder();
const home = newHome(folder, 'home');
const started: Running[] = [];

function start(options: Partial<RunOptions> = {}): Running {
  const running = startAll({ home, ...options });
  started.push(running);
  return running;
}

afterEach(async () => {
  for (const { child, ended } of started.splice(0)) {
    child.kill('SIGTERM');
    await ended;
  }
});
afterAll(() => removeFolder(folder));

type Secrets = { readonly demo: { readonly organisation: string; readonly key: string } };

function secrets(): Secrets {
  return JSON.parse(readFileSync(join(home, 'secrets.json'), 'utf8')) as Secrets;
}

/** What the carriers know of the campaigns since the last call. */
async function takeAccount(name: string): Promise<Account> {
  const taken = join(folder, name);
  mkdirSync(taken);
  const move = (carrier: string) => {
    renameSync(join(home, 'smsc', `${carrier}.log`), join(taken, `${carrier}.log`));
    return join(taken, `${carrier}.log`);
  };
  return await accountOf({ north: move('north'), south: move('south') }, 'VALMONT');
}

/** Fails unless each of the 10,000 mobiles got one message and `counts` are the carriers' own. */
function expectSent(account: Account, counts: { readonly delivered: number; readonly failed: number }): void {
  expect(account.faults).toEqual([]);
  expect(account.arrived.size).toBe(10_000);
  expect(tally([...account.arrived.values()].map(({ state }) => state))).toEqual(counts);
  expect(new Set([...account.arrived.values()].map(({ carrier }) => carrier))).toEqual(new Set(['north', 'south']));
}

test('start --once - on a fresh machine: the demonstration, its summary last, and nobody left', async () => {
  const running = start({ args: ['--once'] });
  const { code, out, err } = await running.ended;
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(running.alive()).toEqual([]);
  const summary = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as Record<string, number>;
  const names = ['campaign', 'planned', 'submitted', 'delivered', 'failed', 'unknown', 'seconds', 'perSecond'];
  expect(Object.keys(summary)).toEqual(names);
  const { delivered = 0, failed = 0 } = summary;
  expect(summary).toMatchObject({ planned: 10_000, submitted: 10_000, unknown: 0 });
  expect(out).toContain('10000 recipients');
  expect(out).toContain('9000 without a mobile');
  expect(out).toMatch(/[█░]+ +\d+ % {2}planned 10,000 {2}submitted [\d,]+ {2}delivered .* unknown 0 .*\/s {2}left /);
  expectSent(await takeAccount('first'), { delivered, failed });
});

test('start - a second start finds its data; Ctrl-C drains; the next start finishes what was left', async () => {
  const before = secrets();
  const interrupted = start();
  await interrupted.line(/[█░]+ +([1-9]\d) % /);
  interrupted.child.kill('SIGINT');
  const { code, out, err } = await interrupted.ended;
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(interrupted.alive()).toEqual([]);
  expect(out).toContain('SIGINT: draining and stopping');
  expect(out).not.toContain('creating the demonstration town');
  expect(secrets()).toEqual(before);

  const next = start({ args: ['--no-demo'] });
  const [, origin = ''] = await next.line(/^API +(http:\S+)$/);
  const [, key = ''] = await next.line(/^API key +(\S+)$/);
  expect(key).toBe(before.demo.key);
  const api = new Api(origin, key);
  const campaigns: { id: string; status: string }[] = [];
  for await (const campaign of api.all<{ id: string; status: string }>('/campaigns')) campaigns.push(campaign);
  expect(campaigns).toHaveLength(2);
  const id = campaigns.map((campaign) => campaign.id).toSorted()[1] ?? '';
  const last = await new Watch(api, id).ended;
  expect(last).toMatchObject({ status: 'completed', planned: 10_000, pending: 0, awaitingReceipt: 0, unknown: 0 });
  next.child.kill('SIGTERM');
  expect(await next.ended).toMatchObject({ code: 0, err: '' });
  const { delivered, failed }: CampaignProgress = last;
  expectSent(await takeAccount('second'), { delivered, failed });
});

test('start --no-demo - each process says how it is; a parent that is killed leaves nobody behind', async () => {
  const running = start({ args: ['--no-demo'] });
  const roles = ['recorder', 'worker 1', 'worker 2', 'planner', 'api'];
  for (const role of roles) {
    const [, ready = ''] = await running.line(new RegExp(`^health +(http:\\S+/readyz) +\\(${role};`));
    await expect.poll(async () => (await fetch(ready)).status).toBe(200);
    const healthy = await fetch(ready.replace('/readyz', '/healthz'));
    expect([healthy.status, await healthy.json()]).toEqual([200, { status: 'ok' }]);
    const metrics = await fetch(ready.replace('/readyz', '/metrics'));
    expect(metrics.headers.get('content-type')).toContain('text/plain');
    expect(await metrics.text()).toContain(`role="${role.split(' ')[0]}"`);
  }
  await running.line(/^Ctrl-C stops everything/);
  expect(running.alive().length).toBeGreaterThan(roles.length + 2);
  running.child.kill('SIGKILL');
  await running.ended;
  await expect.poll(() => running.alive(), { timeout: 60_000 }).toEqual([]);
  const again = start({ args: ['--no-demo'] });
  await again.line(/^Ctrl-C stops everything/);
});
