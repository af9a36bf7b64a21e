/** A sizing as Markdown, for a terminal as well as for k8s/README.md. Pure. */
import { type Need, type Size, used } from './size.ts';

/** The tables, and in words whether the deadline is met. */
export function printSize(need: Need, size: Size): string {
  const within = duration(need.deadlineSeconds);
  return [
    `${whole(need.recipients)} recipients, ${need.segments} segments a message, within ${within}:`,
    verdict(need, size),
    '',
    table(['contract', 'binds', 'window', 'segments/s', 'limit', 'recipients', 'batch'], contractRows(size)),
    '',
    table(['what', 'needed', 'because of'], rows(need, size)),
  ].join('\n');
}

function verdict({ deadlineSeconds }: Need, size: Size): string {
  const needed = `needs ${whole(size.neededPerSecond)} segments/s, the contracts carry ${whole(size.capablePerSecond)}`;
  if (size.isInTime) return `${needed}: done in ${duration(size.seconds)}. Bottleneck: ${size.bottleneck}.`;
  const late = duration(size.seconds - deadlineSeconds);
  const missing = whole(size.neededPerSecond - size.capablePerSecond);
  return (
    `${needed}: TOO LATE by ${late} (done in ${duration(size.seconds)}). ${missing} segments/s are missing, ` +
    `${size.shortBy.toFixed(2)} times what there is. Bottleneck: ${size.bottleneck}.`
  );
}

function contractRows({ contracts }: Size): string[][] {
  return contracts.map(({ name, binds, window, segmentsPerSecond, limit, recipients, batchRecipients }) => [
    name,
    whole(binds),
    whole(window),
    whole(segmentsPerSecond),
    limit,
    whole(recipients),
    whole(batchRecipients),
  ]);
}

function rows(need: Need, size: Size): string[][] {
  const { workers, cores, redis, postgres, network } = size;
  const atMost = `at most ${used * 100} % of a core each`;
  return [
    ['slots (binds)', whole(size.slots), 'contracts'],
    ['workers', whole(workers.count), `${workers.byCpu} by CPU, ${workers.byCrash} so that a crash takes 5 % at most`],
    ['cores of workers', decimal(cores.worker), `${whole(size.capablePerSecond)} segments/s`],
    ['recorders', whole(size.recorders), `${decimal(cores.recorder)} cores, ${atMost}, two at least`],
    ['planners', whole(size.planners), `${decimal(cores.planner)} cores, ${atMost}, two at least`],
    ['api', whole(size.apis), 'one may be away'],
    [
      'Redis primaries',
      whole(redis.primaries),
      `${decimal(cores.redis)} cores, ${whole(redis.scriptsPerSecond)} scripts/s`,
    ],
    ['memory of each primary', bytes(redis.memoryBytes), `${bytes(redis.dataBytes)} of data, twice for rewriting`],
    ['append-only file, all', `${bytes(redis.fileBytesPerSecond)}/s`, 'outcomes, receipts, batches'],
    ['connections of each primary', whole(redis.connectionsPerPrimary), 'three of each worker'],
    ['PostgreSQL cores', whole(postgres.cores), `${decimal(cores.postgres)} in use`],
    ['write-ahead log', `${bytes(postgres.walBytesPerSecond)}/s`, 'also what a replica must follow'],
    ['writes (IOPS)', whole(postgres.writesPerSecond), 'log and pages of 8 KiB, commits'],
    ['connections', whole(postgres.connections), 'api, planners and recorders'],
    ['disk, this campaign', bytes(postgres.campaignBytes), 'recipients, submissions, receipts'],
    ['disk, kept', bytes(postgres.keptBytes), `${need.campaignsPerMonth} a month for ${need.monthsKept} months`],
    ['network to carriers', `${decimal(network.carriersMegabits)} Mbit/s`, 'submit_sm, receipts, both ways'],
    ['network of Redis', `${decimal(network.redisMegabits)} Mbit/s`, 'both ways'],
    ['network of PostgreSQL', `${decimal(network.postgresMegabits)} Mbit/s`, 'COPY; as much again to each replica'],
  ];
}

function table(columns: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(columns), `|${columns.map(() => '---').join('|')}|`, ...body.map(line)].join('\n');
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function decimal(value: number): string {
  return value.toLocaleString('en', value < 10 ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 0 });
}

function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let shown = value;
  for (; shown >= 1000 && unit < units.length - 1; unit++) shown /= 1000;
  return `${decimal(shown)} ${units[unit]}`;
}

/** `1 h 5 min`, `30 min`, `12 s`. */
function duration(seconds: number): string {
  const all = Math.ceil(seconds - 1e-9);
  const parts = [
    [Math.floor(all / 3600), 'h'],
    [Math.floor((all % 3600) / 60), 'min'],
    [all % 60, 's'],
  ] as const;
  const shown = parts.filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`);
  return shown.length === 0 ? '0 s' : shown.slice(0, 2).join(' ');
}
