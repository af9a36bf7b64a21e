/**
 * `api`: requests a second of creating, launching, previewing and reading small campaigns, and the 99th percentile of
 * their time at half that load; beside each a bare Hono route that does one INSERT or SELECT through `pg`.
 */
import { load, type LoadAmount, type LoadFigures } from './api/load.ts';
import { type MeasuredRoute, measuredRoutes } from './api/routes.ts';
import { type Applications, setScene, startApplications } from './api/scene.ts';
import { BenchCluster } from './cluster.ts';
import { type BenchContext, defineBench, medianOf, rounded, type ValuesOf } from './harness.ts';
import type { Cell, Table } from './table.ts';

const options = {
  seconds: { byDefault: 4, about: 'of each measurement, roughly' },
  connections: { byDefault: 20, about: 'clients at once' },
  recipients: { byDefault: 106, about: 'of each campaign; a real service had so many on average' },
  only: { byDefault: '', about: 'names of routes, such as create,launch; all when empty' },
} as const;

type Values = ValuesOf<typeof options>;
type Context = BenchContext<Values>;

/** What one route gave. */
type RouteFigures = {
  readonly perSecond: number;
  /** At half of `perSecond`. */
  readonly p99Ms: number;
  readonly barePerSecond: number;
  readonly ratio: number;
};

/** Requests before anything is measured: for the compiler, the connections and the prepared statements. */
const warmUpRequests = 400;
/** Parts of a measurement. */
const slices = 3;

export const api = defineBench({
  name: 'api',
  about: 'requests a second and their time, beside a bare route',
  options,
  smoke: { seconds: 0.2, connections: 4, recipients: 20 },
  showings: [
    {
      title: 'API',
      options: {},
      goals: [
        {
          figure: 'leastRatio',
          title: 'API, slowest route against a bare one',
          unit: 'times',
          better: 'more',
          atLeast: 0.4,
          aim: 0.7,
        },
        {
          figure: 'worstP99Ms',
          title: 'API, slowest route at half load, p99',
          unit: 'ms',
          better: 'less',
          atLeast: 50,
          aim: 20,
        },
      ],
    },
  ],
  run,
});

async function run(context: Context) {
  const { recipients, profile } = context.options;
  const cluster = await BenchCluster.create();
  try {
    const scene = await setScene(cluster, recipients, profile);
    const only = context.options.only.split(',').filter((name) => name !== '');
    const routes = measuredRoutes(cluster, scene).filter(({ name }) => only.length === 0 || only.includes(name));
    const medians = await context.rounds(async () => {
      const applications = await startApplications(cluster, profile);
      try {
        const figures: Record<string, RouteFigures> = {};
        for (const [index, route] of routes.entries()) {
          context.bar.show(route.name, index, routes.length);
          figures[route.name] = await measure(cluster, route, applications, context);
        }
        return figures;
      } finally {
        await applications.stop();
      }
    });
    const found = Object.entries(medians).map(([name, figures]) => ({ name, ...figures }));
    return {
      figures: {
        routes: found,
        leastRatio: Math.min(...found.map(({ ratio }) => ratio)),
        worstP99Ms: Math.max(...found.map(({ p99Ms }) => p99Ms)),
        durability: cluster.durability,
      },
      tables: [tableOf(found, cluster.durability)],
    };
  } finally {
    await cluster.dispose();
  }
}

/** One route at full load, its bare counterpart, and then at half load. */
async function measure(
  cluster: BenchCluster,
  route: MeasuredRoute,
  applications: Applications,
  context: Context,
): Promise<RouteFigures> {
  const { seconds, connections } = context.options;
  const amountFor = (perSecond: number): LoadAmount => ({
    connections,
    requests: Math.max(connections, Math.ceil((perSecond * seconds) / connections) * connections),
  });
  const ours = async (amount: LoadAmount) => {
    const target = await route.ours(applications.api, amount.requests);
    const before = await countOf(cluster, route);
    const figures = await load(target, amount);
    context.check(`answers of ${route.name}`, figures.answered, amount.requests);
    if (route.countSql !== undefined)
      context.check(`rows that ${route.name} left`, (await countOf(cluster, route)) - before, amount.requests);
    return figures;
  };
  const bare = (amount: LoadAmount) => load(route.bare(applications.bare), amount);
  const warmUp = { connections, requests: Math.ceil(warmUpRequests / connections) * connections };
  const amounts = [
    amountFor((await ours(warmUp)).perSecond / slices),
    amountFor((await bare(warmUp)).perSecond / slices),
  ];
  // In turn and in slices, so that what else happens on the machine happens to both.
  const measured: { readonly ours: LoadFigures; readonly bare: LoadFigures }[] = [];
  for (let slice = 0; slice < slices; slice++)
    measured.push({ ours: await ours(amounts[0] as LoadAmount), bare: await bare(amounts[1] as LoadAmount) });
  const perSecond = medianOf(measured.map((slice) => slice.ours.perSecond));
  const half = Math.max(1, Math.floor(perSecond / 2));
  const atHalf = await ours({ ...amountFor(half), ratePerSecond: half });
  return {
    perSecond: Math.round(perSecond),
    p99Ms: atHalf.p99Ms,
    barePerSecond: Math.round(medianOf(measured.map((slice) => slice.bare.perSecond))),
    ratio: rounded(medianOf(measured.map((slice) => slice.ours.perSecond / slice.bare.perSecond)), 3),
  };
}

async function countOf({ sql }: BenchCluster, { countSql }: MeasuredRoute): Promise<number> {
  if (countSql === undefined) return 0;
  return (await sql.query<{ n: number }>(countSql)).rows[0]?.n ?? 0;
}

function tableOf(routes: readonly (RouteFigures & { name: string })[], durability: string): Table {
  return {
    title: durability,
    columns: ['route', 'requests/s', 'p99 at half load, ms', 'bare route, requests/s', 'ratio'],
    rows: routes.map(({ name, perSecond, p99Ms, barePerSecond, ratio }): Cell[] => [
      name,
      perSecond,
      p99Ms,
      barePerSecond,
      ratio,
    ]),
  };
}
