/**
 * How every process of the cluster lives: configuration, parts started in order and stopped in reverse, signals,
 * a watchdog and the exit code. The only place with signal handlers and `process.exit`.
 */
import { loadSettings, unknownSettings } from '../config/load.ts';
import type { Settings } from '../config/schema.ts';
import { isFault } from '../src/fault.ts';
import type { Service } from '../src/service.ts';
import { createLog, createMetrics, type Log, type Metrics } from '../src/telemetry.ts';
import type { Tracer } from '../src/tracing.ts';
import { Health, type Unready } from './health.ts';
import { startTracing } from './tracing.ts';
import { wordsOf } from './words.ts';

/** What a process has to work with. */
export type Context = {
  readonly settings: Settings;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
};

/** The parts of a process, in the order in which they start. */
export type Parts = {
  readonly services: readonly Service[];
  readonly unready: Unready;
  /** Told to whoever started this process once all parts are at work. */
  readonly announce?: () => Record<string, unknown>;
};

/** Runs a process of the cluster until it is told to stop; ends the process. */
export async function runProcess(role: string, build: (context: Context) => Promise<Parts>): Promise<void> {
  const settings = settingsOrExit();
  const log = createLog(role, settings.logLevel);
  for (const unknown of unknownSettings(settings)) log.warn('settings.unknown', unknown);
  const metrics = createMetrics(role);
  const started: Service[] = [];
  let isStarted = false;
  let isStopping = false;

  const stop = async (reason: string, exitCode: number): Promise<void> => {
    if (isStopping) return;
    isStopping = true;
    log.info('process.stopping', { reason });
    const watchdog = setTimeout(() => {
      log.error('process.grace-over', { graceMs: settings.graceMs });
      process.exit(1);
    }, settings.graceMs);
    const isClean = await stopAll(started, performance.now() + settings.drainMs, log);
    clearTimeout(watchdog);
    log.info('process.stopped', { reason });
    process.exit(isClean ? exitCode : 1);
  };
  process.on('SIGTERM', () => void stop('SIGTERM', 0));
  process.on('SIGINT', () => void stop('SIGINT', 0));
  // A child outlives its parent by nothing: without the parent nobody would end it.
  if (process.send !== undefined) process.on('disconnect', () => void stop('parent-gone', 0));

  try {
    const tracing = await startTracing(role, log);
    const parts = await build({ settings, log, metrics, tracer: tracing.tracer });
    const unready: Unready = () => (isStarted && !isStopping ? parts.unready() : { process: 'starting or stopping' });
    const health = new Health(settings.host, settings.healthPort, metrics, unready);
    const traces = { name: 'traces', start: async () => undefined, stop: () => tracing.stop() };
    for (const service of [health, traces, ...parts.services]) {
      started.push(service);
      await service.start();
    }
    isStarted = true;
    log.info('process.started', { healthPort: health.port });
    process.send?.({ ready: true, role, healthPort: health.port, ...parts.announce?.() });
  } catch (error) {
    await report(role, error, log);
    await stop('start-failed', 1);
  }
}

/** Stops in reverse order; every part gets its turn even when one fails. True when none failed. */
async function stopAll(services: readonly Service[], deadlineMs: number, log: Log): Promise<boolean> {
  let isClean = true;
  for (const service of [...services].reverse()) {
    try {
      await service.stop(deadlineMs);
    } catch (error) {
      isClean = false;
      log.error('service.stop-failed', { service: service.name }, error);
    }
  }
  return isClean;
}

function settingsOrExit(): Settings {
  try {
    return loadSettings();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}

/** A fault is told in words to the person, or process, that starts this one; anything else keeps its stack. */
async function report(role: string, error: unknown, log: Log): Promise<void> {
  log.error('process.start-failed', {}, error);
  if (!isFault(error)) return;
  const words = wordsOf(error);
  process.stderr.write(`${role}: ${words}\n`);
  if (process.send === undefined) return;
  await new Promise<void>((resolve) => process.send?.({ failed: words }, () => resolve()));
}
