/** What callers are told of parts that a schema refuses: in our words, whatever is wrong with whichever part. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Caller, goodCampaign, startApi, type TestApi } from './harness.ts';

let api: TestApi;
let town: Caller;
beforeAll(async () => {
  api = await startApi({ keyRequestsPerSecondMax: 0 });
  town = await api.organisation();
});
afterAll(() => api.stop());

/** How zod itself speaks. */
const stock = /invalid (?:input|key|option|string|element)|expected|received|too (?:small|big)|unrecognized/i;

const values = [5, -1, 1.5, 1e300, '', ' ', '\u0007', 'x'.repeat(20_000), true, null];
const lists = [[], [5], [{}], [[]], ['nonsense'], [{ address: 5, optedOut: 'x', zz: 1 }], [{ address: '' }]];
const objects = [{}, { zz: 1 }, { FR: 'x' }, { fr: 5 }, { fr: 'x'.repeat(6_000) }, { all: 'x' }, { all: false }];
const audiences = [5, [5], [], Array(101).fill('1')].map((named) => ({ lists: named }));
const wrong: unknown[] = [...values, ...lists, ...objects, ...audiences, Array(11).fill({ address: '1' })];
const wrongParameters = ['', 'x', '-1', '0', '1.5', '1e300', '99999', 'x'.repeat(300)];

type Parameter = { readonly in: string; readonly name: string };
type Operation = {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { content: Record<string, { schema: { $ref?: string; properties?: object } } | undefined> };
};
type Document = {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, { readonly properties?: object }> };
};

/** Every operation with what of it has a schema. */
async function operations() {
  const { paths, components } = (await (await api.app.request('/openapi.json')).json()) as Document;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody }]) => {
      const schema = requestBody?.content['application/json']?.schema;
      const named = components.schemas[schema?.$ref?.split('/').at(-1) ?? ''] ?? schema;
      const fields = schema === undefined ? undefined : Object.keys(named?.properties ?? {});
      return { method: method.toUpperCase(), path: path.replaceAll(/\{\w+\}/g, '7'), parameters, fields };
    }),
  );
}

test('wording - no refusal speaks as zod does, whatever is wrong with whichever field or parameter', async () => {
  const found = new Set<string>();
  let bodies = 0;
  const ask = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const who = path.startsWith('/organisations') ? api.platform : town;
    const { status, body: problem, text } = await who.request(method, path, body, headers);
    expect([method, path, status]).not.toEqual([method, path, 500]);
    for (const error of (problem.errors ?? []) as unknown as { field: string; message: string }[]) {
      expect(error.message, text).not.toMatch(stock);
      found.add(error.message);
    }
  };
  for (const { method, path, parameters, fields } of await operations()) {
    for (const { in: place, name } of parameters) {
      for (const value of wrongParameters) {
        if (place === 'query') await ask(method, `${path}?${name}=${value}&zz=1`);
        if (place === 'query') await ask(method, `${path}?${name}=${value}&${name}=${value}`);
        if (place === 'header') await ask(method, path, fields && {}, { [name]: value });
      }
    }
    if (fields === undefined) continue;
    bodies += 1;
    for (const body of [...wrong, ...fields.flatMap((field) => wrong.map((value) => ({ [field]: value })))])
      await ask(method, path, JSON.stringify(body));
  }
  expect(bodies).toBeGreaterThan(5);
  expect([...found]).toEqual(
    expect.arrayContaining(['there is no such field', 'must not be empty', 'the body must be an object']),
  );
});

test.each<[string, object | unknown[], string, string]>([
  ['missing', { name: undefined }, 'name', 'is missing; it must be a text'],
  ['of another type', { validitySeconds: 'a day' }, 'validitySeconds', 'must be a number'],
  ['a fraction', { validitySeconds: 90.5 }, 'validitySeconds', 'must be a whole number'],
  ['too long', { sender: 'x'.repeat(16) }, 'sender', 'must have at most 15 characters'],
  ['too small', { validitySeconds: 5 }, 'validitySeconds', 'must be at least 60'],
  ['none of a few', { nature: 'advert' }, 'nature', 'must be one of "alert", "information"'],
  ['of two shapes', { audience: 5 }, 'audience', 'must be either {"all": true} or {"lists": [ids]}'],
  ['empty', { audience: { lists: [] } }, 'audience.lists', 'must have at least 1 entry'],
  [
    'of a strange name',
    { contents: { Français: 'x' } },
    'contents.Français',
    'a language is two or three small letters',
  ],
])('wording - a field that is %s is told so', async (_what, change, field, message) => {
  const { body } = await town.request('POST', '/campaigns', { ...goodCampaign, ...change });
  expect(body).toMatchObject({ field, detail: `${field}: ${message}`, errors: [{ field, message }] });
});
