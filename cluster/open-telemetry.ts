/**
 * Traces by OpenTelemetry's SDK, sent as OTLP over HTTP in JSON. Loaded only when tracing is on. It instruments nothing
 * by itself and keeps no context per task: spans are made where the code says so, and context goes with the data.
 */
import { diag, ROOT_CONTEXT, type SpanContext, SpanKind, trace, TraceFlags } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { Log } from '../src/telemetry.ts';
import { noSpan, type Span, type SpanFields, type Tracer } from '../src/tracing.ts';
import type { Tracing } from './tracing.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const traceParentPattern = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;
const stopMsMax = 2_000;

/** See the head of this file. */
export function openTelemetry(role: string, log: Log, environment: Environment): Tracing {
  const told = (message: string) => log.warn('traces.trouble', { trouble: message.slice(0, 200) });
  const quiet = () => undefined;
  diag.setLogger({ error: told, warn: told, info: quiet, debug: quiet, verbose: quiet });
  const ours = resourceFromAttributes({ 'service.name': `tocsin-${role}`, 'service.namespace': 'tocsin' });
  const processor = new BatchSpanProcessor({
    exporter: new OTLPTraceExporter(),
    ...numberOption(environment, 'OTEL_BSP_SCHEDULE_DELAY', 'scheduledDelayMillis'),
    ...numberOption(environment, 'OTEL_BSP_MAX_QUEUE_SIZE', 'maxQueueSize'),
    ...numberOption(environment, 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 'maxExportBatchSize'),
    ...numberOption(environment, 'OTEL_BSP_EXPORT_TIMEOUT', 'exportTimeoutMillis'),
  });
  const provider = new TracerProvider({
    resource: ours.merge(detectResources({ detectors: [envDetector] })),
    sampler: samplerOf(environment),
    spanProcessors: [processor],
  });
  const otel = provider.getTracer('tocsin');
  const start = (
    name: string,
    kind: SpanKind,
    parent?: SpanContext,
    attributes?: SpanFields,
    fromMs?: number,
  ): Span => {
    const context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
    const from = fromMs === undefined ? {} : { startTime: fromMs };
    const span = otel.startSpan(name, { kind, ...(attributes === undefined ? {} : { attributes }), ...from }, context);
    if (!span.isRecording()) return noSpan;
    const { traceId, spanId } = span.spanContext();
    return {
      traceParent: `00-${traceId}-${spanId}-01`,
      event: (event) => void span.addEvent(event),
      end(fields, last) {
        if (fields !== undefined) span.setAttributes(fields);
        if (last !== undefined) span.updateName(last);
        span.end();
      },
    };
  };
  const tracer: Tracer = {
    root: (name, parent) => start(name, SpanKind.SERVER, contextOf(parent)),
    child(name, parent, fields, fromMs) {
      const context = contextOf(parent);
      return context === undefined ? noSpan : start(name, SpanKind.INTERNAL, context, fields, fromMs);
    },
  };
  return {
    tracer,
    async stop() {
      // A collector that is away must not hold the process up.
      const late = new Promise<void>((resolve) => setTimeout(resolve, stopMsMax).unref());
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
    },
  };
}

function contextOf(traceParent: string | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags] = traceParentPattern.exec(traceParent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED;
  return { traceId, spanId, traceFlags, isRemote: true };
}

/** As the specification of the variables says; an unknown name is the default. */
function samplerOf(environment: Environment): Sampler {
  const ratio = Number(environment['OTEL_TRACES_SAMPLER_ARG'] ?? '1');
  const root: Record<string, () => Sampler> = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratio >= 0 && ratio <= 1 ? ratio : 1),
  };
  const wanted = environment['OTEL_TRACES_SAMPLER'] ?? 'parentbased_always_on';
  const make = root[wanted.replace(/^parentbased_/, '')] ?? root['always_on'];
  const sampler = make?.() ?? new AlwaysOnSampler();
  return wanted in root ? sampler : new ParentBasedSampler({ root: sampler });
}

function numberOption<Option extends string>(environment: Environment, name: string, option: Option) {
  const value = Number(environment[name] ?? '');
  return Number.isInteger(value) && value > 0 ? ({ [option]: value } as Record<Option, number>) : {};
}
