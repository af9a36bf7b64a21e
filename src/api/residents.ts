/** Routes of residents, one at a time. API process. */
import { createRoute, z } from '@hono/zod-openapi';
import { readList } from '../db/lists.ts';
import {
  createResident,
  deleteResident,
  pageResidents,
  readResident,
  referenceConstraint,
  updateResident,
} from '../db/residents.ts';
import { uniqueViolation } from '../db/scope.ts';
import { answer } from './answer.ts';
import type { TenantEnv } from './authentication.ts';
import type { Parts } from './parts.ts';
import { notFound, ProblemFault } from './problems.ts';
import { readContacts, residentChange, residentInput, residentSchema, residentView } from './resident-schemas.ts';
import { Routes } from './routes.ts';
import {
  firstId,
  idOf,
  idParams,
  idSchema,
  jsonBody,
  jsonResponse,
  nameSchema,
  pageOf,
  pageQuery,
  pageSchema,
  problemResponses,
  tenantSecurity,
} from './schemas.ts';

const common = { tags: ['residents'], security: tenantSecurity };
const one = { 200: jsonResponse(residentSchema, 'The resident'), ...problemResponses };

const createOne = createRoute({
  ...common,
  method: 'post',
  path: '/residents',
  summary: 'Create a resident',
  request: jsonBody(residentInput),
  responses: { 201: jsonResponse(residentSchema, 'The new resident'), ...problemResponses },
});
const pageAll = createRoute({
  ...common,
  method: 'get',
  path: '/residents',
  summary: 'List residents',
  request: {
    query: z.strictObject({
      ...pageQuery,
      list: idSchema.optional().openapi({ description: 'Only those on this list.' }),
      externalReference: nameSchema(100).optional().openapi({ description: 'Only the one with this reference.' }),
    }),
  },
  responses: { 200: jsonResponse(pageSchema(residentSchema), 'A page, oldest first'), ...problemResponses },
});
const readOne = createRoute({
  ...common,
  method: 'get',
  path: '/residents/{id}',
  summary: 'Read a resident',
  request: { params: idParams },
  responses: one,
});
const changeOne = createRoute({
  ...common,
  method: 'patch',
  path: '/residents/{id}',
  summary: 'Change a resident',
  description: 'What is not given stays. `contacts`, where given, become exactly those.',
  request: { params: idParams, ...jsonBody(residentChange) },
  responses: one,
});
const deleteOne = createRoute({
  ...common,
  method: 'delete',
  path: '/residents/{id}',
  summary: 'Delete a resident',
  description: 'With all contacts and memberships. Campaigns that were launched keep what they need.',
  request: { params: idParams },
  responses: { 204: { description: 'Deleted' }, ...problemResponses },
});

/** The same work, with a taken reference told as a problem. */
async function referenced<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (cause) {
    if (uniqueViolation(cause) !== referenceConstraint) throw cause;
    const detail = 'There is a resident with this external reference.';
    throw new ProblemFault('already-exists', detail, { cause, field: 'externalReference' });
  }
}

/** Routes under `/residents`, but for the import. */
export function residentRoutes({ authentication, json }: Parts) {
  const middleware = [authentication.tenant];
  const withBody = [authentication.tenant, json];
  const app = new Routes<TenantEnv>();
  app.openapi({ ...createOne, middleware: withBody }, async (c) => {
    const { contacts, ...fields } = c.req.valid('json');
    const { country, scoped } = c.var.tenant;
    const row = await referenced(createResident(scoped.run, fields, readContacts(contacts, country)));
    return answer(c, residentView(row), 201);
  });
  app.openapi({ ...pageAll, middleware }, async (c) => {
    const { run } = c.var.tenant.scoped;
    const { limit, cursor = firstId, ...filter } = c.req.valid('query');
    const rows = await pageResidents(run, cursor, limit + 1, filter);
    const { list } = filter;
    if (list !== undefined && rows.length === 0 && (await readList(run, list)) === undefined) {
      throw new ProblemFault('unknown-list', 'There is no such list.', { field: 'list' });
    }
    return answer(c, pageOf(rows, limit, idOf, residentView), 200);
  });
  app.openapi({ ...readOne, middleware }, async (c) => {
    const row = await readResident(c.var.tenant.scoped.run, c.req.valid('param').id);
    if (row === undefined) throw notFound('resident');
    return answer(c, residentView(row), 200);
  });
  app.openapi({ ...changeOne, middleware: withBody }, async (c) => {
    const { contacts, ...fields } = c.req.valid('json');
    const { country, scoped } = c.var.tenant;
    const read = contacts === undefined ? undefined : readContacts(contacts, country);
    const { id } = c.req.valid('param');
    const row = await referenced(scoped.transaction((run) => updateResident(run, id, fields, read)));
    if (row === undefined) throw notFound('resident');
    return answer(c, residentView(row), 200);
  });
  app.openapi({ ...deleteOne, middleware }, async (c) => {
    if (!(await deleteResident(c.var.tenant.scoped.run, c.req.valid('param').id))) throw notFound('resident');
    return c.body(null, 204);
  });
  return app;
}
