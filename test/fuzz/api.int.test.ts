/**
 * Requests that no program should send, to every route of the document: each is answered, by what was asked for or by a
 * problem that says what is wrong with it, never by a fault of ours, and another organisation notices nothing.
 */
import assert from 'node:assert';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Caller, goodCampaign, mobile, platformKey, startApi, type TestApi } from '../api/harness.ts';
import { changed, someChanges } from './bytes.ts';
import { fuzzed, fuzzTimeoutMs, keepingNothing } from './runs.ts';

let api: TestApi;
let town: Caller;
let neighbour: Caller;
let operations: readonly Operation[];
/** Ids that name nothing, or cannot be one. */
const strangeIds = ['0', '1', '9223372036854775807', '9223372036854775808', '-1', 'x', '', '%00', '%ff', '..', '٣'];
/** Ids of what there is, or was, by the collection that it is in. */
const known: Record<string, string[]> = { organisations: [], keys: [], residents: [], lists: [], campaigns: [] };

type Operation = { readonly method: string; readonly path: string; readonly queries: readonly string[] };

beforeAll(async () => {
  api = await startApi();
  town = await api.organisation();
  neighbour = await api.organisation('Neighbour');
  await neighbour.request('POST', '/residents', { firstName: 'Only', contacts: [{ address: mobile(1) }] });
  known['organisations']?.push(town.organisation, neighbour.organisation);
  operations = await operationsOf(town);
});
afterAll(() => api.stop());

type Documented = { readonly parameters?: readonly { readonly in: string; readonly name: string }[] };

/** Every operation that the document names. */
async function operationsOf(caller: Caller): Promise<Operation[]> {
  const { body } = await caller.request('GET', '/openapi.json');
  return Object.entries(body.paths).flatMap(([path, methods]) =>
    Object.entries(methods as Record<string, Documented>).map(([method, { parameters = [] }]) => ({
      method: method.toUpperCase(),
      path,
      queries: parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name),
    })),
  );
}

const resident = {
  externalReference: 'V-1',
  firstName: 'Camille',
  language: 'fr',
  postcode: '99100',
  contacts: [{ address: '06 39 98 00 01', optedOut: false }],
};
const bodies: Readonly<Record<string, unknown>> = {
  '/campaigns': goodCampaign,
  '/residents': resident,
  '/residents/{id}': { lastName: 'Durand', contacts: [{ address: '+33639980003' }] },
  '/lists': { name: 'Quay' },
  '/lists/{id}': { name: 'Quay and harbour' },
  '/organisations': { name: 'Commune', country: 'FR' },
  '/organisations/{id}/keys': { name: 'spare' },
};
const csv =
  'externalReference,firstName,language,mobile\nV-1,Camille,fr,06 39 98 00 01\nV-2,"Al ""x""",en,+33639980002\n';

const texts = [
  ['', ' ', '\0', '\ud800', '\ufeff', 'x'.repeat(6_000), 'é'.repeat(300), '{{', '{{firstName|}}', '{{a|{{b}}}}'],
  ["'; drop table residents; --", '../../etc', '%s%n', '__proto__', '1e309', 'NaN', '9'.repeat(400), '\u202eabc'],
  ['👩‍👩‍👧', '2026-02-30T25:00:00Z', '+33', '0', 'fr', 'all', 'true'],
].flat();
const manyIds = Array.from({ length: 2_000 }, () => '1');
const prototypes: unknown = JSON.parse('{"__proto__":{"admin":true},"constructor":1}');
const things = [null, true, 0, -1, 1.5, 1e308, 2 ** 53, [], {}, [[]], { all: true }, ['1', '1'], manyIds, prototypes];
const junk: readonly unknown[] = [things, texts].flat();

type Turn = readonly [way: number, where: number, what: number];

/** A body in which something is replaced, added or missing. */
function turned(body: unknown, turns: readonly Turn[]): unknown {
  const root = { body: structuredClone(body) };
  for (const [way, where, what] of turns) {
    const places = placesOf(root);
    const place = places[where % places.length];
    if (place === undefined) continue;
    const { holder, key } = place;
    if (way === 0) Reflect.deleteProperty(holder, key);
    else if (way === 1) Reflect.set(holder, texts[what % texts.length] as string, junk[where % junk.length]);
    else Reflect.set(holder, key, structuredClone(junk[what % junk.length]));
  }
  return root.body;
}

function placesOf(holder: object): { holder: object; key: string }[] {
  return Object.entries(holder).flatMap(([key, value]) => [
    { holder, key },
    ...(typeof value === 'object' && value !== null ? placesOf(value as object) : []),
  ]);
}

/** Half of them with nothing wrong in one respect or another, so that what lies deeper is reached as well. */
const requests = fc.record({
  operation: fc.nat(1_000),
  ids: fc.tuple(fc.nat(1_000), fc.nat(1_000)),
  queries: fc.array(fc.tuple(fc.nat(20), fc.nat(texts.length - 1)), { maxLength: 2 }),
  turns: fc.option(fc.array(fc.tuple(fc.nat(3), fc.nat(1_000), fc.nat(1_000)), { maxLength: 3 }), { freq: 2 }),
  changes: fc.option(someChanges(3), { freq: 2 }),
  key: fc.option(fc.constantFrom('town', 'platform', 'nobody'), { freq: 2 }),
  type: fc.option(fc.constantFrom('text/csv', 'application/json', 'application/json; charset=utf-16', 'x'), {
    freq: 2,
  }),
  idempotencyKey: fc.option(fc.constantFrom('a', 'b', 'é', ' ', 'k'.repeat(300)), { freq: 2 }),
});
type Wanted = typeof requests extends fc.Arbitrary<infer Value> ? Value : never;

function bytesOf(path: string, { turns, changes }: Wanted): Buffer {
  const text = isImport(path) ? csv : (JSON.stringify(turned(bodies[path] ?? {}, turns ?? [])) ?? '');
  return changed(Buffer.from(text), changes ?? []);
}

const isImport = (path: string) => path === '/residents/import';

/** One in four is strange, and the others were there at some time. */
function idFor(collection: string, chosen: number): string {
  const there = chosen % 4 === 0 ? strangeIds : (known[collection] ?? strangeIds);
  return there[(there.length - 1 - (chosen >> 2)) % there.length] ?? there.at(-1) ?? '1';
}

/** The path with ids in it. */
function filledPath(path: string, chosen: readonly number[]): string {
  let next = 0;
  const parts = path.split('/');
  return parts
    .map((part, i) => (part.startsWith('{') ? idFor(parts[i - 1] as string, chosen[next++] as number) : part))
    .join('/');
}

async function ask(wanted: Wanted): Promise<{ answer: Response; said: string; asked: string }> {
  const { method, path, queries } = operations[wanted.operation % operations.length] as Operation;
  const filled = filledPath(path, wanted.ids);
  const names = [...queries, 'limit', 'cursor', 'other'];
  const query = new URLSearchParams();
  for (const [name, value] of wanted.queries)
    query.append(names[name % names.length] as string, texts[value] as string);
  const usualKey = path.startsWith('/organisations') ? 'platform' : 'town';
  const keys = { town: town.key, platform: platformKey, nobody: 'tocsin_nobody' };
  const headers = {
    authorization: `Bearer ${keys[wanted.key ?? usualKey]}`,
    'content-type': wanted.type ?? (isImport(path) ? 'text/csv' : 'application/json'),
    ...(wanted.idempotencyKey === null ? {} : { 'idempotency-key': wanted.idempotencyKey }),
  };
  const asked = `${method} ${filled}?${query.toString()}`;
  const answer = await api.app.request(`${filled}?${query.toString()}`, {
    method,
    headers,
    ...(method !== 'GET' ? { body: new Uint8Array(bytesOf(path, wanted)) } : {}),
  });
  if (answer.headers.get('content-type')?.startsWith('text/event-stream') !== true)
    return { answer, said: remembered(path, answer.status, await answer.text()), asked };
  await answer.body?.cancel();
  return { answer, said: '', asked };
}

/** What was made can be asked for from now on. */
function remembered(path: string, status: number, said: string): string {
  if (status === 201) known[path.split('/').at(-1) as string]?.push((JSON.parse(said) as { id: string }).id);
  return said;
}

test(
  'fuzz - whatever is asked of the API, it answers, and says what is wrong',
  async () => {
    const statuses = new Map<number, number>();
    await keepingNothing(async () => {
      await fc.assert(
        fc.asyncProperty(requests, async (wanted) => {
          const { answer, said, asked } = await ask(wanted);
          statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
          assert(answer.status < 500, `${asked.slice(0, 200)} was answered by ${answer.status}: ${said}`);
          const type = answer.headers.get('content-type') ?? '';
          if (answer.status >= 400) {
            assert(type === 'application/problem+json', `a problem came as ${type}`);
            assert((JSON.parse(said) as { type: string }).type.startsWith('urn:tocsin:problem:'));
          } else if (type.includes('json')) JSON.parse(said);
          const { status, body } = await neighbour.request('GET', '/residents');
          assert(status === 200 && body.items.length === 1, 'the neighbour noticed it');
        }),
        fuzzed(50),
      );
    });
    process.stdout.write(`fuzz: the API answered ${JSON.stringify(Object.fromEntries(statuses))}\n`);
    expect([...statuses.keys()].some((status) => status < 300)).toBe(true);
  },
  fuzzTimeoutMs,
);
