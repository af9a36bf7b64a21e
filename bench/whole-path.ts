/**
 * One measurement of the whole path: campaigns launched through the API, until the last receipt is recorded. Used by
 * the benches `millions`, `scale` and `peers`. Checks that the work was done before it gives any figure.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ApiClient, CampaignDraft } from './api-client.ts';
import { type BenchCarrier, BenchCluster, boundlessCarrier, type ClusterOptions } from './cluster.ts';
import { type BenchContext, rounded } from './harness.ts';
import { type BenchOrganisation, createOrganisation, createResidents, forgetCampaigns } from './population.ts';
import { commandTable, resetStatements, statementTable } from './profile.ts';
import { UsageMeter } from './resources.ts';
import { type StorageFigures, storageCounts, storageFigures } from './storage.ts';
import { type Cell, cellText, renderTable, type Table } from './table.ts';

/** What to send. */
export type PathPlan = {
  readonly messages: number;
  readonly campaigns: number;
  readonly personalised: boolean;
  readonly segments: number;
  /** How often all this is sent, one after another; once when absent. */
  readonly times?: number;
  readonly cluster: Omit<ClusterOptions, 'carriers'>;
  readonly carrier?: BenchCarrier;
};

/** What one measurement gave. A message of two segments has two submissions and two receipts. */
export type PathFigures = {
  readonly messages: number;
  /** submit_sm that the simulator accepted, by its own count. */
  readonly accepted: number;
  /** Rows of receipts that say delivered. */
  readonly delivered: number;
  /** Rows of accepted submissions. */
  readonly recorded: number;
  /** From the first launch request to the last receipt recorded; all turns together. */
  readonly seconds: number;
  readonly perSecond: number;
  /** From the launch until recipients are frozen, and until every batch is in Redis; of the last turn the slowest. */
  readonly frozenSeconds: number;
  readonly enqueuedSeconds: number;
  readonly microsecondsPerMessage: Readonly<Record<string, number>>;
  readonly cpuSeconds: Readonly<Record<string, number>>;
  readonly peakMegabytes: Readonly<Record<string, number>>;
  /** Bytes and writes per message, see storage.ts. */
  readonly storage: StorageFigures;
};

type Progressing = Pick<BenchContext<unknown>, 'bar' | 'check' | 'say'>;

/** An organisation whose residents receive every campaign of a bench. */
export type Audience = { readonly organisation: BenchOrganisation; readonly lists: readonly string[] };

/** What is sent before the measurement: campaigns of `each` messages, one after another, until `messages` have gone. */
export type WarmUp = { readonly organisation: BenchOrganisation; readonly each: number; readonly messages: number };

/** What some messages took and cost. */
export type PathCost = Pick<PathFigures, 'messages' | 'seconds' | 'perSecond' | 'microsecondsPerMessage'>;

/** The first campaign of a warm-up, in processes that had done nothing before, and the measurement after it. */
export type WarmFigures = { readonly cold: PathCost; readonly warm: PathFigures };

const progressPollMs = 50;
/** Nothing was recorded for so long: the bench fails instead of waiting for ever. Freezing takes its time, too. */
const stallMs = (messages: number) => 20_000 + messages * 0.05;
const launchesAtOnce = 16;
/** Pause before a measurement in processes that have worked: what they do afterwards is not the next campaign's. */
const settleMs = 1_000;
/** Residents of a warm-up have numbers far from the others'. */
const warmUpFirstNumber = 50_000_000;

/** Creates the residents of `plan`, on a list per campaign where there are several. */
export async function populate(cluster: BenchCluster, plan: PathPlan, { bar }: Progressing): Promise<Audience> {
  const organisation = await createOrganisation(cluster.sql, 'Bench');
  const wanted = { count: plan.messages, lists: plan.campaigns > 1 ? plan.campaigns : 0 };
  const lists = await createResidents(cluster.sql, organisation.id, wanted, (done) => {
    bar.show('residents', done, plan.messages);
  });
  return { organisation, lists };
}

/** Creates the residents of a warm-up of `messages` in campaigns of the size that will be measured, `each`. */
export async function populateWarmUp(cluster: BenchCluster, each: number, messages: number): Promise<WarmUp> {
  const organisation = await createOrganisation(cluster.sql, 'Warm-up');
  const count = Math.min(each, messages);
  await createResidents(cluster.sql, organisation.id, { count, firstNumber: warmUpFirstNumber });
  return { organisation, each: count, messages };
}

/** Starts fresh processes over the residents that there are, sends, checks, and ends the processes. */
export async function measurePath(
  cluster: BenchCluster,
  audience: Audience,
  plan: PathPlan,
  context: Progressing,
): Promise<PathFigures> {
  return await withProcesses(cluster, plan, () => measure(cluster, audience, plan, context));
}

/** The same after a warm-up in the same processes, which is not counted but for its first campaign. */
export async function measureWarmPath(
  cluster: BenchCluster,
  audience: Audience,
  plan: PathPlan,
  warmUp: WarmUp,
  context: Progressing,
): Promise<WarmFigures> {
  return await withProcesses(cluster, plan, async () => {
    const cold = await warm(cluster, warmUp, plan, context);
    await delay(settleMs);
    return { cold, warm: await measure(cluster, audience, plan, context) };
  });
}

async function withProcesses<Result>(
  cluster: BenchCluster,
  plan: PathPlan,
  work: () => Promise<Result>,
): Promise<Result> {
  await cluster.startPostgres();
  await forgetCampaigns(cluster.sql);
  await cluster.start({ ...plan.cluster, carriers: [plan.carrier ?? boundlessCarrier] });
  try {
    return await work();
  } finally {
    await cluster.stop();
  }
}

async function measure(
  cluster: BenchCluster,
  audience: Audience,
  plan: PathPlan,
  context: Progressing,
): Promise<PathFigures> {
  const { key } = audience.organisation;
  const turns: string[][] = [];
  for (let time = 0; time < (plan.times ?? 1); time++) {
    const campaigns: string[] = [];
    for (let index = 0; index < plan.campaigns; index++)
      campaigns.push(await cluster.api.createCampaign(key, draftOf(plan, audience.lists[index])));
    turns.push(campaigns);
  }
  const messages = plan.messages * turns.length;
  const [before] = await cluster.smscStats();
  const isProfiled = (plan.cluster.profile ?? '') !== '';
  if (isProfiled) await resetStatements(cluster.sql);
  const stored = await storageCounts(cluster);
  const sent = await send(cluster, key, turns, plan.messages, context);
  const storage = storageFigures(stored, await storageCounts(cluster), messages);
  const statements = isProfiled ? [await statementTable(cluster.sql, messages)] : [];
  const work = { campaigns: turns.flat(), wanted: messages * plan.segments, acceptedBefore: before?.accepted ?? 0 };
  const counted = await count(cluster, work, context);
  if (isProfiled) statements.push(await commandTable(cluster.redis, messages));
  for (const table of statements) context.say(`\n${renderTable(table)}`);
  const { seconds, perSecond, frozenSeconds, enqueuedSeconds, microsecondsPerMessage, ...used } = sent;
  const phases = { frozenSeconds, enqueuedSeconds };
  return { messages, ...counted, seconds, perSecond, ...phases, microsecondsPerMessage, ...used, storage };
}

type Sent = Phases &
  Pick<PathFigures, 'seconds' | 'perSecond' | 'microsecondsPerMessage' | 'cpuSeconds' | 'peakMegabytes'>;

/** Launches campaigns of `each` messages together, turn after turn, and measures until the last receipt is recorded. */
async function send(
  cluster: BenchCluster,
  key: string,
  turns: readonly (readonly string[])[],
  each: number,
  context: Progressing,
): Promise<Sent> {
  const messages = each * turns.length;
  const meter = new UsageMeter(cluster.roleOf);
  const beganMs = performance.now();
  let phases: Phases = { frozenSeconds: Number.NaN, enqueuedSeconds: Number.NaN };
  for (const campaigns of turns) {
    await launchAll(cluster.api, key, campaigns);
    phases = await untilRecorded(cluster, each, campaigns, context);
  }
  const seconds = (performance.now() - beganMs) / 1000;
  const { cpuSeconds, peakMegabytes } = meter.stop();
  const perMessage = Object.entries(cpuSeconds).map(([role, s]) => [role, rounded((s * 1e6) / messages)]);
  return {
    ...phases,
    seconds: rounded(seconds),
    perSecond: Math.round(messages / seconds),
    microsecondsPerMessage: Object.fromEntries(perMessage) as Record<string, number>,
    cpuSeconds,
    peakMegabytes,
  };
}

/** The campaign that a measurement sends. */
export function draftOf({ personalised, segments }: PathPlan, list?: string): CampaignDraft {
  const french = 'Vigilance orange crue de la Lys : évitez les berges et les passages inondés. Infos en mairie.';
  const english = 'Orange flood warning for the river Lys: keep away from the banks. News at the town hall.';
  const contents: Record<string, string> = personalised
    ? {
        fr: lengthened(`Bonjour {{firstName|voisin}}, ${french}`, segments),
        en: lengthened(`Hello {{firstName|neighbour}}, ${english}`, segments),
      }
    : { fr: lengthened(french, segments) };
  return {
    name: 'bench',
    nature: 'information',
    sender: 'BENCH',
    audience: list === undefined ? { all: true } : { lists: [list] },
    contents,
    defaultLanguage: 'fr',
    validitySeconds: 86_400,
  };
}

/** `text` with as many words more as make `segments` segments of it, with room for a name. */
function lengthened(text: string, segments: number): string {
  if (segments === 1) return text;
  // 3GPP TS 23.040 §9.2.3.24.8: seven octets of header leave 152 septets to a segment.
  const septets = segments * 152 - 60;
  return `${text} ${'Restez prudents. '.repeat(Math.ceil(septets / 17))}`.slice(0, septets);
}

async function launchAll(api: ApiClient, key: string, campaigns: readonly string[]): Promise<void> {
  const waiting = [...campaigns];
  const launchInTurn = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await api.launch(key, next);
  };
  await Promise.all(Array.from({ length: launchesAtOnce }, launchInTurn));
}

type Phases = { readonly frozenSeconds: number; readonly enqueuedSeconds: number };

/** Resolves when every message has its final state; the counters move in the transactions that write the rows. */
async function untilRecorded(
  cluster: BenchCluster,
  messages: number,
  campaigns: readonly string[],
  { bar }: Progressing,
): Promise<Phases> {
  const beganMs = performance.now();
  let changedMs = beganMs;
  // When it was seen: now() in a transaction is its beginning.
  const seen: { frozenSeconds?: number; enqueuedSeconds?: number } = {};
  for (let last = 0; last < messages; ) {
    await delay(progressPollMs);
    const { rows } = await cluster.sql.query<{ final: string; frozen: boolean; enqueued: boolean }>(progressSql, [
      campaigns,
    ]);
    const [now] = rows;
    const nowMs = performance.now();
    const final = Number(now?.final);
    if (final > last) changedMs = nowMs;
    last = final;
    if (now?.frozen === true) seen.frozenSeconds ??= rounded((nowMs - beganMs) / 1000);
    if (now?.enqueued === true) seen.enqueuedSeconds ??= rounded((nowMs - beganMs) / 1000);
    bar.show('recorded', final, messages);
    if (nowMs - changedMs > stallMs(messages))
      throw new Error(`nothing happens after ${final} of ${messages} messages:\n${cluster.lastWords()}`);
  }
  return { frozenSeconds: seen.frozenSeconds ?? Number.NaN, enqueuedSeconds: seen.enqueuedSeconds ?? Number.NaN };
}

const progressSql = `select
    (select coalesce(sum(delivered + failed + unknown + expired + cancelled), 0) from campaign_progress
      where campaign_id = any($1)) as final,
    bool_and(planned_at is not null) as frozen, bool_and(enqueued_at is not null) as enqueued
  from campaigns where id = any($1)`;

/** Sends a warm-up; returns what its first campaign took. */
async function warm(
  cluster: BenchCluster,
  { organisation, each, messages }: WarmUp,
  plan: PathPlan,
  context: Progressing,
): Promise<PathCost> {
  const { key } = organisation;
  let first: PathCost | undefined;
  for (let gone = 0; first === undefined || gone < messages; gone += each) {
    const campaign = await cluster.api.createCampaign(key, draftOf({ ...plan, campaigns: 1 }));
    const { seconds, perSecond, microsecondsPerMessage } = await send(cluster, key, [[campaign]], each, context);
    first ??= { messages: each, seconds, perSecond, microsecondsPerMessage };
  }
  return first;
}

/** Counts the work in PostgreSQL and at the carrier; fails the bench when it is not what was meant. */
async function count(
  cluster: BenchCluster,
  { campaigns, wanted, acceptedBefore }: { campaigns: readonly string[]; wanted: number; acceptedBefore: number },
  { check, bar }: Progressing,
): Promise<{ accepted: number; delivered: number; recorded: number }> {
  bar.show('counting', 0, 1);
  const one = async (from: string) => {
    const { rows } = await cluster.sql.query<{ n: string }>(`select count(*) as n from ${from}`, [campaigns]);
    return Number(rows[0]?.n);
  };
  const recorded = await one('submissions where campaign_id = any($1) and outcome = 1');
  const places = await one(
    `(select from submissions where campaign_id = any($1) group by campaign_id, ordinal, segment) as place`,
  );
  const delivered = await one('receipts where campaign_id = any($1) and state = 2');
  const orphans = await one('orphan_receipts where $1::bigint[] is not null');
  const [stats] = await cluster.smscStats();
  const accepted = (stats?.accepted ?? 0) - acceptedBefore;
  check('segments accepted by the carrier', accepted, wanted);
  check('submissions recorded', recorded, wanted);
  check('segments with a submission', places, wanted);
  check('receipts recorded', delivered, wanted);
  check('receipts without a submission', orphans, 0);
  return { accepted, delivered, recorded };
}

/** Cost and memory by process, the dearest first. */
export function processTable({ microsecondsPerMessage, cpuSeconds, peakMegabytes }: PathFigures): Table {
  const rows = Object.keys(cpuSeconds)
    .toSorted((a, b) => (cpuSeconds[b] ?? 0) - (cpuSeconds[a] ?? 0))
    .map((role): Cell[] => [
      role,
      microsecondsPerMessage[role] ?? 0,
      rounded(cpuSeconds[role] ?? 0),
      peakMegabytes[role] ?? 0,
    ]);
  const columns = ['process', 'µs CPU per message', 'CPU seconds', 'peak MB'];
  return { title: 'By process', columns, rows: [...rows, ['all', totalMicros(microsecondsPerMessage), '', '']] };
}

/** Microseconds of CPU per message of all processes together. */
export function totalMicros(microsecondsPerMessage: Readonly<Record<string, number>>): number {
  return rounded(Object.values(microsecondsPerMessage).reduce((sum, micros) => sum + micros, 0));
}

/** What came of the whole. */
export function pathTable(title: string, figures: PathFigures): Table {
  const { messages, accepted, delivered, recorded, seconds, perSecond, frozenSeconds, enqueuedSeconds } = figures;
  const rows: Cell[][] = [
    ['messages', messages],
    ['segments accepted by the carrier', accepted],
    ['submissions in PostgreSQL', recorded],
    ['delivered receipts in PostgreSQL', delivered],
    ['seconds, launch request to last receipt recorded', cellText(seconds)],
    ['messages a second', perSecond],
    ['seconds until recipients were frozen', cellText(frozenSeconds)],
    ['seconds until every batch was in Redis', cellText(enqueuedSeconds)],
  ];
  return { title, columns: ['whole path', 'value'], rows };
}
