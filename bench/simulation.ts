/**
 * `simulation`: 100 workers on 400 binds in virtual time. Workers join, ten die at once, twenty stand still past their
 * leases and go on, an alert comes, all are restarted in turn. The code is that of workers and Redis's own scripts, on
 * a real Redis; only time, sockets and carriers are simulated, so the same seed gives the same result. Of full size it
 * draws k8s/simulation.svg.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tocsinHome } from '../cluster/embedded.ts';
import { startRedis } from '../cluster/embedded-redis.ts';
import { removeFolder, temporaryFolder } from '../test/support/folder.ts';
import { packageFolder } from './folder.ts';
import { type BenchContext, defineBench, rounded, type ValuesOf } from './harness.ts';
import { alertFigures, fullestSecond, heldIn, jainIn, phasesOf, redisFigures } from './simulation/figures.ts';
import { drawSimulation } from './simulation/picture.ts';
import { planOf } from './simulation/plan.ts';
import { type Played, play, sampleMs } from './simulation/run.ts';
import { renderTable, type Table } from './table.ts';

const options = {
  workers: { byDefault: 100, about: 'worker processes' },
  organisations: { byDefault: 200, about: 'organisations that send, of five weights' },
  ratePerBind: { byDefault: 20, about: 'segments a second of each bind' },
  isSmall: { byDefault: false, about: '17 binds and short leases in place of 400 binds' },
} as const;

type Values = ValuesOf<typeof options>;

/** No second may hold more of a contract than this. */
const fullestMost = 1.05;
/** While nothing is amiss, this much of the contracts is used at least. */
const heldLeast = 0.97;
const jainLeast = 0.97;
const alertMsMost = 250;
const freeMost = 0.02;

export const simulation = defineBench({
  name: 'simulation',
  about: '100 workers and 400 binds in virtual time: leases, pace and schedule',
  options,
  smoke: { workers: 6, organisations: 6, ratePerBind: 20, isSmall: true },
  showings: [],
  run,
});

async function run(context: BenchContext<Values>) {
  const { options: values } = context;
  let last: Played | undefined;
  const fingerprints = new Set<string>();
  const figures = await context.rounds(async () => {
    last = await playOnce(values, context);
    fingerprints.add(last.judge.fingerprint);
    return figuresOf(last);
  });
  const played = last as Played;
  // Before anything is checked: they say what went wrong.
  for (const table of tablesOf(played)) context.say(`\n${renderTable(table)}`);
  if (!values.isSmall)
    writeFileSync(join(packageFolder(), 'k8s', 'simulation.svg'), drawSimulation({ ...played, sampleMs }));
  context.check('results of one seed', fingerprints.size, 1);
  judge(played, context);
  return { figures: { ...figures, binds: bindsOf(played) }, tables: [] };
}

async function playOnce(values: Values & { seed: number }, { bar }: BenchContext<Values>): Promise<Played> {
  const folder = temporaryFolder();
  const cache = join(tocsinHome(), 'redis-programs');
  const redis = await startRedis({ directory: join(folder, 'redis'), fast: true, cache });
  const plan = planOf(values);
  try {
    return await play(plan, values.seed, redis.url, (ms) => {
      bar.show('virtual ms', ms, plan.timeline.endMs);
    });
  } finally {
    await redis.stop();
    removeFolder(folder);
  }
}

/** Nothing here depends on how fast the machine is, so all of it can be demanded. */
function judge(played: Played, { check }: BenchContext<Values>): void {
  const { carriers, plan } = played;
  const { timeline } = plan;
  check('breaches of leases and holds', { ...played.judge.breaches }, { foreign: 0, doubled: 0, slots: 0 });
  for (const carrier of carriers) {
    const { contract, bindsPeak } = carrier;
    check(`${contract.name}: binds within the contract`, bindsPeak <= contract.binds, true);
    check(`${contract.name}: fullest second within ${fullestMost}`, fullestSecond(carrier) <= fullestMost, true);
  }
  for (const phase of phasesOf(plan).filter(({ name }) => name.startsWith('quiet')))
    check(`${phase.name}: ${heldLeast} of the contracts used`, heldIn(carriers, phase) >= heldLeast, true);
  const jain = jainIn(played, timeline.joinFromMs + timeline.joinForMs, timeline.alertAtMs);
  check(`fairness of ${jainLeast}`, jain >= jainLeast, true);
  check(`alert at every carrier within ${alertMsMost} ms`, alertFigures(played).firstMs <= alertMsMost, true);
  // One that changes hands belongs to nobody for a moment.
  for (const { atMs, free } of played.spreads)
    check(`no more than ${freeMost} of slots free at ${atMs} ms`, free <= freeMost * bindsOf(played), true);
}

function bindsOf({ plan }: Played): number {
  return plan.contracts.reduce((sum, { binds }) => sum + binds, 0);
}

function figuresOf(played: Played) {
  const { carriers, plan, spreads } = played;
  const { timeline } = plan;
  return {
    fingerprint: played.judge.fingerprint,
    reached: played.judge.reached,
    fullestSecond: rounded(Math.max(...carriers.map(fullestSecond))),
    held: Object.fromEntries(phasesOf(plan).map((phase) => [phase.name, rounded(heldIn(carriers, phase), 3)])),
    jain: rounded(jainIn(played, timeline.joinFromMs + timeline.joinForMs, timeline.alertAtMs)),
    alert: alertFigures(played),
    spreads: spreads.map((spread) => ({ ...spread })),
    refusedBinds: carriers.reduce((sum, { refusedPerSecond }) => sum + refusedPerSecond.reduce((a, b) => a + b), 0),
    slotsTaken: played.events.get('slot.taken') ?? 0,
    redis: redisFigures(played),
  };
}

function tablesOf(played: Played): Table[] {
  const { carriers, plan, spreads } = played;
  const figures = figuresOf(played);
  const { alert, redis } = figures;
  const held: Table = {
    title: 'Share of all contracts that was used',
    columns: ['part', 'from, s', 'to, s', 'used'],
    rows: phasesOf(plan).map((phase) => [
      phase.name,
      String(phase.fromMs / 1000),
      String(phase.toMs / 1000),
      heldIn(carriers, phase).toFixed(3),
    ]),
  };
  const byCarrier: Table = {
    title: 'Contracts',
    columns: ['carrier', 'binds', 'most binds', 'segments/s', 'fullest second', 'binds refused'],
    rows: carriers.map((carrier) => [
      carrier.contract.name,
      carrier.contract.binds,
      carrier.bindsPeak,
      carrier.contract.ratePerSecond,
      fullestSecond(carrier).toFixed(3),
      carrier.refusedPerSecond.reduce((sum, n) => sum + n, 0),
    ]),
  };
  const spread: Table = {
    title: 'Slots of one worker, of all carriers together',
    columns: ['at, s', 'workers', 'fewest', 'most', 'free'],
    rows: spreads.map(({ atMs, workers, least, most, free }) => [String(atMs / 1000), workers, least, most, free]),
  };
  const scripts = Object.entries(redis.scriptsPerSecond).filter(([, count]) => count > 0);
  const rest: Table = {
    title: 'Whole',
    columns: ['what', 'value'],
    rows: [
      ['segments of batches in two hands, information doubled, slots too many', '0, 0, 0'],
      ['fairness by weight of organisations (Jain)', String(figures.jain)],
      ['alert: first at the last carrier, ms', String(alert.firstMs)],
      ['alert: last submit_sm, ms', String(alert.lastMs)],
      ['alert: share of what carriers got meanwhile', String(alert.share)],
      ['alert: submitted again', String(alert.again)],
      ['scripts a second while it is quiet', scripts.map(([name, count]) => `${name} ${count}`).join(', ')],
      ['renewals of slots in the fullest second', String(redis.renewalsMost)],
    ],
  };
  return [held, byCarrier, spread, rest];
}
