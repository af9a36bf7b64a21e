/** When traces are made, and what they cost when they are not. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { openTelemetry } from '../../cluster/open-telemetry.ts';
import { wantsTraces } from '../../cluster/tracing.ts';
import { silentLog } from '../../src/telemetry.ts';
import { startCollector } from '../support/collector.ts';

let collector: Awaited<ReturnType<typeof startCollector>> | undefined;
afterEach(async () => {
  delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  await collector?.stop();
  collector = undefined;
});

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' };

test.each([
  [false, {}],
  [true, endpoint],
  [true, { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:4318/v1/traces' }],
  [true, { OTEL_TRACES_EXPORTER: 'otlp' }],
  [false, { ...endpoint, OTEL_TRACES_EXPORTER: 'none' }],
  [false, { ...endpoint, OTEL_SDK_DISABLED: 'true' }],
  [false, { OTEL_EXPORTER_OTLP_ENDPOINT: '' }],
])('tracing - is wanted: %s, by %j', (wanted, environment) => {
  expect(wantsTraces(environment)).toBe(wanted);
});

test.each([
  ['nothing of it is loaded when it is off', {}, 0],
  ['it is loaded when it is on', endpoint, 1],
])('tracing - %s', (_, environment, loaded) => {
  const dist = join(import.meta.dirname, '..', '..', 'dist');
  const script = `
    import { createRequire } from 'node:module';
    const { startTracing } = await import('${dist}/cluster/tracing.js');
    const { silentLog } = await import('${dist}/src/telemetry.js');
    await startTracing('test', silentLog);
    const loaded = Object.keys(createRequire('${dist}/x.js').cache);
    process.stdout.write(loaded.some((file) => file.includes('@opentelemetry/sdk')) ? '1' : '0');
    process.exit(0);`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], ...environment },
  });
  // prom-client loads @opentelemetry/api, which is an interface and does nothing by itself.
  expect({ stdout, stderr }).toEqual({ stdout: String(loaded), stderr: '' });
});

/** Names of the spans that arrive when `work` is done with a tracer. */
async function traced(environment: Record<string, string>, work: (t: ReturnType<typeof openTelemetry>) => void) {
  collector = await startCollector();
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = collector.url;
  const tracing = openTelemetry('test', silentLog, environment);
  work(tracing);
  await tracing.stop();
  return collector.spans;
}

test('tracing - children are below their parents, go on with a trace from outside, and need one', async () => {
  const outside = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const spans = await traced({}, ({ tracer }) => {
    const root = tracer.root('request', outside);
    const child = tracer.child('child', root.traceParent, { 'tocsin.batch': 3 }, Date.now() - 1000);
    child.event('encoded');
    child.end();
    tracer.child('nobody', undefined).end();
    tracer.child('nobody', 'no-trace-parent').end();
    root.end({ 'http.response.status_code': 202 }, 'POST /x');
  });
  const [child, root] = spans;
  expect(spans.map(({ name }) => name)).toEqual(['child', 'POST /x']);
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set(['0af7651916cd43dd8448eb211c80319c']));
  expect(root?.parentSpanId).toBe('b7ad6b7169203331');
  expect(child?.parentSpanId).toBe(root?.spanId);
  expect(child?.service).toBe('tocsin-test');
  expect(child?.events.map(({ name }) => name)).toEqual(['encoded']);
});

test.each([
  [0, 'always_off', '', undefined],
  [0, 'parentbased_traceidratio', '0', undefined],
  [1, 'parentbased_traceidratio', '1', undefined],
  [1, 'parentbased_always_off', '', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  [0, 'parentbased_always_on', '', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00'],
  [1, 'always_on', '', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00'],
])('tracing - %i span by the sampler %s %s below %s', async (count, sampler, argument, parent) => {
  const environment = { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: argument };
  const spans = await traced(environment, ({ tracer }) => tracer.root('request', parent).end());
  expect(spans).toHaveLength(count);
});

test('tracing - a collector that is away holds nobody up', async () => {
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = 'http://127.0.0.1:1';
  const tracing = openTelemetry('test', silentLog, {});
  tracing.tracer.root('request', undefined).end();
  await tracing.stop();
});
