/**
 * What each process can be asked for under /metrics, from what it registers: a table in README, which `npm run tables`
 * writes and a test holds to be true.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { between } from '../config/tables.ts';
import { noPlanBacklog } from '../src/db/plan-backlog.ts';
import { noBacklog } from '../src/stream/backlog.ts';
import { createMetrics, type MetricDescription, type Metrics } from '../src/telemetry.ts';
import { countRequests } from './api-metrics.ts';
import { countPool, countRedis, countReplica } from './connection-metrics.ts';
import { countPlanner } from './planner-metrics.ts';
import { countRecorder, countRecords } from './recorder-metrics.ts';
import { countRetention } from './retention.ts';
import { countEvents, countPauses, countWorker } from './worker-metrics.ts';

const markers = ['<!-- metrics -->', '<!-- /metrics -->'] as const;
const noPool = { totalCount: 0, idleCount: 0, waitingCount: 0, options: {} };

/** How each process registers its metrics. */
const registered: Readonly<Record<string, (metrics: Metrics) => void>> = {
  api(metrics) {
    countRequests(metrics);
    countPool(metrics, noPool);
    countReplica(metrics, undefined);
    countRedis(metrics, {});
  },
  planner(metrics) {
    countPlanner(metrics, {
      carriers: [],
      campaigns: () => 0,
      weeksAhead: () => 0,
      usable: () => true,
      waiting: () => noPlanBacklog,
      backlog: () => noBacklog,
    });
    countRetention(metrics);
    countPool(metrics, noPool);
    countRedis(metrics, {});
  },
  worker(metrics) {
    countEvents(metrics, []);
    countWorker(metrics, () => []);
    countPauses(metrics, [], () => false);
    countRedis(metrics, {});
  },
  recorder(metrics) {
    countRecords(metrics, []);
    countRecorder(metrics, { accounts: [], orphans: new Map() });
    countPool(metrics, noPool);
    countRedis(metrics, {});
  },
};

/** A metric, and the processes that have it. */
export type DocumentedMetric = MetricDescription & { readonly processes: readonly string[] };

/** Every metric of ours, in the order of the processes. */
export function documentedMetrics(): DocumentedMetric[] {
  const metrics = new Map<string, DocumentedMetric>();
  for (const [role, register] of Object.entries(registered)) {
    const registry = createMetrics(role);
    register(registry);
    for (const metric of registry.describe()) {
      const processes = [...(metrics.get(metric.name)?.processes ?? []), role];
      metrics.set(metric.name, { ...metric, processes });
    }
  }
  return [...metrics.values()];
}

/** README with its table of metrics renewed. */
export function withMetricsTable(readme: string): string {
  const quoted = (words: readonly string[]) => words.map((word) => `\`${word}\``).join(' ');
  const rows = documentedMetrics().map(
    ({ name, type, labels, help, processes }) =>
      `| \`${name}\` | ${type} | ${quoted(labels)} | ${processes.join(', ')} | ${help} |`,
  );
  const table = ['| Metric | Type | Labels | Process | Meaning |', '|---|---|---|---|---|', ...rows].join('\n');
  return between(readme, markers, table);
}

if (process.argv[2] === '--write') {
  const readme = join(import.meta.dirname, '..', '..', 'README.md');
  writeFileSync(readme, withMetricsTable(readFileSync(readme, 'utf8')));
}
