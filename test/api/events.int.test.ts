/** Progress as server-sent events, in virtual time. */
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Clock } from '../../src/clock.ts';
import type { Id, Progress } from '../../src/handoff.ts';
import { type Caller, goodCampaign, startApi, type TestApi } from './harness.ts';

/** A clock whose timers fire when the test says so. */
class ManualClock implements Clock {
  private readonly timers = new Set<{ atMs: number; action: () => void }>();
  private elapsedMs = 0;

  nowMs(): number {
    return Date.now();
  }
  monotonicMs(): number {
    return this.elapsedMs;
  }
  after(delayMs: number, action: () => void): () => void {
    const timer = { atMs: this.elapsedMs + delayMs, action };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }
  advance(ms: number): void {
    this.elapsedMs += ms;
    for (const timer of [...this.timers].filter(({ atMs }) => atMs <= this.elapsedMs)) {
      this.timers.delete(timer);
      timer.action();
    }
  }
}

type Event = { event: string; data: string };
/** Reads server-sent events; comments come as events without a name. */
async function* events(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<Event> {
  const decoder = new TextDecoder();
  let text = '';
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    text += decoder.decode(read.value, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n');
      text = text.slice(end + 2);
      const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? '';
      yield { event: field('event'), data: field('data') };
    }
  }
}

const clock = new ManualClock();
let api: TestApi;
let town: Caller;
let owner: pg.Client;
beforeAll(async () => {
  api = await startApi({ eventStreamsMax: 2, heartbeatMs: 15_000, watchMs: 1_000_000 }, clock);
  owner = new pg.Client({ connectionString: api.stored.ownerUrl });
  await owner.connect();
  town = await api.organisation();
});
afterAll(async () => {
  await owner.end();
  await api.stop();
});

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const leave of open.splice(0)) await leave();
  await expect.poll(() => api.feed.watched).toBe(0);
});

async function sendingCampaign(): Promise<Id> {
  const { body } = await town.request('POST', '/campaigns', goodCampaign);
  const set = "status = 'sending', planned_at = now(), recipients = 10";
  await owner.query(`update campaigns set ${set} where id = $1`, [body.id]);
  return body.id;
}

async function follow(campaign: Id): Promise<{ status: number; next(): Promise<Event | undefined> }> {
  const headers = { authorization: `Bearer ${town.key}` };
  const response = await api.app.request(`/campaigns/${campaign}/progress/events`, { headers });
  const body: ReadableStream<Uint8Array> | null = response.body;
  const reader = body?.getReader();
  if (reader === undefined) throw new Error('there is no body');
  open.push(() => reader.cancel());
  const reading = events(reader);
  return { status: response.status, next: async () => (await reading.next()).value as Event | undefined };
}

const progress = (change: Partial<Progress>): Progress => ({
  planned: 10,
  submitted: 0,
  delivered: 0,
  failed: 0,
  unknown: 0,
  expired: 0,
  cancelled: 0,
  pending: 10,
  awaitingReceipt: 0,
  ...change,
});
const tell = (campaign: Id, change: Partial<Progress>, finished = false) =>
  api.feed.tell({ campaign, organisation: town.organisation, progress: progress(change), finished });

test('events - tell the progress at once, at each change, and never backwards', async () => {
  const campaign = await sendingCampaign();
  const stream = await follow(campaign);
  expect(stream.status).toBe(200);
  expect(JSON.parse((await stream.next())?.data ?? '')).toEqual({ campaign, status: 'sending', ...progress({}) });
  tell(campaign, { submitted: 4, awaitingReceipt: 4, pending: 6 });
  expect(JSON.parse((await stream.next())?.data ?? '')).toMatchObject({ submitted: 4, pending: 6 });
  tell(campaign, { submitted: 2, awaitingReceipt: 2, pending: 8 });
  tell(campaign, { submitted: 4, awaitingReceipt: 4, pending: 6 });
  tell(campaign, { submitted: 7, delivered: 7, pending: 3 });
  expect(await stream.next()).toMatchObject({ event: 'progress', data: expect.stringContaining('"delivered":7') });
});

test('events - whoever asks for their headers only holds no stream', async () => {
  const campaign = await sendingCampaign();
  const headers = { authorization: `Bearer ${town.key}` };
  for (let time = 0; time < 3; time += 1) {
    const response = await api.app.request(`/campaigns/${campaign}/progress/events`, { method: 'HEAD', headers });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  }
  expect(api.feed.watched).toBe(0);
  expect((await follow(campaign)).status).toBe(200);
});

test('events - end with the status that the campaign ended in', async () => {
  const campaign = await sendingCampaign();
  const stream = await follow(campaign);
  await stream.next();
  await owner.query("update campaigns set status = 'completed', finished_at = now() where id = $1", [campaign]);
  tell(campaign, { submitted: 10, delivered: 10, pending: 0 }, true);
  clock.advance(0);
  const seen: (Event | undefined)[] = [await stream.next()];
  while (seen.at(-1)?.event === 'progress') seen.push(await stream.next());
  expect(JSON.parse(seen.at(-2)?.data ?? '')).toMatchObject({ status: 'completed', delivered: 10 });
  expect(seen.at(-1)?.event).toBe('end');
  expect(await stream.next()).toBeUndefined();
  const late = await follow(campaign);
  expect((await late.next())?.event).toBe('progress');
  expect((await late.next())?.event).toBe('end');
});

test('events - a status that nobody told of is found by looking', async () => {
  const campaign = await sendingCampaign();
  const stream = await follow(campaign);
  await stream.next();
  await owner.query("update campaigns set status = 'paused' where id = $1", [campaign]);
  clock.advance(1_000_000);
  const seen: (Event | undefined)[] = [await stream.next()];
  while (seen.at(-1)?.event === '') seen.push(await stream.next());
  expect(JSON.parse(seen.at(-1)?.data ?? '')).toMatchObject({ status: 'paused' });
});

test('events - silence is broken by a comment, so that proxies keep the connection', async () => {
  const stream = await follow(await sendingCampaign());
  await stream.next();
  const comment = stream.next();
  await expect
    .poll(() => {
      clock.advance(15_000);
      return Promise.race([comment, Promise.resolve('waiting')]);
    })
    .toEqual({ event: '', data: '' });
});

test('events - more streams than allowed are refused, and a client that leaves makes room', async () => {
  const campaign = await sendingCampaign();
  const streams = [await follow(campaign), await follow(campaign)];
  for (const stream of streams) await stream.next();
  expect(api.feed.watched).toBe(1);
  expect((await follow(campaign)).status).toBe(503);
  await open[0]?.();
  expect((await follow(campaign)).status).toBe(200);
});

test('events - end when the process stops', async () => {
  const stream = await follow(await sendingCampaign());
  await stream.next();
  const rest = stream.next();
  api.stopping.abort();
  expect(await rest).toBeUndefined();
});
