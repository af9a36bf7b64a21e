/**
 * `storm`: many organisations of different weights launch a campaign each within the same second. Whether each one's
 * rate follows its weight, and whether a small campaign is done about as soon as its fair share allows. The judge is
 * the simulator's log. A run of full size draws everybody's progress as storm.svg.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Chance } from '../src/smsc/behaviour.ts';
import { type BenchCarrier, BenchCluster } from './cluster.ts';
import { packageFolder } from './folder.ts';
import { type BenchContext, defineBench, rounded, type ValuesOf } from './harness.ts';
import { type BenchOrganisation, createOrganisation, createResidents, forgetCampaigns } from './population.ts';
import { functionTables, resetStatements, statementTable } from './profile.ts';
import { settingsOf } from './settings-option.ts';
import { judgeStorm, readStorm, type Town } from './storm-log.ts';
import { drawStorm } from './storm-picture.ts';
import { type Cell, renderTable } from './table.ts';

const options = {
  organisations: { byDefault: 150, about: 'organisations that launch' },
  smallest: { byDefault: 100, about: 'recipients of the smallest campaign' },
  largest: { byDefault: 60_000, about: 'recipients of the largest campaign' },
  rate: { byDefault: 20_000, about: 'submit_sm a second that the carrier allows' },
  workers: { byDefault: 2, about: 'worker processes' },
  settings: { byDefault: '', about: 'settings that differ' },
} as const;

type Values = ValuesOf<typeof options>;
type Context = BenchContext<Values>;

/** Every so-manyth campaign is of the size that an average one has. */
const smallEach = 10;
const smallRecipients = 106;
const weights = [1, 1, 2, 3, 5];
const launchesAtOnce = 16;
const pollMs = 100;
/** Nothing was recorded for so long: the bench fails instead of waiting for ever. */
const stallMs = 120_000;

export const storm = defineBench({
  name: 'storm',
  about: 'many organisations launch within the same second',
  options,
  smoke: { organisations: 12, largest: 1_000, rate: 1_000, workers: 1 },
  showings: [
    {
      title: 'Storm of 150 organisations',
      options: {},
      goals: [
        { figure: 'jain', title: 'fairness (Jain)', unit: '', better: 'more', atLeast: 0.95, aim: 0.99 },
        {
          figure: 'smallP99Ms',
          title: 'campaign of 106 beyond its fair time, p99',
          unit: 'ms',
          better: 'less',
          atLeast: 2_000,
          aim: 500,
        },
      ],
    },
  ],
  run,
});

async function run(context: Context) {
  const { options: values } = context;
  const cluster = await BenchCluster.create(values.profile);
  try {
    const towns = await populate(cluster, context);
    const medians = await context.rounds((round) => stormOnce(cluster, towns, round, context));
    const { jain, jainFromLaunch, jainLeast, jainByWindow, smallP50Ms, smallP99Ms, launchSeconds, seconds, held } =
      medians;
    const rows: Cell[][] = [
      ['fairness by weight (Jain), mean of all windows', jain],
      ['the same from the launch on, frozen or not', jainFromLaunch],
      ['least of a window', jainLeast],
      ['windows', jainByWindow.length],
      ['campaign of 106 beyond its fair time, p50, ms', smallP50Ms],
      ['campaign of 106 beyond its fair time, p99, ms', smallP99Ms],
      ['first to last launch request, s', launchSeconds],
      ['first launch request to last submit_sm, s', seconds],
      ['held of the contract', held],
    ];
    const recipients = towns.reduce((sum, { count }) => sum + count, 0);
    const title = `${values.organisations} organisations, ${recipients} recipients; ${cluster.durability}`;
    const profiles = values.profile === '' ? [] : functionTables(values.profile, recipients * values.rounds);
    return {
      figures: { ...medians, recipients, durability: cluster.durability },
      tables: [{ title, columns: ['storm', 'value'], rows }, ...profiles],
    };
  } finally {
    await cluster.dispose();
  }
}

type StormTown = BenchOrganisation & { readonly count: number; readonly weight: number };

/** Organisations with residents, as many as their campaign is to have recipients; sizes are log-uniform. */
async function populate(cluster: BenchCluster, { options: values, bar }: Context): Promise<StormTown[]> {
  const { organisations, smallest, largest, seed } = values;
  const chance = new Chance(seed);
  const towns: StormTown[] = [];
  for (let index = 0; index < organisations; index++) {
    const drawn = Math.round(smallest * (largest / smallest) ** chance.next());
    const count = index % smallEach === 0 ? smallRecipients : drawn;
    const weight = weights[Math.floor(chance.next() * weights.length)] ?? 1;
    const organisation = await createOrganisation(cluster.sql, `Town ${index}`);
    await cluster.sql.query('update organisations set weight = $2 where id = $1', [organisation.id, weight]);
    await createResidents(cluster.sql, organisation.id, { count, isLast: index === organisations - 1 });
    towns.push({ ...organisation, count, weight });
    bar.show('organisations', index + 1, organisations);
  }
  return towns;
}

async function stormOnce(cluster: BenchCluster, towns: readonly StormTown[], round: number, context: Context) {
  const { options: values } = context;
  const { workers, rate, profile } = values;
  const carrier = carrierOf(rate, round);
  await cluster.startPostgres();
  await forgetCampaigns(cluster.sql);
  await cluster.start({ workers, profile, settings: settingsOf(values.settings), carriers: [carrier] });
  const launched: Town[] = [];
  const recipients = towns.reduce((sum, { count }) => sum + count, 0);
  try {
    const campaigns: string[] = [];
    for (const [index, { key }] of towns.entries()) campaigns.push(await createCampaign(cluster, key, index));
    if (profile !== '') await resetStatements(cluster.sql);
    const waiting = [...towns.entries()];
    const launchInTurn = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [index, { key, count, weight }] = next;
        const atMs = performance.timeOrigin + performance.now();
        await cluster.api.launch(key, campaigns[index] ?? '');
        launched[index] = { atMs, frozenMs: atMs, recipients: count, weight };
      }
    };
    await Promise.all(Array.from({ length: launchesAtOnce }, launchInTurn));
    await untilRecorded(cluster, recipients, context);
    if (profile !== '') context.say(`\n${renderTable(await statementTable(cluster.sql, recipients))}`);
    const frozenMs = await frozenTimes(cluster);
    launched.forEach((town, index) => {
      launched[index] = { ...town, frozenMs: frozenMs.get(campaigns[index] ?? '') ?? Number.NaN };
    });
  } finally {
    await cluster.stop();
  }
  const arrivals = await readStorm(cluster.logOf(carrier.name), towns.length);
  const figures = judgeStorm(arrivals, launched, { rate, smallRecipients }, context.check);
  if (isFullSize(values)) writeFileSync(join(packageFolder(), 'bench', 'storm.svg'), drawStorm(arrivals, launched));
  const times = launched.map(({ atMs }) => atMs);
  return { ...figures, launchSeconds: rounded((Math.max(...times) - Math.min(...times)) / 1000) };
}

function isFullSize({ organisations, largest }: Values): boolean {
  return organisations >= options.organisations.byDefault && largest >= options.largest.byDefault;
}

function carrierOf(ratePerSecond: number, round: number): BenchCarrier {
  return {
    name: `carrier${round}`,
    prefixes: [''],
    binds: 4,
    window: 500,
    ratePerSecond,
    roundTripMs: 20,
    keepsLog: true,
    behaviour: { latencyMs: 20, receiptDelayMs: 100 },
  };
}

async function createCampaign(cluster: BenchCluster, key: string, index: number): Promise<string> {
  return await cluster.api.createCampaign(key, {
    name: `bench ${index}`,
    nature: 'information',
    sender: 'BENCH',
    audience: { all: true },
    // The log knows it by the number.
    contents: { fr: `Essai des sirenes, message ${index}` },
    defaultLanguage: 'fr',
    validitySeconds: 3_600,
  });
}

/** When the recipients of each campaign began to be frozen, epoch milliseconds. */
async function frozenTimes(cluster: BenchCluster): Promise<Map<string, number>> {
  const { rows } = await cluster.sql.query<{ id: string; atMs: number }>(
    'select id, (extract(epoch from planned_at) * 1000)::float8 as "atMs" from campaigns',
  );
  return new Map(rows.map(({ id, atMs }) => [id, atMs]));
}

async function untilRecorded(cluster: BenchCluster, wanted: number, { bar }: Context): Promise<void> {
  let changedMs = performance.now();
  for (let done = 0; done < wanted; ) {
    await delay(pollMs);
    const { rows } = await cluster.sql.query<{ done: string }>(
      'select coalesce(sum(delivered), 0) as done from campaign_progress',
    );
    const now = Number(rows[0]?.done);
    if (now > done) changedMs = performance.now();
    done = now;
    bar.show('delivered', done, wanted);
    if (performance.now() - changedMs > stallMs)
      throw new Error(`nothing happens after ${done} of ${wanted} messages:\n${cluster.lastWords()}`);
  }
}
