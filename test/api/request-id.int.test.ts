/** Ids of requests, by which callers and our log name them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Caller, startApi, type TestApi } from './harness.ts';

let api: TestApi;
let town: Caller;
beforeAll(async () => {
  api = await startApi();
  town = await api.organisation();
});
afterAll(() => api.stop());

const anId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

async function idOf(path: string, headers: Record<string, string> = {}): Promise<string> {
  return (await town.request('GET', path, undefined, headers)).headers.get('x-request-id') ?? 'none';
}

test('request id - every answer has one of its own, also where it is a problem', async () => {
  const ids = [await idOf('/campaigns'), await idOf('/campaigns'), await idOf('/campaigns/7'), await idOf('/nothing')];
  ids.push(await idOf('/campaigns', { authorization: 'Bearer nobody' }));
  for (const id of ids) expect(id).toMatch(anId);
  expect(new Set(ids).size).toBe(ids.length);
});

test("request id - the caller's own is kept where it is hexadecimal, and nothing else gets through", async () => {
  const own = '0b8f2a6e-5f0b-4a51-9d3c-2f2f5d0c9a11';
  expect(await idOf('/campaigns', { 'x-request-id': own })).toBe(own);
  for (const strange of ['+33639980001', 'Camille Durand', 'abc', 'a'.repeat(65), '{"level":60}'])
    expect(await idOf('/campaigns', { 'x-request-id': strange })).toMatch(anId);
});
