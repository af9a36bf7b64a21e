/**
 * Where the time of a profiled run went: functions of our processes from V8's CPU profiles, statements of PostgreSQL
 * and commands of Redis by their own counters. Main thread, after the run.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Cluster, Redis } from 'ioredis';
import type pg from 'pg';
import { rounded } from './harness.ts';
import type { Cell, Table } from './table.ts';

type CpuProfile = {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
};

const rowsShown = 16;
/** Time in which nothing of the program runs: V8's names, and a Piscina thread without a task. */
const idle = /^\((idle|program)\)$|^atomicsWaitLoop /;

/** The dearest functions of every role that has a profile in `folder`, by their own time. */
export function functionTables(folder: string, messages: number): Table[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((role) => {
    const own = new Map<string, number>();
    for (const file of readdirSync(join(folder, role)).filter((name) => name.endsWith('.cpuprofile')))
      addProfile(own, JSON.parse(readFileSync(join(folder, role, file), 'utf8')) as CpuProfile);
    if (own.size === 0) return [];
    const sorted = [...own].toSorted(([, a], [, b]) => b - a);
    const busy = sorted.filter(([name]) => !idle.test(name)).reduce((sum, [, micros]) => sum + micros, 0);
    const rows = sorted
      .slice(0, rowsShown)
      .map(([name, micros]): Cell[] => [
        name,
        rounded(micros / messages, 3),
        idle.test(name) ? '' : `${((100 * micros) / busy).toFixed(1)} %`,
      ]);
    return [{ title: `${role}: functions by their own time`, columns: ['function', 'µs per message', 'share'], rows }];
  });
}

function addProfile(own: Map<string, number>, { nodes, samples, timeDeltas }: CpuProfile): void {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  samples.forEach((id, index) => {
    const name = names.get(id) ?? '';
    own.set(name, (own.get(name) ?? 0) + (timeDeltas[index] ?? 0));
  });
}

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (url === '') return name;
  if (!url.startsWith('file:')) return `${name} ${url}:${lineNumber + 1}`;
  const path = fileURLToPath(url);
  return `${name} ${sourceOf(path, lineNumber) ?? `${relative(process.cwd(), path)}:${lineNumber + 1}`}`;
}

const maps = new Map<string, SourceMap | undefined>();

/** Source file and line of a line of compiled code. */
function sourceOf(path: string, line: number): string | undefined {
  if (!maps.has(path)) {
    const map = `${path}.map`;
    const payload = existsSync(map) ? (JSON.parse(readFileSync(map, 'utf8')) as SourceMapPayload) : undefined;
    maps.set(path, payload === undefined ? undefined : new SourceMap(payload));
  }
  const entry = maps.get(path)?.findEntry(line, 200);
  if (entry === undefined || !('originalSource' in entry)) return undefined;
  const source = relative(process.cwd(), join(path, '..', entry.originalSource));
  return `${source}:${entry.originalLine + 1}`;
}

/** Makes PostgreSQL count its statements from its next start on. */
export async function prepareStatements(sql: pg.ClientBase): Promise<void> {
  await sql.query("alter system set shared_preload_libraries = 'pg_stat_statements'");
  await sql.query('alter system set track_io_timing = on');
}

/** Forgets what was counted so far. */
export async function resetStatements(sql: pg.ClientBase): Promise<void> {
  await sql.query('create extension if not exists pg_stat_statements');
  await sql.query('select pg_stat_statements_reset()');
}

/** The dearest statements since `resetStatements`. */
export async function statementTable(sql: pg.ClientBase, messages: number): Promise<Table> {
  type Row = { query: string; calls: string; ms: number; io: number; rows: string; wal: string };
  const { rows } = await sql.query<Row>(
    `select regexp_replace(query, '\\s+', ' ', 'g') as query, calls, total_exec_time + total_plan_time as ms, rows,
      shared_blk_read_time + shared_blk_write_time as io, wal_bytes as wal
      from pg_stat_statements order by ms desc limit 20`,
  );
  return {
    title: 'PostgreSQL: statements by time',
    columns: ['statement', 'calls', 'ms', 'µs per message', 'of it I/O ms', 'rows', 'WAL MB'],
    rows: rows.map(({ query, calls, ms, io, rows: count, wal }): Cell[] => [
      query.slice(0, 90).replaceAll('|', '¦'),
      Number(calls),
      Math.round(ms),
      rounded((ms * 1000) / messages, 3),
      Math.round(io),
      Number(count),
      Math.round(Number(wal) / 1e6),
    ]),
  };
}

/** Redis's commands by time since it started. */
export async function commandTable(redis: Redis | Cluster, messages: number): Promise<Table> {
  const text = await redis.info('commandstats');
  const rows = [...text.matchAll(/^cmdstat_([^:]+):calls=(\d+),usec=(\d+),usec_per_call=([\d.]+)/gm)]
    .map(([, name = '', calls, micros, each]): [string, number, number, number, number] => [
      name,
      Number(calls),
      Number(micros),
      Number(each),
      rounded(Number(micros) / messages, 3),
    ])
    .toSorted(([, , a], [, , b]) => b - a)
    .slice(0, rowsShown);
  return { title: 'Redis: commands by time', columns: ['command', 'calls', 'µs', 'µs each', 'µs per message'], rows };
}
