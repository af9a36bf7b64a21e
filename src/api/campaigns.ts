/** Routes of campaigns: creating, reading and commanding them. API process. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { type Accepted, acceptCommand, acceptLaunch, type Told, tellPlanner } from '../campaign/accept.ts';
import { campaignProblems } from '../campaign/content.ts';
import { type CampaignCommand, campaignStatuses } from '../campaign/state.ts';
import { type CampaignDraft, type CampaignRow, createCampaign, pageCampaigns, readCampaign } from '../db/campaigns.ts';
import type { Run } from '../db/scope.ts';
import { answer } from './answer.ts';
import type { TenantEnv } from './authentication.ts';
import { withoutFields } from './body.ts';
import { campaignInput, campaignSchema, type CampaignView, campaignView } from './campaign-schemas.ts';
import { idempotencyHeaders, idempotentRequest, once } from './idempotency.ts';
import type { Parts } from './parts.ts';
import { invalid, notFound, ProblemFault } from './problems.ts';
import { requestOf } from './request.ts';
import { Routes } from './routes.ts';
import {
  idOf,
  idParams,
  jsonBody,
  jsonResponse,
  lastId,
  pageOf,
  pageQuery,
  pageSchema,
  problemResponses,
  tenantSecurity,
} from './schemas.ts';

const common = { tags: ['campaigns'], security: tenantSecurity };

const createOne = createRoute({
  ...common,
  method: 'post',
  path: '/campaigns',
  summary: 'Create a campaign',
  description: 'It is a draft: nothing is sent before it is launched.',
  request: { headers: idempotencyHeaders, ...jsonBody(campaignInput) },
  responses: { 201: jsonResponse(campaignSchema, 'The draft'), ...problemResponses },
});
const pageAll = createRoute({
  ...common,
  method: 'get',
  path: '/campaigns',
  summary: 'List campaigns',
  request: { query: z.strictObject({ ...pageQuery, status: z.enum(campaignStatuses).optional() }) },
  responses: { 200: jsonResponse(pageSchema(campaignSchema), 'A page, newest first'), ...problemResponses },
});
const readOne = createRoute({
  ...common,
  method: 'get',
  path: '/campaigns/{id}',
  summary: 'Read a campaign',
  request: { params: idParams },
  responses: { 200: jsonResponse(campaignSchema, 'The campaign'), ...problemResponses },
});

const commandRoute = <Command extends CampaignCommand>(command: Command, summary: string, description: string) =>
  createRoute({
    ...common,
    method: 'post',
    path: `/campaigns/{id}/${command}`,
    summary,
    description,
    request: { params: idParams, headers: idempotencyHeaders },
    responses: { 202: jsonResponse(campaignSchema, 'The campaign, as it is from now on'), ...problemResponses },
  });
const commandRoutes = {
  launch: commandRoute('launch', 'Launch a campaign', 'Its recipients are those of the audience at this moment.'),
  pause: commandRoute('pause', 'Pause a campaign', 'Messages that carriers have already are not called back.'),
  resume: commandRoute('resume', 'Resume a paused campaign', 'It goes on where it was.'),
  cancel: commandRoute('cancel', 'Cancel a campaign', 'What was not submitted yet never is.'),
} as const satisfies Readonly<Record<CampaignCommand, unknown>>;

/** A new draft; throws the problem of one that is not acceptable. */
async function create(run: Run, draft: CampaignDraft, segmentsMax: number): Promise<CampaignRow> {
  const problems = campaignProblems(draft, segmentsMax);
  if (problems.length > 0) throw invalid(problems);
  const created = await createCampaign(run, draft);
  if (created.kind === 'created') return created.campaign;
  const lists = 'lists' in draft.audience ? draft.audience.lists : [];
  const errors = created.lists.map((list) => ({
    field: `audience.lists.${lists.indexOf(list)}`,
    message: `there is no list ${list}`,
  }));
  const field = errors[0]?.field ?? 'audience.lists';
  throw new ProblemFault('unknown-list', 'The audience has lists that do not exist.', { field, errors });
}

/** The accepted command; throws the problem of any other. */
function accepted(outcome: Accepted): Extract<Accepted, { kind: 'accepted' }> {
  switch (outcome.kind) {
    case 'accepted':
      return outcome;
    case 'unknown':
      throw notFound('campaign');
    case 'refused':
      throw new ProblemFault('campaign-state', outcome.because);
    case 'no-recipients':
      throw new ProblemFault('no-recipients', 'Nobody of the audience has a mobile number that a carrier serves.');
  }
}

/** Routes under `/campaigns`, but for progress and results. */
export function campaignRoutes(parts: Parts) {
  const { authentication, json, limits } = parts;
  const middleware = [authentication.tenant];
  const fieldless = withoutFields(json);
  const app = new Routes<TenantEnv>();
  app.openapi({ ...createOne, middleware: [authentication.tenant, json] }, async (c) => {
    const draft = c.req.valid('json');
    const { scoped } = c.var.tenant;
    const request = await idempotentRequest(c, c.req.valid('header')['idempotency-key']);
    const { segmentsMax } = limits;
    const campaign =
      request === undefined
        ? campaignView(await create(scoped.run, draft, segmentsMax))
        : await once(c, scoped, request, 201, async (run) => campaignView(await create(run, draft, segmentsMax)));
    return answer(c, campaign, 201);
  });
  app.openapi({ ...pageAll, middleware }, async (c) => {
    const { limit, cursor = lastId, status } = c.req.valid('query');
    const { organisation, scoped } = c.var.tenant;
    // Only what is completed changes no more, and never by what a caller has just done.
    const replica = status === 'completed' ? parts.replica : undefined;
    const run = replica?.anyRunOf(organisation, scoped.run) ?? scoped.run;
    const rows = await pageCampaigns(run, cursor, limit + 1, status);
    return answer(c, pageOf(rows, limit, idOf, campaignView), 200);
  });
  app.openapi({ ...readOne, middleware }, async (c) => {
    const campaign = await readCampaign(c.var.tenant.scoped.run, c.req.valid('param').id);
    if (campaign === undefined) throw notFound('campaign');
    return answer(c, campaignView(campaign), 200);
  });
  for (const command of ['launch', 'pause', 'resume', 'cancel'] as const) {
    app.openapi({ ...commandRoutes[command], middleware: [authentication.tenant, fieldless] }, async (c) => {
      const key = c.req.valid('header')['idempotency-key'];
      return answer(c, await commandCampaign(c, parts, command, c.req.valid('param').id, key), 202);
    });
  }
  return app;
}

async function commandCampaign(
  c: Context<TenantEnv>,
  parts: Parts,
  command: CampaignCommand,
  id: string,
  key: string | undefined,
): Promise<CampaignView> {
  const { scoped } = c.var.tenant;
  const { traceParent } = requestOf(c);
  const prefixes = parts.routes.map((route) => route.prefix);
  const told: Told[] = [];
  const view = (outcome: Accepted): CampaignView => {
    const { campaign, told: committed } = accepted(outcome);
    if (committed !== undefined) told.push(committed);
    return campaignView(campaign);
  };
  // Most launches need no more than one statement; what it does not do is judged, and answered for, by the rest.
  const atOnce =
    command === 'launch' && key === undefined ? await acceptLaunch(scoped.run, id, prefixes, traceParent) : undefined;
  const answer =
    atOnce === undefined
      ? await once(c, scoped, await idempotentRequest(c, key), 202, async (run) => {
          return view(await acceptCommand(run, id, command, prefixes, traceParent));
        })
      : view(atOnce);
  for (const committed of told) {
    await tellPlanner(committed, {
      publish: (campaign, verb) => parts.commands.publish(campaign, verb),
      clock: parts.clock,
      log: parts.log,
      publishMs: parts.limits.publishMs,
    });
  }
  return answer;
}
