/**
 * `start`: how long a small campaign takes on an idle cluster, one after another, from the launch request to its last
 * submit_sm at the carrier. The judge is the simulator's log: arrival times, and who was written to.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { readLog } from '../src/smsc/log-reader.ts';
import { BenchCluster, boundlessCarrier } from './cluster.ts';
import { type BenchContext, defineBench, quantileOf, rounded, type ValuesOf } from './harness.ts';
import { createOrganisation, createResidents, forgetCampaigns } from './population.ts';
import { functionTables } from './profile.ts';
import { settingsOf } from './settings-option.ts';

const options = {
  recipients: { byDefault: 106, about: 'of each campaign; the average of a real service' },
  campaigns: { byDefault: 200, about: 'campaigns, one after another' },
  workers: { byDefault: 1, about: 'worker processes' },
  settings: { byDefault: '', about: 'settings that differ' },
} as const;

type Values = ValuesOf<typeof options>;

/** Campaigns before the measured ones: code is compiled and connections are made by then. */
const warmUps = 10;
const pollMs = 5;
/** A campaign that takes longer fails the bench. */
const campaignMsMax = 30_000;

export const start = defineBench({
  name: 'start',
  about: 'an idle cluster: launch request to last submit_sm at the carrier',
  options,
  smoke: { recipients: 20, campaigns: 5 },
  showings: [
    {
      title: 'Start of a campaign of 106',
      options: {},
      goals: [
        { figure: 'p50Ms', title: 'start, p50', unit: 'ms', better: 'less', atLeast: 40, aim: 15 },
        { figure: 'p99Ms', title: 'start, p99', unit: 'ms', better: 'less', atLeast: 150, aim: 50 },
      ],
    },
  ],
  run,
});

async function run(context: BenchContext<Values>) {
  const { options: values } = context;
  const cluster = await BenchCluster.create();
  try {
    const { id, key } = await createOrganisation(cluster.sql, 'Bench');
    await createResidents(cluster.sql, id, { count: values.recipients });
    const medians = await context.rounds((round) => launchInTurn(cluster, key, `${round}`, context));
    const campaigns = values.campaigns + warmUps;
    const profiles =
      values.profile === '' ? [] : functionTables(values.profile, campaigns * values.recipients * values.rounds);
    const columns = ['launch request to', 'p50 ms', 'p99 ms', 'slowest ms'];
    const { p50Ms, p99Ms, maxMs, firstP50Ms, firstP99Ms, firstMaxMs } = medians;
    const rows = [
      ['first submit_sm at the carrier', firstP50Ms, firstP99Ms, firstMaxMs],
      ['last submit_sm at the carrier', p50Ms, p99Ms, maxMs],
    ];
    const title = `${values.campaigns} campaigns of ${values.recipients}; ${cluster.durability}`;
    return { figures: { ...medians, durability: cluster.durability }, tables: [{ title, columns, rows }, ...profiles] };
  } finally {
    await cluster.dispose();
  }
}

/** One round in fresh processes. */
async function launchInTurn(cluster: BenchCluster, key: string, round: string, context: BenchContext<Values>) {
  const { recipients, campaigns, workers, settings, profile } = context.options;
  await cluster.startPostgres();
  await forgetCampaigns(cluster.sql);
  const carrier = { ...boundlessCarrier, name: `carrier${round}`, keepsLog: true };
  await cluster.start({ workers, profile, settings: settingsOf(settings), carriers: [carrier] });
  const launchedMs: number[] = [];
  try {
    for (let number = 0; number < warmUps + campaigns; number++) {
      const campaign = await cluster.api.createCampaign(key, {
        name: `bench ${number}`,
        nature: 'information',
        sender: 'BENCH',
        audience: { all: true },
        contents: { fr: textOf(number) },
        defaultLanguage: 'fr',
        validitySeconds: 3_600,
      });
      launchedMs.push(performance.timeOrigin + performance.now());
      await cluster.api.launch(key, campaign);
      await untilRecorded(cluster, campaign, recipients);
      context.bar.show('campaigns', number + 1, warmUps + campaigns);
    }
  } finally {
    await cluster.stop();
  }
  return await judge(cluster.logOf(carrier.name), launchedMs, context);
}

/** The text of the campaign so numbered, by which the log knows it. */
function textOf(number: number): string {
  return `Essai des sirenes, message ${number}`;
}

async function untilRecorded(cluster: BenchCluster, campaign: string, recipients: number): Promise<void> {
  const beganMs = performance.now();
  for (let done = 0; done < recipients; ) {
    await delay(pollMs);
    const { rows } = await cluster.sql.query<{ done: string }>(
      'select coalesce(sum(delivered), 0) as done from campaign_progress where campaign_id = $1',
      [campaign],
    );
    done = Number(rows[0]?.done);
    if (performance.now() - beganMs > campaignMsMax)
      throw new Error(`a campaign stays at ${done} of ${recipients}:\n${cluster.lastWords()}`);
  }
}

/** Reads the log: every campaign reached everybody once; and when. */
async function judge(log: string, launchedMs: readonly number[], { options, check }: BenchContext<Values>) {
  const arrivals = launchedMs.map(() => ({ first: Number.POSITIVE_INFINITY, last: 0, count: 0 }));
  const reached = launchedMs.map(() => new Set<string>());
  for await (const { text, destination, atMicros } of readLog(log)) {
    const number = Number(/\d+$/.exec(text)?.[0]);
    const arrival = arrivals[number];
    if (arrival === undefined) continue;
    arrival.count++;
    arrival.first = Math.min(arrival.first, atMicros / 1000);
    arrival.last = Math.max(arrival.last, atMicros / 1000);
    reached[number]?.add(destination);
  }
  const wanted = launchedMs.map(() => options.recipients);
  check(
    'submit_sm by campaign',
    arrivals.map(({ count }) => count),
    wanted,
  );
  check(
    'recipients by campaign',
    reached.map(({ size }) => size),
    wanted,
  );
  const msOf = (time: 'first' | 'last') =>
    arrivals.map((arrival, number) => arrival[time] - (launchedMs[number] ?? 0)).slice(warmUps);
  const [first, last] = [msOf('first'), msOf('last')];
  const at = (values: readonly number[], share: number) => rounded(quantileOf(values, share), 3);
  return {
    p50Ms: at(last, 0.5),
    p99Ms: at(last, 0.99),
    maxMs: at(last, 1),
    firstP50Ms: at(first, 0.5),
    firstP99Ms: at(first, 0.99),
    firstMaxMs: at(first, 1),
    campaigns: last.length,
  };
}
