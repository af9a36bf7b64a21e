/** Metrics of a worker: labels are carriers and outcomes, never campaigns or numbers. */
import type { Metrics } from '../src/telemetry.ts';
import type { Lines } from './lines.ts';

/** Registers a worker's metrics; values are read when they are scraped. */
export function countWorker(metrics: Metrics, lines: readonly Lines[]): void {
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
        for (const line of lines) gauge.set({ carrier: line.carrier.name }, value(line));
      },
    });
  }
  const segments = metrics.counter('tocsin_segments_total', 'Segments by what became of them', ['carrier', 'outcome']);
  const deliveries = metrics.counter('tocsin_deliveries_total', 'deliver_sm by kind', ['carrier', 'kind']);
  Object.assign(segments, {
    collect: () => {
      segments.reset();
      for (const { carrier, sender } of lines)
        for (const [outcome, count] of Object.entries(sender.counts))
          segments.inc({ carrier: carrier.name, outcome }, count);
    },
  });
  Object.assign(deliveries, {
    collect: () => {
      deliveries.reset();
      for (const { carrier, intake } of lines)
        for (const [kind, count] of Object.entries(intake.counts))
          deliveries.inc({ carrier: carrier.name, kind }, count);
    },
  });
}
