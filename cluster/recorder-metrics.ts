/** Metrics of a recorder: what it writes, and what it looks after. Labels are carriers, undivided ones. */
import type { Flushed } from '../src/record/page.ts';
import type { Metrics, Sample } from '../src/telemetry.ts';

const flushBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const looks = ['good', 'restored', 'elsewhere', 'failed'] as const;

/** Who tells of flushes and of looks at what is in Redis. */
export type RecorderEvents = {
  readonly flushed: (carrier: string, flushed: Pick<Flushed, 'rows' | 'orphaned'>, ms: number) => void;
  readonly looked: (found: (typeof looks)[number]) => void;
};

/** Registers what is told as it happens. */
export function countRecords(metrics: Metrics, carriers: readonly string[]): RecorderEvents {
  const flushes = metrics.histogram(
    'tocsin_record_flush_seconds',
    'Time of a transaction of the recorder.',
    flushBuckets,
    ['carrier'],
  );
  const rows = metrics.counter('tocsin_record_rows_total', 'Outcomes and receipts written to PostgreSQL.', ['carrier']);
  const orphaned = metrics.counter('tocsin_orphaned_receipts_total', 'Receipts that came before their submission.', [
    'carrier',
  ]);
  const reconciles = metrics.counter(
    'tocsin_reconciles_total',
    'Comparisons of Redis with PostgreSQL by result; `restored`: something was missing and was put in again.',
    ['result'],
  );
  for (const carrier of carriers) {
    rows.inc({ carrier }, 0);
    orphaned.inc({ carrier }, 0);
  }
  for (const result of looks) reconciles.inc({ result }, 0);
  return {
    flushed(carrier, flushed, ms) {
      flushes.observe({ carrier }, ms / 1000);
      rows.inc({ carrier }, flushed.rows);
      orphaned.inc({ carrier }, flushed.orphaned);
    },
    looked: (result) => reconciles.inc({ result }),
  };
}

/** Registers what is read of a recorder. */
export function countRecorder(
  metrics: Metrics,
  of: { readonly accounts: readonly string[]; readonly orphans: ReadonlyMap<string, number> },
): void {
  metrics.read('gauge', 'tocsin_recorder_carriers', 'Carriers that this recorder records.', [], () => [
    [{}, of.accounts.length],
  ]);
  metrics.read(
    'gauge',
    'tocsin_orphan_receipts',
    'Receipts that wait for their submission, up to 100,000.',
    ['carrier'],
    () => [...of.orphans].map(([carrier, count]): Sample => [{ carrier }, count]),
  );
}
