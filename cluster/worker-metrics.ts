/** Metrics of a worker: labels are carriers, lanes and outcomes, never campaigns or numbers. */
import { type Lane, lanes, type OutcomeKind, outcomeCodes } from '../src/handoff.ts';
import type { SenderCounts } from '../src/send/counts.ts';
import type { Metrics, Sample } from '../src/telemetry.ts';
import type { Lines } from './lines.ts';

const responseBuckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const launchBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];
const outcomes = Object.keys(outcomeCodes) as OutcomeKind[];

/** What is read of the lines to a carrier. */
export type CountedLines = {
  readonly carrier: Pick<Lines['carrier'], 'name' | 'binds' | 'ratePerSecond'>;
  readonly pool: Pick<Lines['pool'], 'boundCount' | 'slots' | 'inFlight' | 'windowTotal' | 'paceShare'>;
  readonly sender: Pick<Lines['sender'], 'counts' | 'batchesHeld'>;
  readonly intake: Pick<Lines['intake'], 'counts'>;
};

/** Who tells of things that nobody counts otherwise; each is rare, or a sample. */
export type WorkerEvents = {
  readonly responded: (carrier: string, ms: number) => void;
  readonly closed: (carrier: string, reason: string) => void;
  readonly firstSubmitted: (lane: Lane, ms: number) => void;
};

/** Registers what is told as it happens. */
export function countEvents(metrics: Metrics, carriers: readonly string[]): WorkerEvents {
  const responses = metrics.histogram(
    'tocsin_response_seconds',
    'Time from submit_sm to submit_sm_resp, of the first answer of each chunk.',
    responseBuckets,
    ['carrier'],
  );
  const closes = metrics.counter(
    'tocsin_bind_closes_total',
    'Connections to a carrier that ended, by reason; `refused`: the carrier refused the bind.',
    ['carrier', 'reason'],
  );
  const firsts = metrics.histogram(
    'tocsin_first_submit_seconds',
    "Time from a campaign's launch to the first submit_sm of its first batch.",
    launchBuckets,
    ['lane'],
  );
  // What is zero is there, so that a rate sees the first one.
  for (const carrier of carriers) closes.inc({ carrier, reason: 'refused' }, 0);
  for (const lane of lanes) firsts.zero({ lane });
  return {
    responded: (carrier, ms) => responses.observe({ carrier }, ms / 1000),
    closed: (carrier, reason) => closes.inc({ carrier, reason }),
    firstSubmitted: (lane, ms) => firsts.observe({ lane }, ms / 1000),
  };
}

/** Registers which carriers the operator paused. */
export function countPauses(
  metrics: Metrics,
  carriers: readonly string[],
  isPaused: (carrier: string) => boolean,
): void {
  metrics.read('gauge', 'tocsin_carrier_paused', '1 while the operator has the carrier paused.', ['carrier'], () =>
    carriers.map((carrier): Sample => [{ carrier }, isPaused(carrier) ? 1 : 0]),
  );
}

/** Registers a worker's metrics; values are read, and `lines` asked for, when they are scraped. */
export function countWorker(metrics: Metrics, lines: () => readonly CountedLines[]): void {
  const gauges: readonly [name: string, help: string, value: (line: CountedLines) => number][] = [
    ['tocsin_slots_contract', 'Binds that the contract allows; every worker says the same.', (l) => l.carrier.binds],
    [
      'tocsin_contract_segments_per_second',
      'Segments a second that the contract allows; every worker says the same.',
      (l) => l.carrier.ratePerSecond,
    ],
    ['tocsin_slots_held', 'Slots that this worker holds.', ({ pool }) => pool.slots.length],
    ['tocsin_binds_bound', 'Binds that can submit.', ({ pool }) => pool.boundCount],
    ['tocsin_window_used', 'Segments that wait for an answer.', ({ pool }) => pool.inFlight],
    ['tocsin_window_total', 'Segments that all windows may hold.', ({ pool }) => pool.windowTotal],
    ['tocsin_pace_ratio', 'Share of the rate that throttling leaves, 1 when there is none.', (l) => l.pool.paceShare],
    ['tocsin_batches_held', 'Batches in hand.', ({ sender }) => sender.batchesHeld],
  ];
  for (const [name, help, value] of gauges)
    metrics.read('gauge', name, help, ['carrier'], () =>
      lines().map((line): Sample => [{ carrier: line.carrier.name }, value(line)]),
    );
  const byLane = (value: (counts: SenderCounts) => number) => () =>
    lines().flatMap(({ carrier, sender }) =>
      lanes.map((lane): Sample => [{ carrier: carrier.name, lane }, value(sender.counts[lane])]),
    );
  const counters: readonly [name: string, help: string, value: (counts: SenderCounts) => number][] = [
    ['tocsin_submits_total', 'submit_sm written.', (counts) => counts.written],
    ['tocsin_throttles_total', 'Answers that asked for a lower rate.', (counts) => counts.throttled],
    ['tocsin_submits_again_total', 'Segments that are to be written again.', (counts) => counts.again],
  ];
  for (const [name, help, value] of counters) metrics.read('counter', name, help, ['carrier', 'lane'], byLane(value));
  metrics.read('counter', 'tocsin_segments_total', 'Segments by outcome.', ['carrier', 'lane', 'outcome'], () =>
    lines().flatMap(({ carrier, sender }) =>
      lanes.flatMap((lane) =>
        outcomes.map((outcome): Sample => [{ carrier: carrier.name, lane, outcome }, sender.counts[lane][outcome]]),
      ),
    ),
  );
  metrics.read('counter', 'tocsin_deliveries_total', 'deliver_sm received, by kind.', ['carrier', 'kind'], () =>
    lines().flatMap(({ carrier, intake }) =>
      Object.entries(intake.counts).map(([kind, count]): Sample => [{ carrier: carrier.name, kind }, count]),
    ),
  );
}
