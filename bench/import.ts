/**
 * `import`: a CSV file uploaded to the API, until its rows are committed: parsed, validated line by line, numbers
 * normalised, residents and contact points written, and everybody put on a list.
 */
import { openAsBlob } from 'node:fs';
import { join } from 'node:path';
import { startApiAlone } from './api/alone.ts';
import { BenchCluster, boundlessCarrier } from './cluster.ts';
import { type BenchContext, defineBench, rounded, type ValuesOf } from './harness.ts';
import { type ResidentFile, writeResidents } from './import/file.ts';
import { createOrganisation } from './population.ts';
import { UsageMeter } from './resources.ts';
import type { Cell } from './table.ts';

const options = {
  rows: { byDefault: 1_000_000, about: 'lines of the file' },
} as const;

type Context = BenchContext<ValuesOf<typeof options>>;

const stopMs = 10_000;

/** What the API says of an import. */
type Report = { read: number; created: number; updated: number; refused: number };

export const importing = defineBench({
  name: 'import',
  about: 'a CSV upload to rows, with validation and lists',
  options,
  smoke: { rows: 5_000 },
  showings: [
    {
      title: 'Import of a million residents',
      options: {},
      goals: [
        {
          figure: 'rowsPerSecond',
          title: 'import',
          unit: 'rows/s',
          better: 'more',
          atLeast: 100_000,
          aim: 250_000,
        },
      ],
    },
  ],
  run,
});

async function run(context: Context) {
  const { rows } = context.options;
  const cluster = await BenchCluster.create();
  try {
    const path = join(cluster.folder, 'residents.csv');
    const file = await writeResidents(path, rows);
    await cluster.start({ carriers: [boundlessCarrier], workers: 0 });
    await cluster.stopProcesses();
    const { id, key } = await createOrganisation(cluster.sql, 'Bench');
    const medians = await context.rounds(async (round) => {
      context.bar.show(`round ${round}`, round - 1, context.options.rounds);
      await cluster.sql.query('truncate residents, contact_points, lists, list_members cascade');
      const insert = "insert into lists (organisation_id, name) values ($1, 'everybody') returning id";
      const list = (await cluster.sql.query<{ id: string }>(insert, [id])).rows[0]?.id ?? '';
      await cluster.sql.query('checkpoint');
      return await measure(cluster, { path, file, key, list }, context);
    });
    const { microsecondsPerRow, peakMegabytes, ...others } = medians;
    const processes = Object.entries(microsecondsPerRow);
    return {
      figures: {
        ...others,
        peakMegabytes: peakMegabytes['api'] ?? 0,
        microsecondsPerRow,
        durability: cluster.durability,
      },
      tables: [
        {
          title: `${countText(rows)} lines, ${countText(others.rowsPerSecond)} a second`,
          columns: ['process', 'µs CPU per line', 'peak MB'],
          rows: processes.map(([role, micros]): Cell[] => [role, micros, peakMegabytes[role] ?? 0]),
        },
      ],
    };
  } finally {
    await cluster.dispose();
  }
}

type Upload = { readonly path: string; readonly file: ResidentFile; readonly key: string; readonly list: string };

/** One upload through a fresh API process. */
async function measure(cluster: BenchCluster, { path, file, key, list }: Upload, context: Context) {
  const api = await startApiAlone(cluster, context.options.profile);
  try {
    const meter = new UsageMeter(cluster.roleOf, 100);
    const beganMs = performance.now();
    const response = await fetch(`http://127.0.0.1:${String(api.announced['port'])}/residents/import?list=${list}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'text/csv' },
      body: await openAsBlob(path),
    });
    const answer = await response.text();
    const seconds = (performance.now() - beganMs) / 1000;
    const { cpuSeconds, peakMegabytes } = meter.stop();
    context.check('status of the answer', response.status, 200);
    await checkRows(cluster, JSON.parse(answer) as Report, file, context);
    const perRow = Object.entries(cpuSeconds).map(([role, s]) => [role, rounded((s * 1e6) / file.rows)]);
    return {
      rowsPerSecond: Math.round(file.rows / seconds),
      seconds: rounded(seconds),
      microsecondsPerRow: Object.fromEntries(perRow) as Record<string, number>,
      peakMegabytes,
    };
  } finally {
    await api.stop(stopMs);
  }
}

async function checkRows(
  cluster: BenchCluster,
  { read, created, updated, refused }: Report,
  { rows, bad }: ResidentFile,
  { check }: Context,
): Promise<void> {
  check(
    'report of the import',
    { read, created, updated, refused },
    {
      read: rows,
      created: rows - bad,
      updated: 0,
      refused: bad,
    },
  );
  for (const table of ['residents', 'contact_points', 'list_members']) {
    const { rows: counted } = await cluster.sql.query<{ n: number }>(`select count(*)::int as n from ${table}`);
    check(`rows of ${table}`, counted[0]?.n ?? 0, rows - bad);
  }
}

function countText(count: number): string {
  return Math.round(count).toLocaleString('en');
}
