/**
 * The route that makes a list of those whose messages stand in certain states. What is `unknown` is sent again by
 * nobody's decision but an operator's: this list, a campaign for it, and its launch. API process.
 */
import { createRoute, z } from '@hono/zod-openapi';
import { addMembers, createList, type ListRow, readList } from '../db/lists.ts';
import { readResults } from '../db/results.ts';
import { only, type Run } from '../db/scope.ts';
import type { Id, MessageState } from '../handoff.ts';
import { answer } from './answer.ts';
import type { TenantEnv } from './authentication.ts';
import { listInput, listSchema, listView, named } from './lists.ts';
import type { Parts } from './parts.ts';
import { withMessages, stateSchema } from './results.ts';
import { Routes } from './routes.ts';
import { idParams, jsonBody, jsonResponse, problemResponses, tenantSecurity } from './schemas.ts';

const input = listInput
  .extend({ states: z.array(stateSchema).min(1).openapi({ description: 'Whoever’s message is in one of these.' }) })
  .openapi('ResultListInput');

const createOne = createRoute({
  tags: ['campaigns'],
  security: tenantSecurity,
  method: 'post',
  path: '/campaigns/{id}/list',
  summary: 'Make a list of recipients by what became of them',
  description:
    'Residents that were deleted since are left out. To send to them again, create a campaign with this list as its ' +
    'audience: Tocsin itself never sends an information message again whose outcome is unknown.',
  request: { params: idParams, ...jsonBody(input) },
  responses: { 201: jsonResponse(listSchema, 'The new list'), ...problemResponses },
});

/** Recipients that are put on the list at once. */
const partRows = 2_000;

/** The route of lists of results. */
export function resultListRoutes({ authentication, json }: Parts) {
  const app = new Routes<TenantEnv>();
  app.openapi({ ...createOne, middleware: [authentication.tenant, json] }, async (c) => {
    const { scoped } = c.var.tenant;
    const campaign = await withMessages(scoped.run, c.req.valid('param').id);
    const { name, states } = c.req.valid('json');
    const list = await named(scoped.transaction((run) => listOf(run, campaign, name, new Set(states))));
    return answer(c, listView(list), 201);
  });
  return app;
}

async function listOf(run: Run, campaign: Id, name: string, states: ReadonlySet<MessageState>): Promise<ListRow> {
  const { id } = await createList(run, name);
  // One reading for all states: between two a message may move from one to the other.
  for await (const part of readResults(run, { campaign, states, after: -1, limit: partRows })) {
    await addMembers(
      run,
      id,
      part.map((row) => row.resident),
    );
  }
  const list = await readList(run, id);
  return only(list === undefined ? [] : [list]);
}
