/**
 * What a run of the whole path leaves on disks and sends over Redis's connections, per message: growth of PostgreSQL's
 * tables, its write-ahead log and writes, Redis's append-only file and network. Between two checkpoints, so that
 * nothing is left in memory. `src/size/measured.ts` sizes installations by these figures.
 */
import type { BenchCluster } from './cluster.ts';
import { rounded } from './harness.ts';

/** Bytes and counts since some beginning. */
export type StorageCounts = {
  readonly wal: number;
  readonly walFsyncs: number;
  readonly pageBytes: number;
  readonly pageWrites: number;
  readonly tables: Readonly<Record<string, number>>;
  readonly aof: number;
  readonly aofRewrites: number;
  readonly redisIn: number;
  readonly redisOut: number;
  readonly redisCommands: number;
};

/** Bytes per message, unless the name says otherwise. */
export type StorageFigures = {
  readonly wal: number;
  readonly walFsyncsPerThousand: number;
  /** What PostgreSQL wrote into its tables and indexes, in so many writes per thousand messages. */
  readonly pages: number;
  readonly pageWritesPerThousand: number;
  /** Growth with indexes. */
  readonly tables: Readonly<Record<string, number>>;
  /** Growth of the append-only file; none where it was rewritten meanwhile. */
  readonly redisAof: number;
  /** Over Redis's connections; all of its clients, this bench's own polling included. */
  readonly redisIn: number;
  readonly redisOut: number;
  readonly redisCommandsPerThousand: number;
};

const growing = ['recipients', 'batches', 'batch_states', 'submissions', 'receipts'] as const;

const ioSql = `select object, coalesce(sum(writes), 0)::float8 as writes, coalesce(sum(fsyncs), 0)::float8 as fsyncs,
    coalesce(sum(write_bytes), 0)::float8 + coalesce(sum(extend_bytes), 0)::float8 as bytes
  from pg_stat_io where object in ('wal', 'relation') group by object`;

const sizeSql = `select coalesce(sum(pg_total_relation_size(inhrelid)), 0)::float8 as bytes
  from pg_inherits where inhparent = $1::regclass`;

/** Counts of now, after a checkpoint. */
export async function storageCounts({ sql, redis }: BenchCluster): Promise<StorageCounts> {
  await sql.query('checkpoint');
  // Backends report what they did when they are idle or asked for it.
  await sql.query('select pg_stat_force_next_flush()');
  const { rows: wal } = await sql.query<{ bytes: number }>(
    `select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8 as bytes`,
  );
  const { rows: io } = await sql.query<{ object: string; writes: number; fsyncs: number; bytes: number }>(ioSql);
  const ofObject = (name: string) => io.find(({ object }) => object === name);
  const tables: Record<string, number> = {};
  for (const table of growing) {
    const { rows } = await sql.query<{ bytes: number }>(sizeSql, [table]);
    tables[table] = rows[0]?.bytes ?? 0;
  }
  const info = await redis.info();
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1]);
  return {
    wal: wal[0]?.bytes ?? Number.NaN,
    walFsyncs: ofObject('wal')?.fsyncs ?? Number.NaN,
    pageBytes: ofObject('relation')?.bytes ?? Number.NaN,
    pageWrites: ofObject('relation')?.writes ?? Number.NaN,
    tables,
    aof: field('aof_current_size'),
    aofRewrites: field('aof_rewrites'),
    redisIn: field('total_net_input_bytes'),
    redisOut: field('total_net_output_bytes'),
    redisCommands: field('total_commands_processed'),
  };
}

/** What lies between two counts, per message. */
export function storageFigures(before: StorageCounts, after: StorageCounts, messages: number): StorageFigures {
  const per = (of: (counts: StorageCounts) => number, unit = 1) =>
    rounded(((of(after) - of(before)) * unit) / messages, 3);
  const isRewritten = after.aofRewrites !== before.aofRewrites;
  return {
    wal: per(({ wal }) => wal),
    walFsyncsPerThousand: per(({ walFsyncs }) => walFsyncs, 1000),
    pages: per(({ pageBytes }) => pageBytes),
    pageWritesPerThousand: per(({ pageWrites }) => pageWrites, 1000),
    tables: Object.fromEntries(growing.map((table) => [table, per(({ tables }) => tables[table] ?? 0)])),
    redisAof: isRewritten ? 0 : per(({ aof }) => aof),
    redisIn: per(({ redisIn }) => redisIn),
    redisOut: per(({ redisOut }) => redisOut),
    redisCommandsPerThousand: per(({ redisCommands }) => redisCommands, 1000),
  };
}
