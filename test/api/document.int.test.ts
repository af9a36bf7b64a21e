/** The OpenAPI document and its page. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { problemKinds, problemType, type ProblemKind } from '../../src/api/problems.ts';
import { startApi, type TestApi } from './harness.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

type Operation = { summary?: string; security?: unknown[]; responses: object; requestBody?: { content: object } };
async function operations(): Promise<[string, Operation][]> {
  const document = (await (await api.app.request('/openapi.json')).json()) as {
    openapi: string;
    paths: Record<string, Record<string, Operation>>;
  };
  expect(document.openapi).toBe('3.1.0');
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [`${method} ${path}`, operation]),
  );
}

test('document - describes every route that there is, each with a summary, its key and its problems', async () => {
  const described = await operations();
  for (const [name, operation] of described) {
    expect(operation.summary, name).toBeTruthy();
    expect(operation.security, name).toHaveLength(1);
    expect(Object.keys(operation.responses), name).toContain('default');
  }
  const served = api.app.routes
    .filter(({ method, path }) => method !== 'ALL' && path !== '/docs' && path !== '/openapi.json')
    .map(({ method, path }) => `${method.toLowerCase()} ${path.replace(/:(\w+)/gu, '{$1}')}`);
  expect(new Set(served)).toEqual(new Set(described.map(([name]) => name)));
});

test('document - every reference in it leads somewhere', async () => {
  const text = await (await api.app.request('/openapi.json')).text();
  const { components } = JSON.parse(text) as { components: { schemas: Record<string, unknown> } };
  const names = [...text.matchAll(/"#\/components\/schemas\/(\w+)"/gu)].map((match) => match[1] ?? '');
  expect(names.length).toBeGreaterThan(10);
  for (const name of names) expect(Object.keys(components.schemas)).toContain(name);
});

test('document - names every type of problem', async () => {
  const text = await (await api.app.request('/openapi.json')).text();
  for (const kind of Object.keys(problemKinds) as ProblemKind[]) expect(text).toContain(problemType(kind));
});

test('document page - shows every route and fetches nothing', async () => {
  const response = await api.app.request('/docs');
  const html = await response.text();
  expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(html).not.toMatch(/<(?:script|link|img|iframe)|url\(|https?:\/\//u);
  for (const [name] of await operations()) {
    const [method = '', path = ''] = name.split(' ');
    expect(html).toContain(`<code>${method.toUpperCase()} ${path}</code>`);
  }
});
