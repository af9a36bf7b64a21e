/** Routes of the platform's owner: organisations and their keys. API process. */
import { createRoute, z } from '@hono/zod-openapi';
import {
  createKey,
  createOrganisation,
  type KeyRow,
  type OrganisationRow,
  pageKeys,
  pageOrganisations,
  readOrganisation,
  revokeKey,
} from '../db/keys.ts';
import { scoped } from '../db/scope.ts';
import { answer } from './answer.ts';
import { newKey } from './authentication.ts';
import { isCountry } from './phone.ts';
import { notFound } from './problems.ts';
import type { Parts } from './parts.ts';
import { Routes } from './routes.ts';
import {
  firstId,
  idOf,
  idParams,
  idSchema,
  jsonBody,
  jsonResponse,
  later,
  laterSchema,
  moment,
  momentSchema,
  nameSchema,
  pageOf,
  pageQuery,
  pageSchema,
  problemResponses,
} from './schemas.ts';

const organisationInput = z
  .strictObject({
    name: nameSchema(200),
    country: z
      .string()
      .refine(isCountry, 'must be an ISO 3166-1 alpha-2 code with a known numbering plan')
      .default('FR')
      .openapi({ type: 'string', description: 'Where telephone numbers without a prefix belong.', example: 'FR' }),
    weight: z
      .int()
      .min(1)
      .max(100)
      .default(1)
      .openapi({ description: 'Share of a carrier, relative to other organisations.' }),
  })
  .openapi('OrganisationInput');

const organisationSchema = z
  .object({
    id: idSchema,
    name: z.string(),
    country: z.string(),
    weight: z.int(),
    createdAt: momentSchema,
  })
  .openapi('Organisation');

const keySchema = z
  .object({
    id: idSchema,
    name: z.string(),
    prefix: z.string().openapi({ description: 'How the key begins, to recognise it by.' }),
    createdAt: momentSchema,
    revokedAt: laterSchema,
  })
  .openapi('Key');
const newKeySchema = keySchema
  .extend({ key: z.string().openapi({ description: 'The key itself; it is never shown again.' }) })
  .openapi('NewKey');

const organisationView = (row: OrganisationRow) => ({ ...row, createdAt: moment(row.createdAt) });
const keyView = (row: KeyRow) => ({ ...row, createdAt: moment(row.createdAt), revokedAt: later(row.revokedAt) });

const common = { tags: ['organisations'], security: [{ platformKey: [] }] };
const keyParams = idParams.extend({ key: idSchema });

const createOne = createRoute({
  ...common,
  method: 'post',
  path: '/organisations',
  summary: 'Create an organisation',
  request: jsonBody(organisationInput),
  responses: { 201: jsonResponse(organisationSchema, 'The new organisation'), ...problemResponses },
});
const list = createRoute({
  ...common,
  method: 'get',
  path: '/organisations',
  summary: 'List organisations',
  request: { query: z.strictObject(pageQuery) },
  responses: { 200: jsonResponse(pageSchema(organisationSchema), 'A page, oldest first'), ...problemResponses },
});
const readOne = createRoute({
  ...common,
  method: 'get',
  path: '/organisations/{id}',
  summary: 'Read an organisation',
  request: { params: idParams },
  responses: { 200: jsonResponse(organisationSchema, 'The organisation'), ...problemResponses },
});
const createItsKey = createRoute({
  ...common,
  method: 'post',
  path: '/organisations/{id}/keys',
  summary: 'Create a key for an organisation',
  request: { params: idParams, ...jsonBody(z.strictObject({ name: nameSchema(200) }).openapi('KeyInput')) },
  responses: { 201: jsonResponse(newKeySchema, 'The new key'), ...problemResponses },
});
const listKeys = createRoute({
  ...common,
  method: 'get',
  path: '/organisations/{id}/keys',
  summary: "List an organisation's keys",
  request: { params: idParams, query: z.strictObject(pageQuery) },
  responses: { 200: jsonResponse(pageSchema(keySchema), 'A page, oldest first'), ...problemResponses },
});
const revoke = createRoute({
  ...common,
  method: 'delete',
  path: '/organisations/{id}/keys/{key}',
  summary: 'Revoke a key',
  description: 'It ends at once in the process that answers, and within seconds in all others.',
  request: { params: keyParams },
  responses: { 204: { description: 'Revoked, now or before' }, ...problemResponses },
});

/** Routes under `/organisations`. */
export function organisationRoutes({ authentication, database, json }: Parts) {
  const { run } = scoped(database, 'platform');
  const middleware = [authentication.platform];
  const withBody = [authentication.platform, json];
  const app = new Routes();
  app.openapi({ ...createOne, middleware: withBody }, async (c) => {
    const row = await createOrganisation(run, c.req.valid('json'));
    return answer(c, organisationView(row), 201);
  });
  app.openapi({ ...list, middleware }, async (c) => {
    const { limit, cursor = firstId } = c.req.valid('query');
    const rows = await pageOrganisations(run, cursor, limit + 1);
    return answer(c, pageOf(rows, limit, idOf, organisationView), 200);
  });
  app.openapi({ ...readOne, middleware }, async (c) => {
    const row = await readOrganisation(run, c.req.valid('param').id);
    if (row === undefined) throw notFound('organisation');
    return answer(c, organisationView(row), 200);
  });
  app.openapi({ ...createItsKey, middleware: withBody }, async (c) => {
    const { key, prefix, hash } = newKey();
    const row = await createKey(run, c.req.valid('param').id, { ...c.req.valid('json'), prefix, hash });
    if (row === undefined) throw notFound('organisation');
    return answer(c, { ...keyView(row), key }, 201);
  });
  app.openapi({ ...listKeys, middleware }, async (c) => {
    const { id } = c.req.valid('param');
    const { limit, cursor = firstId } = c.req.valid('query');
    if ((await readOrganisation(run, id)) === undefined) throw notFound('organisation');
    const rows = await pageKeys(run, id, cursor, limit + 1);
    return answer(c, pageOf(rows, limit, idOf, keyView), 200);
  });
  app.openapi({ ...revoke, middleware }, async (c) => {
    const { id, key } = c.req.valid('param');
    if (!(await revokeKey(run, id, key))) throw notFound('key');
    authentication.forget();
    return c.body(null, 204);
  });
  return app;
}
