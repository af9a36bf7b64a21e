/** Routes of what became of each recipient: pages of JSON, and the whole as a streamed CSV file. API process. */
import { createRoute, z } from '@hono/zod-openapi';
import { readCampaign } from '../db/campaigns.ts';
import { type ResultRow, readResults } from '../db/results.ts';
import type { Run } from '../db/scope.ts';
import { type Id, type MessageState, messageStateCodes } from '../handoff.ts';
import { answer } from './answer.ts';
import type { TenantEnv } from './authentication.ts';
import type { Parts } from './parts.ts';
import { notFound, ProblemFault } from './problems.ts';
import { Routes } from './routes.ts';
import {
  idParams,
  idSchema,
  jsonResponse,
  pageOf,
  pageQuery,
  pageSchema,
  problemResponses,
  tenantSecurity,
} from './schemas.ts';

const states = Object.keys(messageStateCodes) as [MessageState, ...MessageState[]];
/** State of a message. */
export const stateSchema = z.enum(states).openapi({
  description:
    '`pending`: no outcome yet. `unknown`: written to a carrier that never answered. `submitted`: accepted by a ' +
    'carrier, final receipt not here yet. `failed`: rejected, or not delivered.',
});

const resultSchema = z
  .object({
    ordinal: z.int().openapi({ description: "The recipient's number within the campaign, from 0." }),
    resident: idSchema,
    externalReference: z.string().nullable(),
    firstName: z.string().nullable().openapi({ description: 'Null when the resident was deleted.' }),
    lastName: z.string().nullable(),
    address: z.string(),
    carrier: z.string().openapi({ description: 'The carrier that it was planned for.' }),
    language: z.string(),
    state: stateSchema,
  })
  .openapi('Result');

const columns = Object.keys(resultSchema.shape) as (keyof ResultRow)[];
/** Recipients of one piece of a CSV file. */
const csvRows = 2000;

const common = { method: 'get' as const, tags: ['campaigns'], security: tenantSecurity };
const filter = { state: stateSchema.optional().openapi({ description: 'Only messages in this state.' }) };

const pageAll = createRoute({
  ...common,
  path: '/campaigns/{id}/results',
  summary: 'List what became of each recipient',
  request: {
    params: idParams,
    query: z.strictObject({
      ...pageQuery,
      ...filter,
      cursor: z.coerce
        .number()
        .int()
        .min(0)
        .max(2 ** 31 - 1)
        .optional()
        .openapi({ description: 'The `next` of the page before.' }),
    }),
  },
  responses: { 200: jsonResponse(pageSchema(resultSchema), 'A page, in order of ordinals'), ...problemResponses },
});
const wholeFile = createRoute({
  ...common,
  path: '/campaigns/{id}/results.csv',
  summary: 'Download what became of each recipient',
  description: `A CSV file in UTF-8 with the columns ${columns.join(', ')}.`,
  request: { params: idParams, query: z.strictObject(filter) },
  responses: { 200: { description: 'The file', content: { 'text/csv': { schema: z.string() } } }, ...problemResponses },
});

/** Routes of a campaign's results. */
export function resultRoutes({ authentication, replica }: Parts) {
  const middleware = [authentication.tenant];
  const app = new Routes<TenantEnv>();
  app.openapi({ ...pageAll, middleware }, async (c) => {
    const { organisation, scoped } = c.var.tenant;
    const campaign = c.req.valid('param').id;
    const run = (await replica?.runOf(organisation, scoped.run, campaign)) ?? scoped.run;
    const { limit, cursor: after = -1, state } = c.req.valid('query');
    const rows: ResultRow[] = [];
    for await (const part of readResults(run, { campaign, states: setOf(state), after, limit: limit + 1 })) {
      rows.push(...part);
      if (rows.length > limit) break;
    }
    // Somebody else's campaign shows no rows, just like one without results, or whose results were removed; only then
    // they must be told apart.
    if (rows.length === 0) await withMessages(scoped.run, campaign);
    return answer(
      c,
      pageOf(
        rows,
        limit,
        (row) => String(row.ordinal),
        (row) => row,
      ),
      200,
    );
  });
  app.openapi({ ...wholeFile, middleware }, async (c) => {
    const { organisation, scoped } = c.var.tenant;
    const campaign = await withMessages(scoped.run, c.req.valid('param').id);
    const run = (await replica?.runOf(organisation, scoped.run, campaign)) ?? scoped.run;
    const { state } = c.req.valid('query');
    const reading = readResults(run, { campaign, states: setOf(state), after: -1, limit: csvRows });
    const parts = whole(scoped.run, campaign, reading);
    return c.body(csvStream(parts), 200, {
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': `attachment; filename="campaign-${campaign}.csv"`,
    });
  });
  return app;
}

function setOf(state: MessageState | undefined): ReadonlySet<MessageState> | undefined {
  return state === undefined ? undefined : new Set([state]);
}

/** The id of a campaign that the caller has and whose messages are still kept; throws the problem of any other. */
export async function withMessages(run: Run, id: Id): Promise<Id> {
  const campaign = await readCampaign(run, id);
  if (campaign === undefined) throw notFound('campaign');
  if (campaign.messagesRemovedAt === null) return campaign.id;
  const since = campaign.messagesRemovedAt.toISOString();
  throw new ProblemFault('messages-removed', `It was removed at ${since}. Progress and report have the counts.`);
}

/** All parts, or an error at the end where they were removed meanwhile: the file then breaks off, and looks so. */
async function* whole(run: Run, campaign: Id, parts: AsyncGenerator<ResultRow[], void, void>) {
  yield* parts;
  await withMessages(run, campaign);
}

/** Reads a part when the client has taken the one before. */
function csvStream(parts: AsyncGenerator<ResultRow[], void, void>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    start(controller) {
      controller.enqueue(encoder.encode(`${columns.join(',')}\r\n`));
    },
    async pull(controller) {
      const { done, value } = await parts.next();
      if (done === true) controller.close();
      else controller.enqueue(encoder.encode(value.map(csvLine).join('')));
    },
    async cancel() {
      await parts.return();
    },
  });
}

function csvLine(row: ResultRow): string {
  return `${columns.map((column) => csvCell(row[column])).join(',')}\r\n`;
}

/** A cell by RFC 4180. Names that a spreadsheet would take for a formula get an apostrophe in front. */
function csvCell(value: string | number | null): string {
  if (typeof value !== 'string') return value === null ? '' : String(value);
  const text = /^(?:[=@\t\r]|[+-](?!\d+$))/u.test(value) ? `'${value}` : value;
  return /[",\r\n]/u.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
