/** The measured routes: what is asked of the API, and of the bare application beside it. Main thread. */
import type { BenchCluster } from '../cluster.ts';
import type { LoadTarget } from './load.ts';
import { createDrafts, type Scene } from './scene.ts';

/** One route and its bare counterpart. */
export type MeasuredRoute = {
  readonly name: string;
  /** Requests for `count` more answers. */
  ours(origin: string, count: number): Promise<LoadTarget>;
  bare(origin: string): LoadTarget;
  /** Rows that our requests leave, to be compared with the answers; absent for reads. */
  readonly countSql?: string;
};

/** Rows of a page of results. */
const pageRows = 50;
/** autocannon may set up a request more on each connection than it sends. */
const spareDrafts = 1_000;

/** Every measured route. */
export function measuredRoutes(cluster: BenchCluster, scene: Scene): MeasuredRoute[] {
  const headers = { authorization: `Bearer ${scene.key}` };
  const body = JSON.stringify(scene.draft);
  const get = (path: string) => async (origin: string) => ({ origin, method: 'GET' as const, path, headers });
  return [
    {
      name: 'create',
      ours: async (origin) => ({ origin, method: 'POST', path: '/campaigns', headers, body }),
      bare: (origin) => ({ origin, method: 'POST', path: '/create', body }),
      countSql: "select count(*)::int as n from campaigns where status = 'draft'",
    },
    {
      name: 'launch',
      async ours(origin, count) {
        const drafts = await createDrafts(cluster, scene, count + spareDrafts);
        return { origin, method: 'POST', path: () => `/campaigns/${drafts.pop() ?? '0'}/launch`, headers };
      },
      bare: (origin) => ({ origin, method: 'POST', path: `/launch/${scene.sent}` }),
      countSql: "select count(*)::int as n from campaigns where status = 'launched'",
    },
    {
      name: 'preview',
      ours: get(`/campaigns/${scene.sent}/preview`),
      bare: (origin) => ({ origin, method: 'GET', path: `/preview/${scene.list}` }),
    },
    {
      name: 'progress',
      ours: get(`/campaigns/${scene.sent}/progress`),
      bare: (origin) => ({ origin, method: 'GET', path: `/progress/${scene.sent}` }),
    },
    {
      name: 'results',
      ours: get(`/campaigns/${scene.sent}/results?limit=${pageRows}`),
      bare: (origin) => ({ origin, method: 'GET', path: `/results/${scene.sent}?limit=${pageRows}` }),
    },
  ];
}
