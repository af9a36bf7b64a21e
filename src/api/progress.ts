/** Routes that say where a campaign stands: preview, progress as JSON and as events, report. API process. */
import { createHash } from 'node:crypto';
import { createRoute, z } from '@hono/zod-openapi';
import { streamSSE } from 'hono/streaming';
import { previewCampaign } from '../campaign/preview.ts';
import { type AudienceReader, sampleAudience } from '../db/audience.ts';
import { readCampaignProgress, readCarrierProgress, readRefusals } from '../db/campaign-progress.ts';
import { readCampaign } from '../db/campaigns.ts';
import type { Run } from '../db/scope.ts';
import { answer } from './answer.ts';
import type { TenantEnv } from './authentication.ts';
import { campaignView } from './campaign-schemas.ts';
import { CampaignTextsByTenant } from './campaign-texts.ts';
import { CampaignWatches } from './campaign-watch.ts';
import { follow, News } from './event-stream.ts';
import type { Parts } from './parts.ts';
import { notFound, ProblemFault } from './problems.ts';
import { previewSchema, progressSchema, reportSchema } from './progress-schemas.ts';
import { Routes } from './routes.ts';
import { idParams, jsonResponse, problemResponses, tenantSecurity } from './schemas.ts';

/** Residents that the preview of a personal text is reckoned from. */
const sampleResidents = 500;

const common = {
  method: 'get' as const,
  tags: ['campaigns'],
  security: tenantSecurity,
  request: { params: idParams },
};

const previewOne = createRoute({
  ...common,
  path: '/campaigns/{id}/preview',
  summary: 'Preview a campaign',
  description: 'What launching it now would take.',
  responses: { 200: jsonResponse(previewSchema, 'The preview'), ...problemResponses },
});
const progressOne = createRoute({
  ...common,
  path: '/campaigns/{id}/progress',
  summary: 'Read the progress of a campaign',
  responses: { 200: jsonResponse(progressSchema, 'The progress'), ...problemResponses },
});
const eventsOne = createRoute({
  ...common,
  path: '/campaigns/{id}/progress/events',
  summary: 'Follow the progress of a campaign',
  description:
    'Server-sent events: `progress` at once and at each change, with a Progress as data; `end` when the campaign is ' +
    'completed or cancelled. A comment comes every 15 seconds of silence.',
  responses: {
    200: { description: 'The events', content: { 'text/event-stream': { schema: z.string() } } },
    ...problemResponses,
  },
});
const reportOne = createRoute({
  ...common,
  path: '/campaigns/{id}/report',
  summary: 'Read the report of a campaign',
  responses: { 200: jsonResponse(reportSchema, 'The report, of what is known by now'), ...problemResponses },
});

/** Names of audience queries by their texts, which are few: of carriers, languages and fields, none of a campaign. */
const queryNames = new Map<string, string>();

function queryName(text: string): string {
  const known = queryNames.get(text);
  if (known !== undefined) return known;
  const name = `audience_${createHash('sha256').update(text).digest('base64url').slice(0, 16)}`;
  queryNames.set(text, name);
  return name;
}

/** Audience queries in a scope; each is prepared once. */
function readerOf(run: Run): AudienceReader {
  return {
    async query<Row extends object>(text: string, values: unknown[]) {
      return { rows: await run<Row>({ name: queryName(text), text }, values) };
    },
  };
}

/** Routes of a campaign's preview, progress and report. */
export function progressRoutes(parts: Parts) {
  const { authentication, limits, log } = parts;
  const middleware = [authentication.tenant];
  const watches = new CampaignWatches({ feed: parts.progress, clock: parts.clock, log, watchMs: limits.watchMs });
  const texts = new CampaignTextsByTenant();
  const heartbeat = { clock: parts.clock, heartbeatMs: limits.heartbeatMs };
  let streams = 0;
  const app = new Routes<TenantEnv>();
  app.openapi({ ...previewOne, middleware }, async (c) => {
    const { organisation, scoped } = c.var.tenant;
    const known = await texts.read(c.var.tenant, c.req.valid('param').id);
    if (known === undefined) throw notFound('campaign');
    const { audience, contents, languages, fields } = known;
    const reach = { organisation, audience, languages, fields, routes: parts.routes };
    const { recipients, duplicates, unreachable, groups, samples } = await sampleAudience(
      readerOf(scoped.run),
      reach,
      sampleResidents,
    );
    const preview = previewCampaign(contents, groups, parts.carriers, { fields, samples });
    return answer(c, { recipients, duplicates, unreachable, ...preview }, 200);
  });
  app.openapi({ ...progressOne, middleware }, async (c) => {
    const progress = await readCampaignProgress(c.var.tenant.scoped.run, c.req.valid('param').id);
    if (progress === undefined) throw notFound('campaign');
    return answer(c, progress, 200);
  });
  app.openapi({ ...eventsOne, middleware }, async (c) => {
    const { run } = c.var.tenant.scoped;
    const progress = await readCampaignProgress(run, c.req.valid('param').id);
    if (progress === undefined) throw notFound('campaign');
    // Nobody reads its events, so that nobody would end them.
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'content-type': 'text/event-stream' });
    if (streams >= limits.eventStreamsMax) throw new ProblemFault('busy', 'Too many event streams are open here.');
    streams += 1;
    return streamSSE(c, async (stream) => {
      const news = new News(progress);
      const leave = watches.watch(run, progress, (moved) => news.put(moved));
      const stop = () => news.end();
      parts.stopping.addEventListener('abort', stop);
      stream.onAbort(stop);
      try {
        if (!parts.stopping.aborted) await follow(stream, news, heartbeat);
      } finally {
        parts.stopping.removeEventListener('abort', stop);
        leave();
        streams -= 1;
      }
    });
  });
  app.openapi({ ...reportOne, middleware }, async (c) => {
    const { organisation, scoped } = c.var.tenant;
    const { id } = c.req.valid('param');
    const run = (await parts.replica?.runOf(organisation, scoped.run, id)) ?? scoped.run;
    const campaign = await readCampaign(run, id);
    const progress = await readCampaignProgress(run, id);
    if (campaign === undefined || progress === undefined) throw notFound('campaign');
    const refusals = (await readRefusals(run, id)).map((refusal) => ({
      ...refusal,
      commandStatus: `0x${(refusal.commandStatus >>> 0).toString(16).padStart(8, '0')}`,
    }));
    const carriers = await readCarrierProgress(run, id);
    return answer(c, { campaign: campaignView(campaign), progress, carriers, refusals }, 200);
  });
  return app;
}
