/** The API without PostgreSQL: a clear answer, at once, and no key is taken for a wrong one. */
import { expect, test } from 'vitest';
import { createApi } from '../../src/api/app.ts';
import { defaultLimits } from '../../src/api/limits.ts';
import { systemClock } from '../../src/clock.ts';
import { connect } from '../../src/db/client.ts';
import { silentLog } from '../../src/telemetry.ts';
import { caller, goodCampaign, platformKey, TestFeed } from './harness.ts';

test('unavailable - every kind of request is answered 503 and asked to come again', async () => {
  const database = connect({
    url: 'postgres://tocsin_api@127.0.0.1:1/none',
    poolMax: 2,
    applicationName: 'test-away',
    statementTimeoutMs: 1000,
    pipelines: true,
    log: silentLog,
  });
  const app = createApi({
    database,
    commands: { publish: () => Promise.resolve() },
    progress: new TestFeed(),
    carriers: [],
    routes: [],
    platformKey,
    limits: defaultLimits,
    clock: systemClock,
    log: silentLog,
    stopping: new AbortController().signal,
  });
  const town = caller(app, '', `tocsin_${'a'.repeat(43)}`);
  const platform = caller(app, '', platformKey);
  const answers = [
    await town.request('GET', '/residents'),
    await town.request('POST', '/campaigns', goodCampaign),
    await platform.request('GET', '/organisations'),
  ];
  for (const answer of answers) {
    expect(answer).toMatchObject({ status: 503, body: { type: 'urn:tocsin:problem:unavailable' } });
    expect(answer.headers.get('retry-after')).toBe('5');
  }
  await database.close();
});
