/**
 * `import`: a CSV file uploaded to the API, until its rows are committed: parsed, validated line by line, numbers
 * normalised, residents and contact points written, and everybody put on a list. Then the same file again, which finds
 * everything as it should be.
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
  about: 'a CSV upload to rows, with validation and lists, and the same file again',
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
    const { first, repeat } = medians;
    const { peakMegabytes, ...others } = first;
    const processes = Object.entries(first.microsecondsPerRow);
    return {
      figures: {
        ...others,
        peakMegabytes: peakMegabytes['api'] ?? 0,
        repeatRowsPerSecond: repeat.rowsPerSecond,
        repeatMicrosecondsPerRow: repeat.microsecondsPerRow,
        durability: cluster.durability,
      },
      tables: [
        {
          title:
            `${countText(rows)} lines: ${countText(first.rowsPerSecond)} a second, ` +
            `${countText(repeat.rowsPerSecond)} when repeated`,
          columns: ['process', 'µs CPU per line', 'repeated', 'peak MB'],
          rows: processes.map(([role, micros]): Cell[] => [
            role,
            micros,
            repeat.microsecondsPerRow[role] ?? 0,
            repeat.peakMegabytes[role] ?? 0,
          ]),
        },
      ],
    };
  } finally {
    await cluster.dispose();
  }
}

type Upload = { readonly path: string; readonly file: ResidentFile; readonly key: string; readonly list: string };

/** The file into empty tables, and once more, through a fresh API process. */
async function measure(cluster: BenchCluster, target: Upload, context: Context) {
  const api = await startApiAlone(cluster, context.options.profile);
  try {
    const port = String(api.announced['port']);
    const good = target.file.rows - target.file.bad;
    const first = await upload(cluster, port, target, context, { created: good, updated: 0 });
    const repeat = await upload(cluster, port, target, context, { created: 0, updated: good });
    return { first, repeat };
  } finally {
    await api.stop(stopMs);
  }
}

async function upload(
  cluster: BenchCluster,
  port: string,
  { path, file, key, list }: Upload,
  context: Context,
  expected: Pick<Report, 'created' | 'updated'>,
) {
  const body = await openAsBlob(path);
  const meter = new UsageMeter(cluster.roleOf, 100);
  const beganMs = performance.now();
  const response = await fetch(`http://127.0.0.1:${port}/residents/import?list=${list}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'text/csv' },
    body,
  });
  const answer = await response.text();
  const seconds = (performance.now() - beganMs) / 1000;
  const { cpuSeconds, peakMegabytes } = meter.stop();
  context.check('status of the answer', response.status, 200);
  const { read, created, updated, refused } = JSON.parse(answer) as Report;
  const report = { read, created, updated, refused };
  context.check('report of the import', report, { read: file.rows, refused: file.bad, ...expected });
  await checkRows(cluster, file, context);
  const perRow = Object.entries(cpuSeconds).map(([role, s]) => [role, rounded((s * 1e6) / file.rows)]);
  return {
    rowsPerSecond: Math.round(file.rows / seconds),
    seconds: rounded(seconds),
    microsecondsPerRow: Object.fromEntries(perRow) as Record<string, number>,
    peakMegabytes,
  };
}

async function checkRows(cluster: BenchCluster, { rows, bad }: ResidentFile, { check }: Context): Promise<void> {
  for (const table of ['residents', 'contact_points', 'list_members']) {
    const { rows: counted } = await cluster.sql.query<{ n: number }>(`select count(*)::int as n from ${table}`);
    check(`rows of ${table}`, counted[0]?.n ?? 0, rows - bad);
  }
}

function countText(count: number): string {
  return Math.round(count).toLocaleString('en');
}
