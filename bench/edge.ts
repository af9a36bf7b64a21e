/**
 * `edge`: one bind, submit_sm to submit_sm_resp on loopback: our bind, and the `smpp` package's client in turn,
 * against the same far end, which is our simulator without a log. Everything fresh for every measurement.
 */
import { removeFolder, temporaryFolder } from '../test/support/folder.ts';
import type { EdgeAnswer, EdgeTask } from './edge/task.ts';
import { type BenchContext, defineBench, rounded, type ValuesOf } from './harness.ts';
import { runScript } from './script.ts';
import { simulatorAccount, startSimulator } from './simulator.ts';
import type { Table } from './table.ts';

const options = {
  messages: { byDefault: 500_000, about: 'submit_sm that each side must have answered' },
  window: { byDefault: 500, about: 'submit_sm without an answer at most' },
} as const;

type Values = ValuesOf<typeof options>;

/** One round: both sides, one after the other. */
type Round = {
  readonly perSecond: number;
  readonly packagePerSecond: number;
  readonly microsecondsPerSubmit: number;
  readonly packageMicrosecondsPerSubmit: number;
  readonly peakMegabytes: number;
  readonly packagePeakMegabytes: number;
};

const ratioGoal = (window: number) =>
  ({
    figure: 'ratio',
    title: `bind against the smpp package, window ${window}`,
    unit: 'times',
    better: 'more',
    atLeast: 12,
    aim: 20,
  }) as const;

export const edge = defineBench({
  name: 'edge',
  about: 'one bind, submit to response, ours and the smpp package in turn',
  options,
  smoke: { messages: 5_000, window: 64 },
  showings: [
    { title: 'One bind, window 64', options: { window: 64 }, goals: [ratioGoal(64)] },
    {
      title: 'One bind, window 500',
      options: { window: 500 },
      goals: [
        ratioGoal(500),
        {
          figure: 'perSecond',
          title: 'one bind, window 500',
          unit: 'submits/s',
          better: 'more',
          atLeast: 600_000,
          aim: 1_000_000,
        },
      ],
    },
  ],
  run,
});

async function run(context: BenchContext<Values>) {
  const { options: values } = context;
  const medians = await context.rounds(async (round): Promise<Round> => {
    context.bar.show(`round ${round}`, round - 1, values.rounds);
    // Whoever is first may find the processor cooler or its caches colder, so they take turns in that as well.
    const isOursFirst = round % 2 === 1;
    const first = await measure(isOursFirst ? 'ours' : 'package', context);
    const second = await measure(isOursFirst ? 'package' : 'ours', context);
    const [ours, theirs] = isOursFirst ? [first, second] : [second, first];
    return {
      perSecond: Math.round(values.messages / ours.seconds),
      packagePerSecond: Math.round(values.messages / theirs.seconds),
      microsecondsPerSubmit: rounded(ours.cpuMicros / values.messages),
      packageMicrosecondsPerSubmit: rounded(theirs.cpuMicros / values.messages),
      peakMegabytes: ours.peakMegabytes,
      packagePeakMegabytes: theirs.peakMegabytes,
    };
  });
  const ratio = rounded(medians.perSecond / medians.packagePerSecond);
  const { perSecond, packagePerSecond, ...others } = medians;
  return { figures: { perSecond, packagePerSecond, ratio, ...others }, tables: [tableOf(medians, values)] };
}

/** One side alone with a fresh simulator. */
async function measure(side: 'ours' | 'package', context: BenchContext<Values>): Promise<EdgeAnswer> {
  const { messages, window, profile } = context.options;
  const folder = temporaryFolder();
  const simulator = await startSimulator(folder);
  try {
    const task: EdgeTask = { port: simulator.port, ...simulatorAccount, messages, window };
    const answer = await runScript<EdgeAnswer>(`edge/${side}`, task, profile);
    const { accepted } = await simulator.stats();
    context.check(
      `answers that ${side} got`,
      { accepted: answer.accepted, refused: answer.refused },
      {
        accepted: messages,
        refused: 0,
      },
    );
    context.check('submit_sm that the simulator accepted', accepted, messages);
    return answer;
  } finally {
    await simulator.stop();
    removeFolder(folder);
  }
}

function tableOf(round: Round, { messages, window }: Values): Table {
  return {
    title: `${messages.toLocaleString('en')} submit_sm over one bind, window ${window}`,
    columns: ['client', 'submits/s', 'µs CPU per submit', 'peak MB'],
    rows: [
      ['ours', round.perSecond, round.microsecondsPerSubmit, round.peakMegabytes],
      ['smpp package', round.packagePerSecond, round.packageMicrosecondsPerSubmit, round.packagePeakMegabytes],
    ],
  };
}
