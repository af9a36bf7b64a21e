/**
 * The last release at work while the database is brought to our schema, then on it, and then replaced process by
 * process: real processes of both versions, a real carrier simulator, and nobody is forgotten or written to twice.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrate } from '../../src/db/migrate.ts';
import { addList } from '../faults/population.ts';
import { Scene } from '../faults/scene.ts';
import { removeFolder } from '../support/folder.ts';
import { type Release, unpackRelease } from './release.ts';

const recipients = 900;
const carriers = [
  { name: 'north', prefixes: ['9990'], binds: 2, window: 20, ratePerSecond: 300 },
  { name: 'south', prefixes: ['9991'], binds: 2, window: 20, ratePerSecond: 200 },
];

let release: Release & { readonly folder: string };
let scene: Scene;
let list: string;
/** Messages that carriers have had so far. */
let before = 0;

beforeAll(async () => {
  release = unpackRelease(`release-${process.pid}`);
  const { program, migrations } = release;
  scene = await Scene.open({ workers: 1, carriers, program, migrations });
  list = await addList(scene.sql, scene.organisation, 'everybody', recipients, 0);
});

afterAll(async () => {
  await scene?.close();
  removeFolder(release.folder);
});

type Progress = { readonly status: string; readonly submitted: number; readonly delivered: number };

async function progressOf(id: string): Promise<Progress> {
  return await scene.api<Progress>('GET', `/campaigns/${id}/progress`);
}

async function until(id: string, holds: (progress: Progress) => boolean): Promise<Progress> {
  for (;;) {
    const progress = await progressOf(id);
    if (holds(progress)) return progress;
  }
}

/** Launches a campaign for everybody. */
async function launch(name: string): Promise<string> {
  const { id } = await scene.api<{ id: string }>('POST', '/campaigns', {
    name,
    nature: 'information',
    sender: 'TOWN',
    audience: { lists: [list] },
    contents: { fr: 'Bonjour {{firstName}}', en: 'Hello' },
    defaultLanguage: 'fr',
  });
  await scene.api('POST', `/campaigns/${id}/launch`);
  return id;
}

/** Fails unless the campaign ended with everybody reached, each once. */
async function expectWhole(id: string): Promise<void> {
  expect(await until(id, ({ status }) => status === 'completed')).toMatchObject({
    planned: recipients,
    delivered: recipients,
  });
  const { items } = await scene.api<{ items: { state: string }[] }>('GET', `/campaigns/${id}/results?limit=500`);
  expect(new Set(items.map(({ state }) => state))).toEqual(new Set(['delivered']));
  const { carriers: shares } = await scene.api<{ carriers: unknown[] }>('GET', `/campaigns/${id}/report`);
  expect(shares).toHaveLength(2);
  const stats = await Promise.all(scene.carriers.map((carrier) => carrier.stats()));
  const accepted = stats.reduce((sum, carrier) => sum + carrier.accepted, 0);
  expect(accepted - before).toBe(recipients);
  before = accepted;
}

test('upgrade - the database is migrated while the last release sends', async () => {
  const id = await launch('during');
  await until(id, ({ submitted }) => submitted > 0);
  await migrate(scene.postgres.url);
  expect((await progressOf(id)).status).toBe('sending');
  await expectWhole(id);
});

test('upgrade - the last release works on our schema: plan, send, pause, resume, cancel, record, report', async () => {
  await expectWhole(await launch('after'));
  const id = await launch('paused');
  await until(id, ({ submitted }) => submitted > 0);
  await scene.api('POST', `/campaigns/${id}/pause`);
  expect((await progressOf(id)).status).toBe('paused');
  await scene.api('POST', `/campaigns/${id}/resume`);
  await expectWhole(id);
  const other = await launch('cancelled');
  await until(other, ({ submitted }) => submitted > 0);
  await scene.api('POST', `/campaigns/${other}/cancel`);
  const { delivered, ...rest } = await until(other, ({ status }) => status === 'cancelled');
  expect(rest).toMatchObject({ planned: recipients, cancelled: recipients - delivered, pending: 0 });
  before += delivered;
});

test('upgrade - the last release writes and reads residents, lists and campaigns on our schema', async () => {
  const file = 'externalReference,firstName,mobile\nU-1,Ada,+33639980001\nU-2,Zoé,+33639980002\n';
  const imported = async () => await request('POST', '/residents/import', file, { 'content-type': 'text/csv' });
  expect(await imported()).toMatchObject({ status: 200, body: { created: 2 } });
  expect(await imported()).toMatchObject({ status: 200, body: { created: 0 } });
  const repeated = { 'content-type': 'application/json', 'idempotency-key': 'once' };
  const draft = { name: 'Once', nature: 'alert', sender: 'TOWN', audience: { all: true }, contents: { fr: 'x' } };
  const made = async () =>
    await request('POST', '/campaigns', JSON.stringify({ ...draft, defaultLanguage: 'fr' }), repeated);
  const first = await made();
  expect(first.status).toBe(201);
  expect(await made()).toEqual(first);
  expect(await request('GET', `/campaigns/${first.body.id}/preview`)).toMatchObject({
    status: 200,
    body: { recipients: recipients, unreachable: { noCarrier: 2 } },
  });
  const { items } = await scene.api<{ items: { id: string }[] }>('GET', '/campaigns?status=completed&limit=1');
  const named = JSON.stringify({ name: 'Reached', states: ['delivered'] });
  expect(await request('POST', `/campaigns/${items[0]?.id}/list`, named, repeated)).toMatchObject({
    status: 201,
    body: { residents: recipients },
  });
});

/** A request whose answer may be any. */
async function request(method: string, path: string, body?: string, headers: Readonly<Record<string, string>> = {}) {
  const { port } = scene.child('api').announced;
  const response = await fetch(`http://127.0.0.1:${String(port)}${path}`, {
    method,
    headers: { authorization: `Bearer ${scene.key}`, ...headers },
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, body: (await response.json()) as { readonly id: string } };
}

test('upgrade - a campaign goes on while each process of the last release gives way to ours', async () => {
  const id = await launch('replaced');
  await until(id, ({ submitted }) => submitted > 0);
  scene.program = undefined;
  for (const name of ['recorder', 'planner', 'api', 'worker-1']) {
    expect(await scene.child(name).terminate()).toMatchObject({ code: 0 });
    await scene.start(name);
  }
  await expectWhole(id);
});
