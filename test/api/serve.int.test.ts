/** The API over a real socket: what only a server and a client that leaves can show. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ServedApi, serveApi } from '../../src/api/serve.ts';
import { type Caller, goodCampaign, mobile, startApi, type TestApi } from './harness.ts';

let api: TestApi;
let town: Caller;
let served: ServedApi;
const url = (path: string) => `http://127.0.0.1:${served.port}${path}`;
const headers = () => ({ authorization: `Bearer ${town.key}`, 'content-type': 'application/json' });
beforeAll(async () => {
  api = await startApi();
  town = await api.organisation();
  served = await serveApi(api.app, { host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await served.close(performance.now());
  await api.stop();
});

test('serve - a body that is too large is refused and the next request is answered', async () => {
  const large = JSON.stringify({ firstName: 'x'.repeat(10_000_000) });
  const refused = await fetch(url('/residents'), { method: 'POST', headers: headers(), body: large });
  expect(refused.status).toBe(413);
  expect(await refused.json()).toMatchObject({ type: 'urn:tocsin:problem:too-large' });
  const body = JSON.stringify({ firstName: 'Zoé' });
  const accepted = await fetch(url('/residents'), { method: 'POST', headers: headers(), body });
  expect(await accepted.json()).toMatchObject({ firstName: 'Zoé' });
});

test('serve - a file is imported as it comes, and a client that leaves midway has imported nothing', async () => {
  const csv = { ...headers(), 'content-type': 'text/csv' };
  const rows = Array.from({ length: 10_000 }, (_, n) => `R${n},${mobile(n)}\n`).join('');
  const file = `externalReference,mobile\n${rows}`;
  const whole = await fetch(url('/residents/import'), { method: 'POST', headers: csv, body: file });
  expect(await whole.json()).toMatchObject({ read: 10_000, created: 10_000, refused: 0 });
  const leaving = new AbortController();
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(`externalReference,mobile\n${rows.replaceAll('R', 'S')}`));
    },
  });
  const init = { method: 'POST', headers: csv, body, duplex: 'half', signal: leaving.signal } as const;
  const cut = fetch(url('/residents/import'), init);
  const caught = expect(cut).rejects.toThrow();
  const importing = `select from pg_stat_activity where query like 'with org as%' and pid <> pg_backend_pid()
    and datname = current_database() and state = 'idle in transaction'`;
  await expect.poll(async () => (await api.database.pool.query(importing)).rowCount, { timeout: 15_000 }).toBe(1);
  leaving.abort();
  await caught;
  await expect.poll(async () => (await api.database.pool.query(importing)).rowCount).toBe(0);
  const { body: page } = await town.request('GET', '/residents?externalReference=S0');
  expect(page.items).toEqual([]);
});

test('serve - a client that leaves its event stream is forgotten', async () => {
  const { body: campaign } = await town.request('POST', '/campaigns', goodCampaign);
  const leaving = new AbortController();
  const response = await fetch(url(`/campaigns/${campaign.id}/progress/events`), {
    headers: headers(),
    signal: leaving.signal,
  });
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const reader = response.body?.getReader();
  await reader?.read();
  expect(api.feed.watched).toBe(1);
  const rest = reader?.read().catch(() => 'gone');
  leaving.abort();
  expect(await rest).toBe('gone');
  await expect.poll(() => api.feed.watched).toBe(0);
});

test('serve - a taken port is told', async () => {
  await expect(serveApi(api.app, { host: '127.0.0.1', port: served.port })).rejects.toMatchObject({ code: 'start' });
});
