/** The API in process over a fresh database, as the role that row-level security holds. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import { countRequests } from '../../cluster/api-metrics.ts';
import { createApi } from '../../src/api/app.ts';
import { type ApiLimits, defaultLimits } from '../../src/api/limits.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { connect } from '../../src/db/client.ts';
import type { Id, ProgressEvent } from '../../src/handoff.ts';
import { createLog, createMetrics, silentLog } from '../../src/telemetry.ts';
import { testDatabase } from '../support/postgres.ts';

/** Key of the platform's owner in tests. */
export const platformKey = 'platform-key-of-the-tests';

/** What tests read of one entry of a page. */
export type Item = {
  readonly id: string;
  readonly resident: string;
  readonly ordinal: number;
  readonly state: string;
  readonly firstName: string;
  readonly contacts: unknown[];
  readonly revokedAt: string | null;
};

/** What tests read of JSON bodies: the fields of all of them, each there in some. */
export type Body = Item & {
  readonly key: string;
  readonly type: string;
  readonly field: string;
  readonly status: unknown;
  readonly items: readonly Item[];
  readonly next: string | null;
  readonly errors: readonly { readonly line: number; readonly field: string }[];
  readonly groups: readonly unknown[];
  readonly carriers: readonly unknown[];
  readonly refusals: readonly unknown[];
  readonly campaign: unknown;
  readonly residents: number;
  readonly created: number;
  readonly launchedAt: string;
  readonly expiresAt: string;
  readonly paths: Readonly<Record<string, object>>;
};

/** An answer; `body` is read from `text` when that is JSON. */
export type Answer = { readonly status: number; readonly headers: Headers; readonly text: string; readonly body: Body };

/** An organisation with a key. */
export type Caller = {
  readonly organisation: Id;
  readonly key: string;
  request(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
};

/** A feed that tests speak through. */
export class TestFeed {
  private readonly watchers = new Map<Id, Set<(event: ProgressEvent) => void>>();

  watch(campaign: Id, watcher: (event: ProgressEvent) => void): () => void {
    const watchers = this.watchers.get(campaign) ?? new Set();
    this.watchers.set(campaign, watchers.add(watcher));
    return () => watchers.delete(watcher);
  }

  tell(event: ProgressEvent): void {
    for (const watcher of this.watchers.get(event.campaign) ?? []) watcher(event);
  }

  get watched(): number {
    return [...this.watchers.values()].reduce((sum, watchers) => sum + watchers.size, 0);
  }
}

/** The API and what it talks to. */
export async function startApi(limits: Partial<ApiLimits> = {}, clock: Clock = systemClock) {
  const stored = await testDatabase();
  const database = connect({
    url: stored.apiUrl,
    poolMax: 5,
    applicationName: 'test-api',
    statementTimeoutMs: 20_000,
    pipelines: true,
    log: silentLog,
  });
  const published: [Id, string][] = [];
  const feed = new TestFeed();
  const stopping = new AbortController();
  const redis = { down: false };
  const metrics = createMetrics('test');
  const app = createApi({
    database,
    commands: {
      publish(campaign, command) {
        if (redis.down) return Promise.reject(new Error('Redis is away'));
        published.push([campaign, command]);
        return Promise.resolve();
      },
    },
    progress: feed,
    carriers: [
      { name: 'north', ratePerSecond: 100, longMessages: 'udh', defaultAlphabet: 'gsm' },
      { name: 'south', ratePerSecond: 10, longMessages: 'sar', defaultAlphabet: 'gsm' },
    ],
    routes: [
      { prefix: '336', carrier: 'north' },
      { prefix: '337', carrier: 'south' },
    ],
    platformKey,
    limits: { ...defaultLimits, ...limits },
    clock,
    log: process.env['TEST_LOG'] === undefined ? silentLog : createLog('test', 'info'),
    answered: countRequests(metrics),
    stopping: stopping.signal,
  });
  const platform = caller(app, '', platformKey);
  return {
    app,
    metrics,
    database,
    stored,
    published,
    feed,
    stopping,
    redis,
    platform,
    async organisation(name = 'Commune'): Promise<Caller> {
      const { body } = await platform.request('POST', '/organisations', { name });
      const { body: key } = await platform.request('POST', `/organisations/${body.id}/keys`, { name: 'test' });
      return caller(app, body.id, key.key);
    },
    async stop(): Promise<void> {
      stopping.abort();
      await database.close();
      await stored.drop();
    },
  };
}

/** The running API of a test. */
export type TestApi = Awaited<ReturnType<typeof startApi>>;

/** Requests with a key. Strings and bytes are sent as they are, anything else as JSON. */
export function caller(app: OpenAPIHono, organisation: Id, key: string): Caller {
  return {
    organisation,
    key,
    async request(method, path, body, headers = {}) {
      const raw = typeof body === 'string' || body instanceof Uint8Array || body instanceof ReadableStream;
      const init: RequestInit & { duplex?: string } = {
        method,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      };
      if (body !== undefined) init.body = raw ? (body as NonNullable<RequestInit['body']>) : JSON.stringify(body);
      if (body instanceof ReadableStream) init.duplex = 'half';
      const response = await app.request(path, init);
      const text = await response.text();
      const isJson = response.headers.get('content-type')?.includes('json') === true;
      const read = (isJson ? JSON.parse(text) : {}) as Body;
      return { status: response.status, headers: response.headers, text, body: read };
    },
  };
}

/** A campaign that is acceptable. */
export const goodCampaign = {
  name: 'Flood',
  nature: 'alert',
  sender: 'MAIRIE',
  audience: { all: true },
  contents: { fr: 'Alerte crue, {{firstName|madame, monsieur}}. Rentrez chez vous.', en: 'Flood warning.' },
  defaultLanguage: 'fr',
};

/** A mobile number of ARCEP's range for fiction. */
export const mobile = (n: number): string => `+3363998${String(n).padStart(4, '0')}`;
