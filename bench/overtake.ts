/**
 * `overtake`: millions of information messages wait and the carriers are as busy as their contracts allow; alerts of
 * another organisation are launched one after another. How soon each one's first submit_sm is at a carrier, and how
 * much of the carriers an alert gets until its last. At the end the largest of the waiting campaigns is paused,
 * resumed and cancelled. The judge is the simulators' logs.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Chance } from '../src/smsc/behaviour.ts';
import { type BenchCarrier, BenchCluster, type ClusterOptions } from './cluster.ts';
import { type BenchContext, defineBench, type ValuesOf } from './harness.ts';
import { judgeAlerts, type Launched, readArrivals, stoppedMs } from './overtake-log.ts';
import { type BenchOrganisation, createOrganisation, createResidents, forgetCampaigns } from './population.ts';
import { settingsOf } from './settings-option.ts';
import type { Cell } from './table.ts';

const options = {
  waiting: { byDefault: 3_000_000, about: 'information messages that wait when the first alert is launched' },
  alerts: { byDefault: 30, about: 'alerts, one after another' },
  recipients: { byDefault: 19_000, about: 'of each alert' },
  rate: { byDefault: 10_000, about: 'submit_sm a second that each of two carriers allows' },
  workers: { byDefault: 2, about: 'worker processes' },
  settings: { byDefault: '', about: 'settings that differ' },
} as const;

type Values = ValuesOf<typeof options>;
type Context = BenchContext<Values>;

/** How the waiting messages are shared out: the first organisation has half of them. */
const shares = [0.5, 0.1, 0.1, 0.1, 0.1, 0.1];
/** So much more than is to wait, as the carriers take while the workers share them out. */
const surplusSeconds = 15;
/** About as many octets as a waiting recipient without variables has. */
const packedBytes = 13;
const firstInformation = 1_000;
/** First number of the second carrier's residents, by its prefix. */
const southernNumber = 50_000_000;
const warmUps = 1;
const pollMs = 5;
const saturatedMs = 1_000;
const gapMsMax = 200;
const phaseMsMax = 300_000;
/** How long is watched what is still sent after a pause or a cancellation, and between the two. */
const watchMs = 2_000;
/** Clocks of two processes differ by less. */
const clockMs = 100;

export const overtake = defineBench({
  name: 'overtake',
  about: 'alerts while millions of information messages wait',
  options,
  smoke: { waiting: 4_000, alerts: 3, recipients: 300, rate: 500, workers: 1 },
  showings: [
    {
      title: 'Alerts overtake',
      options: {},
      goals: [
        {
          figure: 'firstSubmitMs.p99',
          title: 'alert’s first submit_sm, p99',
          unit: 'ms',
          better: 'less',
          atLeast: 250,
          aim: 100,
        },
        { figure: 'alertShare', title: 'alert’s share', unit: '', better: 'more', atLeast: 0.95, aim: 0.98 },
        {
          figure: 'pauseMs',
          title: 'last submit_sm after a pause',
          unit: 'ms',
          better: 'less',
          atLeast: 1000,
          aim: 250,
        },
      ],
    },
  ],
  run,
});

async function run(context: Context) {
  const cluster = await BenchCluster.create();
  try {
    const towns = await populate(cluster, context);
    const medians = await context.rounds((round) => overtakeOnce(cluster, towns, round, context));
    const { firstSubmitMs, alertSeconds, alertShare, held, pauseMs, cancelMs, waitingFirst, waitingLast } = medians;
    const rows: Cell[][] = [
      ['launch request to first submit_sm, p50, ms', firstSubmitMs.p50],
      ['launch request to first submit_sm, p99, ms', firstSubmitMs.p99],
      ['launch request to last submit_sm, p50, s', alertSeconds],
      ['alert’s share of what its carriers got until its last', alertShare],
      ['the same as a share of the contracts', held],
      ['pause request to last submit_sm, ms', pauseMs],
      ['cancel request to last submit_sm, ms', cancelMs],
      ['waiting before the first alert', waitingFirst],
      ['waiting after the last alert', waitingLast],
    ];
    const { alerts, recipients } = context.options;
    const title = `${alerts} alerts of ${recipients}; ${cluster.durability}`;
    return {
      figures: { ...medians, durability: cluster.durability },
      tables: [{ title, columns: ['overtaking', 'value'], rows }],
    };
  } finally {
    await cluster.dispose();
  }
}

type Towns = { readonly alerting: BenchOrganisation; readonly informing: readonly BenchOrganisation[] };

/** Everybody's residents, half of them at each carrier. */
async function populate(cluster: BenchCluster, { options: values, bar }: Context): Promise<Towns> {
  const waiting = values.waiting + 2 * values.rate * surplusSeconds;
  const sizes = [values.recipients, ...shares.map((share) => Math.round(share * waiting))];
  const all = sizes.reduce((sum, size) => sum + size);
  const towns: BenchOrganisation[] = [];
  let before = 0;
  for (const [index, size] of sizes.entries()) {
    const town = await createOrganisation(cluster.sql, `Town ${index}`);
    const north = size >> 1;
    const done = (count: number) => bar.show('residents', before + count, all);
    await createResidents(cluster.sql, town.id, { count: north, isLast: false }, done);
    before += north;
    const south = { count: size - north, firstNumber: southernNumber, isLast: index === sizes.length - 1 };
    await createResidents(cluster.sql, town.id, south, done);
    before += size - north;
    towns.push(town);
  }
  const [alerting, ...informing] = towns as [BenchOrganisation, ...BenchOrganisation[]];
  return { alerting, informing };
}

async function overtakeOnce(cluster: BenchCluster, towns: Towns, round: number, context: Context) {
  const { options: values } = context;
  const carriers = carriersOf(values.rate, round);
  // About half waits in Redis, the rest in PostgreSQL: what a planner does meanwhile is part of what is measured.
  const waitingBytesMax = Math.max(1024 * 1024, Math.round((values.waiting * packedBytes) / 2 / carriers.length));
  const settings = { waitingBytesMax, ...settingsOf(values.settings) };
  const started: ClusterOptions = { workers: 0, carriers, settings, profile: values.profile };
  await cluster.startPostgres();
  await forgetCampaigns(cluster.sql);
  await cluster.start(started);
  try {
    const information = await launchInformation(cluster, towns, context);
    await cluster.startWorkers({ ...started, workers: values.workers });
    await delay(saturatedMs);
    const waitingFirst = await waitingIn(cluster);
    context.check('as many wait as are to', Math.min(values.waiting, waitingFirst), values.waiting);
    const alerts = await launchAlerts(cluster, towns.alerting, context);
    const waitingLast = await waitingIn(cluster);
    const largest = { key: towns.informing[0]?.key ?? '', campaign: information[0] ?? '' };
    const asked = await pauseAndCancel(cluster, largest.key, largest.campaign);
    await cluster.stop();
    const arrivals = await Promise.all(carriers.map(({ name }) => readArrivals(cluster.logOf(name))));
    const judged = judgeAlerts(arrivals, alerts.slice(warmUps), values, context.check);
    return {
      ...judged,
      pauseMs: stoppedMs(arrivals, firstInformation, asked.pausedMs, asked.resumedMs - clockMs),
      cancelMs: stoppedMs(arrivals, firstInformation, asked.cancelledMs, Number.POSITIVE_INFINITY),
      waitingFirst,
      waitingLast,
    };
  } finally {
    await cluster.stop();
  }
}

function carriersOf(ratePerSecond: number, round: number): BenchCarrier[] {
  const shape = { binds: 4, window: 500, ratePerSecond, roundTripMs: 20, keepsLog: true };
  const behaviour = { latencyMs: 20, receiptDelayMs: 100 };
  return [
    { name: `north${round}`, prefixes: [''], ...shape, behaviour },
    { name: `south${round}`, prefixes: ['9995'], ...shape, behaviour },
  ];
}

/** Launches what is to wait, and resolves when all of it has its recipients. */
async function launchInformation(cluster: BenchCluster, towns: Towns, { bar }: Context): Promise<string[]> {
  const campaigns: string[] = [];
  for (const [index, { key }] of towns.informing.entries()) {
    const campaign = await createCampaign(cluster, key, 'information', firstInformation + index);
    await cluster.api.launch(key, campaign);
    campaigns.push(campaign);
  }
  const count = async (from: string) => {
    const { rows } = await cluster.sql.query<{ n: string }>(`select count(*) as n from ${from}`, [campaigns]);
    return Number(rows[0]?.n);
  };
  await until(cluster, 'planning', async () => {
    const planned = await count('campaigns where id = any($1) and planned_at is not null');
    bar.show('planned', planned, campaigns.length);
    return planned === campaigns.length;
  });
  return campaigns;
}

/** Messages that were planned and are not sent. */
async function waitingIn(cluster: BenchCluster): Promise<number> {
  const { rows } = await cluster.sql.query<{ planned: string }>(
    'select coalesce(sum(recipients), 0) as planned from campaigns',
  );
  const stats = await cluster.smscStats();
  return Number(rows[0]?.planned) - stats.reduce((sum, { accepted }) => sum + accepted, 0);
}

async function launchAlerts(cluster: BenchCluster, { key }: BenchOrganisation, context: Context): Promise<Launched[]> {
  const { alerts, recipients, seed } = context.options;
  const chance = new Chance(seed);
  const launched: Launched[] = [];
  for (let number = 0; number < warmUps + alerts; number++) {
    const campaign = await createCampaign(cluster, key, 'alert', number);
    await delay(chance.next() * gapMsMax);
    launched.push({ number, atMs: nowMs() });
    await cluster.api.launch(key, campaign);
    await until(cluster, `alert ${number}`, async () => {
      const { rows } = await cluster.sql.query<{ done: string }>(
        'select coalesce(sum(delivered), 0) as done from campaign_progress where campaign_id = $1',
        [campaign],
      );
      return Number(rows[0]?.done) === recipients;
    });
    context.bar.show('alerts', number + 1, warmUps + alerts);
  }
  return launched;
}

type Asked = { readonly pausedMs: number; readonly resumedMs: number; readonly cancelledMs: number };

async function pauseAndCancel(cluster: BenchCluster, key: string, campaign: string): Promise<Asked> {
  const ask = async (verb: 'pause' | 'resume' | 'cancel') => {
    const askedMs = nowMs();
    await cluster.api.control(key, campaign, verb);
    await delay(watchMs);
    return askedMs;
  };
  return { pausedMs: await ask('pause'), resumedMs: await ask('resume'), cancelledMs: await ask('cancel') };
}

async function createCampaign(
  cluster: BenchCluster,
  key: string,
  nature: 'alert' | 'information',
  number: number,
): Promise<string> {
  return await cluster.api.createCampaign(key, {
    name: `bench ${number}`,
    nature,
    sender: 'BENCH',
    audience: { all: true },
    // The logs know it by the number.
    contents: { fr: `Essai des sirenes, message ${number}` },
    defaultLanguage: 'fr',
    validitySeconds: 86_400,
  });
}

async function until(cluster: BenchCluster, what: string, isSo: () => Promise<boolean>): Promise<void> {
  const giveUpMs = performance.now() + phaseMsMax;
  while (!(await isSo())) {
    if (performance.now() > giveUpMs) throw new Error(`${what} takes too long:\n${cluster.lastWords()}`);
    await delay(pollMs);
  }
}

/** Wall clock with fractions, as the simulators' logs have it. */
function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
