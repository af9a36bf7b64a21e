/**
 * `millions`: the whole path from the launch request to the last receipt recorded, everything on this machine. The
 * figure that the service is judged by: 55 days of a real service's messages were 3.5 million.
 */
import { BenchCluster, boundlessCarrier } from './cluster.ts';
import { type BenchContext, defineBench, type ValuesOf } from './harness.ts';
import { functionTables } from './profile.ts';
import { settingsOf } from './settings-option.ts';
import { redisBytesPerRecipient } from './waiting.ts';
import { measurePath, type PathPlan, pathTable, populate, processTable } from './whole-path.ts';

const options = {
  messages: { byDefault: 3_500_000, about: 'recipients, each sent to once' },
  personalised: { byDefault: false, about: 'two languages and a first name in each text' },
  segments: { byDefault: 1, about: 'segments of each message' },
  campaigns: { byDefault: 1, about: 'campaigns that the messages are split over' },
  workers: { byDefault: 1, about: 'worker processes' },
  shards: { byDefault: 1, about: 'shards of the carrier’s account, at most its four binds' },
  redis: { byDefault: 'single', about: 'single, or cluster: three primaries with a replica each' },
  settings: { byDefault: '', about: 'settings that differ, such as encodeThreads=0,batchRecipientsMax=250' },
} as const;

type Values = ValuesOf<typeof options>;

/** Recipients of the step that measures Redis: enough for its fixed parts not to matter. */
const waitingMax = 200_000;

export const millions = defineBench({
  name: 'millions',
  about: 'the whole path: launch request to the last receipt recorded',
  options,
  smoke: { messages: 2_000, personalised: true, segments: 2, campaigns: 2 },
  showings: [
    {
      title: '3.5 million messages',
      options: {},
      goals: [
        { figure: 'seconds', title: '3.5 million messages', unit: 's', better: 'less', atLeast: 35, aim: 20 },
        { figure: 'peakMegabytes.worker', title: 'worker’s peak', unit: 'MB', better: 'less', atLeast: 200, aim: 140 },
        {
          figure: 'redisBytesPerRecipient',
          title: 'Redis per waiting recipient',
          unit: 'bytes',
          better: 'less',
          atLeast: 64,
          aim: 40,
        },
      ],
    },
    {
      title: '3.5 million personalised messages in two languages',
      options: { personalised: true },
      goals: [{ figure: 'seconds', title: 'the same, personalised', unit: 's', better: 'less', atLeast: 50, aim: 28 }],
    },
  ],
  run,
});

async function run(context: BenchContext<Values>) {
  const { options: values } = context;
  const plan = planOf(values);
  const cluster = await BenchCluster.create(values.profile);
  try {
    const audience = await populate(cluster, plan, context);
    const medians = await context.rounds(() => measurePath(cluster, audience, plan, context));
    const profiles = values.profile === '' ? [] : functionTables(values.profile, values.messages * values.rounds);
    const recipients = Math.min(waitingMax, plan.messages);
    const isSingle = plan.cluster.redis !== 'cluster';
    const redisBytes = isSingle ? await redisBytesPerRecipient(cluster, plan, recipients) : undefined;
    const figures = { ...medians, ...(redisBytes === undefined ? {} : { redisBytesPerRecipient: redisBytes }) };
    return {
      figures: { ...figures, durability: cluster.durability },
      tables: [pathTable(cluster.durability, medians), processTable(medians), ...profiles],
    };
  } finally {
    await cluster.dispose();
  }
}

function planOf(values: BenchContext<Values>['options']): PathPlan {
  const { messages, personalised, segments, campaigns, workers, redis, shards, profile } = values;
  if (redis !== 'single' && redis !== 'cluster') throw new RangeError('--redis is single or cluster');
  return {
    messages,
    personalised,
    segments,
    campaigns,
    carrier: { ...boundlessCarrier, shards },
    cluster: { workers, redis, profile, settings: settingsOf(values.settings) },
  };
}
