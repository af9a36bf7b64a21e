/**
 * Switches tracing on by OpenTelemetry's usual environment variables. When they do not ask for it, nothing of it is
 * loaded.
 */
import type { Log } from '../src/telemetry.ts';
import { noTracer, type Tracer } from '../src/tracing.ts';

/** A tracer, and its end. */
export type Tracing = {
  readonly tracer: Tracer;
  /** Sends what is left, for two seconds at most. */
  stop(): Promise<void>;
};

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether the environment asks for traces: by an exporter, or an endpoint. */
export function wantsTraces(environment: Environment): boolean {
  if (environment['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return false;
  const exporter = environment['OTEL_TRACES_EXPORTER'] ?? '';
  if (exporter !== '') return exporter === 'otlp';
  return ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'].some(
    (name) => (environment[name] ?? '') !== '',
  );
}

/** The tracer of a process. */
export async function startTracing(role: string, log: Log, environment: Environment = process.env): Promise<Tracing> {
  if (!wantsTraces(environment)) return { tracer: noTracer, stop: async () => undefined };
  const { openTelemetry } = await import('./open-telemetry.ts');
  return openTelemetry(role, log, environment);
}
