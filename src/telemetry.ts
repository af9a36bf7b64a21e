/**
 * Log lines and metrics. Takes ids and counts; callers never hand it a phone number, a text or a
 * secret. Runs in every process; pino and prom-client are known only here.
 */
import { pino } from 'pino';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** What a log line may carry: ids, codes and counts. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** A structured log. An `error` is written with its message, code and stack. */
export type Log = {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields, error?: unknown): void;
  error(event: string, fields?: LogFields, error?: unknown): void;
  /** A log whose every line also carries `fields`. */
  with(fields: LogFields): Log;
};

/** Lowest level that is written. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

type Sink = ReturnType<typeof pino>;

/** Errors behind an error that are told with it. */
const causesMax = 5;
/** Classes of SQLSTATE whose message names a value: data exceptions and violated constraints. */
const namesValue = /^2[23]/;

/**
 * What a log says of an error. Never its other properties: a statement's error has the row at fault, one of Redis the
 * command's arguments, and both are recipients.
 */
function describeError(error: unknown, depth = 0): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  const isCode = typeof code === 'string' || typeof code === 'number';
  return {
    type: error.name,
    ...(isCode ? { code } : {}),
    message: safeMessage(error.message, isCode ? String(code) : ''),
    stack: error.stack
      ?.split('\n')
      .filter((line) => /^\s+at /.test(line))
      .join('\n'),
    ...(cause === undefined || depth >= causesMax ? {} : { cause: describeError(cause, depth + 1) }),
  };
}

function safeMessage(message: string, code: string): string {
  if (/^[0-9A-Z]{5}$/.test(code) && namesValue.test(code)) return `SQLSTATE ${code}`;
  // Redis names the first arguments of a command that it does not know.
  return message.replace(/with args beginning with.*$/s, 'with arguments');
}

function wrap(sink: Sink): Log {
  const fault = (error: unknown) => (error === undefined ? {} : { err: error });
  return {
    debug: (event, fields = {}) => sink.debug(fields, event),
    info: (event, fields = {}) => sink.info(fields, event),
    warn: (event, fields = {}, error) => sink.warn({ ...fields, ...fault(error) }, event),
    error: (event, fields = {}, error) => sink.error({ ...fields, ...fault(error) }, event),
    with: (fields) => wrap(sink.child(fields)),
  };
}

/** A log of JSON lines on standard error, tagged with the process role. */
export function createLog(role: string, level: LogLevel): Log {
  const serializers = { err: (error: unknown) => describeError(error) };
  return wrap(pino({ level, serializers, base: { role, pid: process.pid } }, pino.destination({ fd: 2, sync: true })));
}

/** A log that writes nothing, for tests and benches. */
export const silentLog: Log = wrap(pino({ level: 'silent' }));

/** One value of a metric, with its labels. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** What a metric is, for the table in README. */
export type MetricDescription = {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labels: readonly string[];
};

/** The metrics of one process. Labels are bounded: carrier, lane, outcome; never campaign or number. */
export type Metrics = {
  counter(name: string, help: string, labels?: readonly string[]): Counter;
  gauge(name: string, help: string, labels?: readonly string[]): Gauge;
  histogram(name: string, help: string, buckets: number[], labels?: readonly string[]): Histogram;
  /** A metric whose values are kept elsewhere, and read when it is scraped: counting costs what it costs there. */
  read(type: 'counter' | 'gauge', name: string, help: string, labels: string[], samples: () => Iterable<Sample>): void;
  /** Everything registered here but Node's own. */
  describe(): MetricDescription[];
  /** Prometheus text exposition of everything registered here. */
  text(): Promise<string>;
};

/** A fresh registry with Node's default metrics, labelled with the process role. */
export function createMetrics(role: string): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ role });
  collectDefaultMetrics({ register: registry });
  const own = registry.getMetricsAsArray().length;
  const registers = [registry];
  return {
    read(type, name, help, labels, samples) {
      const metric = new (type === 'counter' ? Counter : Gauge)({ name, help, labelNames: labels, registers });
      const collect = () => {
        metric.reset();
        for (const [values, value] of samples()) metric.inc(values, value);
      };
      Object.assign(metric, { collect });
    },
    describe: () =>
      registry
        .getMetricsAsArray()
        .slice(own)
        .map(({ name, help, type, ...metric }) => {
          const labels =
            'labelNames' in metric && Array.isArray(metric.labelNames) ? metric.labelNames.map(String) : [];
          return { name, help, type: String(type), labels };
        }),
    counter: (name, help, labels = []) => new Counter({ name, help, labelNames: [...labels], registers }),
    gauge: (name, help, labels = []) => new Gauge({ name, help, labelNames: [...labels], registers }),
    histogram: (name, help, buckets, labels = []) =>
      new Histogram({ name, help, buckets, labelNames: [...labels], registers }),
    text: () => registry.metrics(),
  };
}
