/** Health of a process over HTTP. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { Health } from '../../cluster/health.ts';
import { createMetrics, type Metrics } from '../../src/telemetry.ts';
import { faultOf } from '../support/fault.ts';

let health: Health | undefined;
afterEach(() => health?.stop());

async function serve(unready: () => Record<string, string>, metrics: Metrics = createMetrics('test')) {
  health = new Health('127.0.0.1', 0, metrics, unready);
  await health.start();
  const { port } = health;
  return async (path: string, method = 'GET') => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
    return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
  };
}

test('health - says that it lives and, by part, what is not ready', async () => {
  let unready: Record<string, string> = { north: 'no bind' };
  const get = await serve(() => unready);
  expect(await get('/healthz')).toMatchObject({ status: 200, text: '{"status":"ok"}' });
  const not = await get('/readyz?verbose=1');
  expect(not.status).toBe(503);
  expect(JSON.parse(not.text)).toEqual({ status: 'unready', unready: { north: 'no bind' } });
  unready = {};
  expect(await get('/readyz')).toMatchObject({ status: 200, type: 'application/json' });
  expect((await get('/')).status).toBe(404);
});

test('health - shows the metrics, and outlives one that cannot be read', async () => {
  const metrics = createMetrics('test');
  metrics.counter('tocsin_test_total', 'A count').inc(3);
  const get = await serve(() => ({}), metrics);
  expect((await get('/metrics')).text).toMatch(/^tocsin_test_total\{role="test"\} 3$/m);
  const gauge = metrics.gauge('tocsin_test_broken', 'Fails');
  Object.assign(gauge, {
    collect: () => {
      throw new Error('broken');
    },
  });
  expect((await get('/metrics')).status).toBe(500);
  expect((await get('/healthz')).status).toBe(200);
});

test('health - a port that is taken is a fault that says which', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  const fault = await faultOf(new Health('127.0.0.1', port, createMetrics('test'), () => ({})).start());
  expect(fault).toMatchObject({ code: 'start', message: expect.stringContaining(String(port)) });
  await new Promise((resolve) => other.close(resolve));
});

test('health - stops twice, and before it was started', async () => {
  const idle = new Health('127.0.0.1', 0, createMetrics('test'), () => ({}));
  await idle.stop();
  const get = await serve(() => ({}));
  await get('/healthz');
  await health?.stop();
  await health?.stop();
  await expect(get('/healthz')).rejects.toThrow();
});
