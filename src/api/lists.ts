/** Routes of lists and of who is on them. API process. */
import { createRoute, z } from '@hono/zod-openapi';
import {
  addMember,
  createList,
  deleteList,
  type ListRow,
  pageLists,
  readList,
  removeMember,
  renameList,
} from '../db/lists.ts';
import { pageResidents } from '../db/residents.ts';
import { uniqueViolation } from '../db/scope.ts';
import { answer } from './answer.ts';
import type { TenantEnv } from './authentication.ts';
import type { Parts } from './parts.ts';
import { notFound, ProblemFault } from './problems.ts';
import { residentSchema, residentView } from './resident-schemas.ts';
import { Routes } from './routes.ts';
import {
  firstId,
  idOf,
  idParams,
  idSchema,
  jsonBody,
  jsonResponse,
  moment,
  momentSchema,
  nameSchema,
  pageOf,
  pageQuery,
  pageSchema,
  problemResponses,
  tenantSecurity,
} from './schemas.ts';

/** What a list is made from. */
export const listInput = z.strictObject({ name: nameSchema(200) }).openapi('ListInput');
/** A list as callers see it. */
export const listSchema = z
  .object({ id: idSchema, name: z.string(), residents: z.int(), createdAt: momentSchema })
  .openapi('List');
/** A row as `listSchema`. */
export const listView = (row: ListRow) => ({ ...row, createdAt: moment(row.createdAt) });
const memberParams = idParams.extend({ resident: idSchema });

const common = { tags: ['lists'], security: tenantSecurity };
const one = { 200: jsonResponse(listSchema, 'The list'), ...problemResponses };
const done = { 204: { description: 'Done' }, ...problemResponses };

const createOne = createRoute({
  ...common,
  method: 'post',
  path: '/lists',
  summary: 'Create a list',
  request: jsonBody(listInput),
  responses: { 201: jsonResponse(listSchema, 'The new list'), ...problemResponses },
});
const pageAll = createRoute({
  ...common,
  method: 'get',
  path: '/lists',
  summary: 'List the lists',
  request: { query: z.strictObject(pageQuery) },
  responses: { 200: jsonResponse(pageSchema(listSchema), 'A page, oldest first'), ...problemResponses },
});
const readOne = createRoute({
  ...common,
  method: 'get',
  path: '/lists/{id}',
  summary: 'Read a list',
  request: { params: idParams },
  responses: one,
});
const renameOne = createRoute({
  ...common,
  method: 'patch',
  path: '/lists/{id}',
  summary: 'Rename a list',
  request: { params: idParams, ...jsonBody(listInput) },
  responses: one,
});
const deleteOne = createRoute({
  ...common,
  method: 'delete',
  path: '/lists/{id}',
  summary: 'Delete a list',
  description: 'Its residents stay.',
  request: { params: idParams },
  responses: done,
});
const pageMembers = createRoute({
  ...common,
  method: 'get',
  path: '/lists/{id}/residents',
  summary: 'List the residents of a list',
  request: { params: idParams, query: z.strictObject(pageQuery) },
  responses: { 200: jsonResponse(pageSchema(residentSchema), 'A page, oldest first'), ...problemResponses },
});
const addOne = createRoute({
  ...common,
  method: 'put',
  path: '/lists/{id}/residents/{resident}',
  summary: 'Put a resident on a list',
  request: { params: memberParams },
  responses: done,
});
const removeOne = createRoute({
  ...common,
  method: 'delete',
  path: '/lists/{id}/residents/{resident}',
  summary: 'Take a resident off a list',
  request: { params: memberParams },
  responses: done,
});

/** The same work, with a taken name told as a problem. */
export async function named<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (cause) {
    if (uniqueViolation(cause) !== 'lists_name') throw cause;
    throw new ProblemFault('already-exists', 'There is a list of this name.', { cause, field: 'name' });
  }
}

/** Routes under `/lists`. */
export function listRoutes({ authentication, json }: Parts) {
  const middleware = [authentication.tenant];
  const withBody = [authentication.tenant, json];
  const app = new Routes<TenantEnv>();
  app.openapi({ ...createOne, middleware: withBody }, async (c) => {
    const row = await named(createList(c.var.tenant.scoped.run, c.req.valid('json').name));
    return answer(c, listView(row), 201);
  });
  app.openapi({ ...pageAll, middleware }, async (c) => {
    const { limit, cursor = firstId } = c.req.valid('query');
    const rows = await pageLists(c.var.tenant.scoped.run, cursor, limit + 1);
    return answer(c, pageOf(rows, limit, idOf, listView), 200);
  });
  app.openapi({ ...readOne, middleware }, async (c) => {
    const row = await readList(c.var.tenant.scoped.run, c.req.valid('param').id);
    if (row === undefined) throw notFound('list');
    return answer(c, listView(row), 200);
  });
  app.openapi({ ...renameOne, middleware: withBody }, async (c) => {
    const { id } = c.req.valid('param');
    const row = await named(renameList(c.var.tenant.scoped.run, id, c.req.valid('json').name));
    if (row === undefined) throw notFound('list');
    return answer(c, listView(row), 200);
  });
  app.openapi({ ...deleteOne, middleware }, async (c) => {
    if (!(await deleteList(c.var.tenant.scoped.run, c.req.valid('param').id))) throw notFound('list');
    return c.body(null, 204);
  });
  app.openapi({ ...pageMembers, middleware }, async (c) => {
    const { run } = c.var.tenant.scoped;
    const { id } = c.req.valid('param');
    const { limit, cursor = firstId } = c.req.valid('query');
    const rows = await pageResidents(run, cursor, limit + 1, { list: id });
    if (rows.length === 0 && (await readList(run, id)) === undefined) throw notFound('list');
    return answer(c, pageOf(rows, limit, idOf, residentView), 200);
  });
  app.openapi({ ...addOne, middleware }, async (c) => {
    const { id, resident } = c.req.valid('param');
    if (!(await addMember(c.var.tenant.scoped.run, id, resident))) throw notFound('list or resident');
    return c.body(null, 204);
  });
  app.openapi({ ...removeOne, middleware }, async (c) => {
    const { id, resident } = c.req.valid('param');
    if (!(await removeMember(c.var.tenant.scoped.run, id, resident))) throw notFound('list or resident');
    return c.body(null, 204);
  });
  return app;
}
