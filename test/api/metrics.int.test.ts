/** What is counted of requests. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApi, type TestApi } from './harness.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

test('metrics - count requests by route and class of status, and never name what was asked for', async () => {
  const town = await api.organisation();
  for (let n = 0; n < 3; n += 1) await town.request('GET', `/campaigns/${n}`);
  await town.request('GET', '/campaigns');
  await town.request('POST', '/campaigns', { name: 'x' });
  await town.request('GET', '/campaigns', undefined, { authorization: 'Bearer nobody' });
  for (const path of ['/nothing', '/nothing/7', '/campaigns/7/nothing']) await town.request('GET', path);
  await town.request('DELETE', '/campaigns');
  const text = await api.metrics.text();
  const counted = [
    ...text.matchAll(/^tocsin_api_requests_total\{route="([^"]*)",status="(\dxx)",role="test"\} (\d+)$/gm),
  ];
  const counts = new Map(counted.map(([, route, status, count]) => [`${route} ${status}`, Number(count)]));
  expect(counts.get('GET /campaigns/:id 4xx')).toBe(3);
  expect(counts.get('GET /campaigns 2xx')).toBe(1);
  expect(counts.get('GET /campaigns 4xx')).toBe(1);
  expect(counts.get('POST /campaigns 4xx')).toBe(1);
  expect(counts.get('none 4xx')).toBe(4);
  expect(text).toMatch(/^tocsin_api_request_seconds_count\{role="test",route="GET \/campaigns\/:id"\} 3$/m);
});
