/**
 * `peers`: the same messages with the same durability through our whole path and through what a Node developer would
 * put together instead: BullMQ, the `smpp` package, drizzle. Alternating, over the same PostgreSQL and residents, to
 * the same simulator, with the same binds and window. Both sides ask for a receipt of each message and record it. Both
 * send as many messages before, through the same processes: a service's processes run for weeks.
 */
import { BenchCluster } from './cluster.ts';
import { type BenchContext, defineBench, rounded, type ValuesOf } from './harness.ts';
import { measurePeer, type PeerPlan, type SideFigures } from './peers/run.ts';
import type { Cell, Table } from './table.ts';
import { draftOf, measureWarmPath, type PathPlan, populate, populateWarmUp } from './whole-path.ts';

const options = {
  messages: { byDefault: 200_000, about: 'recipients, each sent to once by each side' },
  warmUp: { byDefault: 600_000, about: 'messages before these, through the same processes, on each side' },
  peerWorkers: { byDefault: 1, about: 'worker processes of the peer' },
  peerConcurrency: { byDefault: 500, about: 'jobs at once in each of them' },
  peerInsertRows: { byDefault: 500, about: 'rows of its inserts at most' },
  peerFlushMs: { byDefault: 20, about: 'time that its rows wait for others at most' },
  peerBulkJobs: { byDefault: 1_000, about: 'jobs of its addBulk' },
  peerBulksAtOnce: { byDefault: 2, about: 'how many of these run at once' },
} as const;

type Values = ValuesOf<typeof options>;
type Context = BenchContext<Values>;

/** The carrier's contract, for both sides. */
const [binds, window] = [4, 500];

export const peers = defineBench({
  name: 'peers',
  about: 'our whole path against BullMQ, the smpp package and drizzle',
  options,
  smoke: { messages: 1_000, warmUp: 2_000 },
  showings: [
    {
      title: '200,000 messages, ours and the peer’s',
      options: {},
      goals: [{ figure: 'ratio', title: 'against the peer', unit: 'times', better: 'more', atLeast: 15, aim: 40 }],
    },
  ],
  run,
});

async function run(context: Context) {
  const { options: values } = context;
  const pathPlan: PathPlan = {
    messages: values.messages,
    campaigns: 1,
    personalised: false,
    segments: 1,
    cluster: { workers: 1, profile: values.profile },
  };
  const cluster = await BenchCluster.create();
  try {
    const audience = await populate(cluster, pathPlan, context);
    const peerPlan = peerPlanOf(values, audience.organisation.id, draftOf(pathPlan).contents['fr'] ?? '');
    const warmUp = await populateWarmUp(cluster, values.messages, values.warmUp);
    const ourSide = async () => {
      const { cold, warm } = await measureWarmPath(cluster, audience, pathPlan, warmUp, context);
      const { seconds, perSecond, microsecondsPerMessage, peakMegabytes } = warm;
      return {
        cold: { seconds: cold.seconds, perSecond: cold.perSecond },
        warm: { seconds, perSecond, microsecondsPerMessage, peakMegabytes },
      };
    };
    const medians = await context.rounds(async (round) => {
      const isOursFirst = round % 2 === 1;
      const first = isOursFirst ? await ourSide() : undefined;
      const peer = await measurePeer(cluster, peerPlan, context);
      return { ours: first ?? (await ourSide()), peer };
    });
    const { ours, peer } = medians;
    const { durability } = cluster;
    return {
      figures: {
        ours: ours.warm.perSecond,
        peer: peer.warm.perSecond,
        ratio: rounded(ours.warm.perSecond / peer.warm.perSecond),
        coldRatio: rounded(ours.cold.perSecond / peer.cold.perSecond),
        unit: 'messages/s',
        durability,
        settings: peerPlan.settings,
      },
      tables: [sidesTable(medians, durability), costTable(medians), settingsTable(peerPlan)],
    };
  } finally {
    await cluster.dispose();
  }
}

function peerPlanOf(values: Context['options'], organisation: string, text: string): PeerPlan {
  return {
    messages: values.messages,
    warmUp: values.warmUp,
    organisation,
    text,
    profile: values.profile,
    settings: {
      workers: values.peerWorkers,
      concurrency: values.peerConcurrency,
      insertRows: values.peerInsertRows,
      flushMs: values.peerFlushMs,
      bulkJobs: values.peerBulkJobs,
      bulksAtOnce: values.peerBulksAtOnce,
      binds,
      window,
    },
  };
}

type Timed = Pick<SideFigures, 'seconds' | 'perSecond'>;
type Sides = Readonly<Record<'ours' | 'peer', { readonly cold: Timed; readonly warm: SideFigures }>>;

function sidesTable({ ours, peer }: Sides, durability: string): Table {
  const row = (side: string, { perSecond, seconds }: Timed): Cell[] => [side, perSecond, seconds];
  return {
    title: durability,
    columns: ['side', 'messages/s', 'seconds'],
    rows: [
      row('ours', ours.warm),
      row('peer', peer.warm),
      row('ours, the first in fresh processes', ours.cold),
      row('peer, the first in fresh processes', peer.cold),
    ],
  };
}

function costTable(sides: Sides): Table {
  const rows = (['ours', 'peer'] as const).flatMap((side) => {
    const { microsecondsPerMessage, peakMegabytes } = sides[side].warm;
    return Object.entries(microsecondsPerMessage).map(([role, micros]): Cell[] => [
      side,
      role,
      micros,
      peakMegabytes[role] ?? 0,
    ]);
  });
  return { title: 'By process', columns: ['side', 'process', 'µs CPU per message', 'peak MB'], rows };
}

function settingsTable({ settings }: PeerPlan): Table {
  return { title: 'The peer’s settings', columns: ['setting', 'value'], rows: Object.entries(settings) };
}
