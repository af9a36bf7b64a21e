/** Metrics of a worker: labels are carriers and outcomes, never campaigns or numbers. */
import { type Lane, lanes } from '../src/handoff.ts';
import type { Backlog } from '../src/stream/backlog.ts';
import type { Metrics } from '../src/telemetry.ts';
import type { Lines } from './lines.ts';

/** Registers the histogram of carriers' response times; returns who notes a sample. */
export function countResponses(metrics: Metrics): (carrier: string, ms: number) => void {
  const seconds = metrics.histogram(
    'tocsin_response_seconds',
    'Time from submit_sm to submit_sm_resp, of the first answer of each chunk',
    [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    ['carrier'],
  );
  return (carrier, ms) => seconds.observe({ carrier }, ms / 1000);
}

/** Registers what waits for each carrier; every worker says the same of it. */
export function countBacklog(metrics: Metrics, carriers: readonly string[], of: (carrier: string) => Backlog): void {
  const oldest = metrics.gauge('tocsin_oldest_batch_seconds', 'Age of the oldest batch that is not done', [
    'carrier',
    'lane',
  ]);
  const eachLane = (set: (carrier: string, lane: Lane) => void) =>
    carriers.forEach((carrier) => lanes.forEach((lane) => set(carrier, lane)));
  Object.assign(oldest, {
    collect: () => eachLane((carrier, lane) => oldest.set({ carrier, lane }, of(carrier).oldestMs[lane] / 1000)),
  });
  const gauges: readonly [name: string, help: string, value: (backlog: Backlog) => number][] = [
    ['tocsin_waiting_bytes', 'Packed recipients that wait in Redis or are in hand', ({ bytes }) => bytes],
    ['tocsin_unrecorded_entries', 'Entries of outcomes and receipts that wait for a recorder', (b) => b.unrecorded],
  ];
  for (const [name, help, value] of gauges) {
    const gauge = metrics.gauge(name, help, ['carrier']);
    Object.assign(gauge, {
      collect: () => carriers.forEach((carrier) => gauge.set({ carrier }, value(of(carrier)))),
    });
  }
}

/** Registers which carriers the operator paused. */
export function countPauses(
  metrics: Metrics,
  carriers: readonly string[],
  isPaused: (carrier: string) => boolean,
): void {
  const paused = metrics.gauge('tocsin_carrier_paused', '1 while the operator has the carrier paused', ['carrier']);
  Object.assign(paused, {
    collect: () => carriers.forEach((carrier) => paused.set({ carrier }, isPaused(carrier) ? 1 : 0)),
  });
}

/** Registers a worker's metrics; values are read, and `lines` asked for, when they are scraped. */
export function countWorker(metrics: Metrics, lines: () => readonly Lines[]): void {
  const gauges: readonly [name: string, help: string, value: (line: Lines) => number][] = [
    ['tocsin_binds_bound', 'Binds that can submit', ({ pool }) => pool.boundCount],
    ['tocsin_slots_held', 'Slots that this worker holds', ({ pool }) => pool.slots.length],
    ['tocsin_window_used', 'Segments that wait for an answer', ({ pool }) => pool.inFlight],
    ['tocsin_window_total', 'Segments that all windows may hold', ({ pool }) => pool.windowTotal],
    ['tocsin_batches_held', 'Batches in hand', ({ sender }) => sender.batchesHeld],
  ];
  for (const [name, help, value] of gauges) {
    const gauge = metrics.gauge(name, help, ['carrier']);
    Object.assign(gauge, {
      collect: () => {
        for (const line of lines()) gauge.set({ carrier: line.carrier.name }, value(line));
      },
    });
  }
  const segments = metrics.counter('tocsin_segments_total', 'Segments by what became of them', ['carrier', 'outcome']);
  const deliveries = metrics.counter('tocsin_deliveries_total', 'deliver_sm by kind', ['carrier', 'kind']);
  Object.assign(segments, {
    collect: () => {
      segments.reset();
      for (const { carrier, sender } of lines())
        for (const [outcome, count] of Object.entries(sender.counts))
          segments.inc({ carrier: carrier.name, outcome }, count);
    },
  });
  Object.assign(deliveries, {
    collect: () => {
      deliveries.reset();
      for (const { carrier, intake } of lines())
        for (const [kind, count] of Object.entries(intake.counts))
          deliveries.inc({ carrier: carrier.name, kind }, count);
    },
  });
}
