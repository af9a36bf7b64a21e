/**
 * Routes with what the document says of them, which is also what is checked of each request before its handler runs.
 * API process. All parts are checked in one step and at once: the validators of `OpenAPIHono` are one middleware for
 * each part, and wait for each.
 */
import { OpenAPIHono, type RouteConfig, type z } from '@hono/zod-openapi';
import type { Context, Env, MiddlewareHandler, Next } from 'hono';
import { jsonFault } from './body.ts';
import { type FieldError, invalid, notFound, unknownField } from './problems.ts';
import { issueWords } from '../wording.ts';

/** A group of routes. What a request must be like is said by `openapi`, as ever; it checks in its own way. */
export class Routes<E extends Env = Env> extends OpenAPIHono<E> {
  override openapi = (({ middleware = [], hide: _, ...route }, handler) => {
    this.openAPIRegistry.registerPath(route as RouteConfig);
    const check = checkOf(route.request as RouteRequest | undefined);
    const path = route.path.replaceAll(/\{(.+?)\}/g, ':$1');
    const before = [middleware].flat() as MiddlewareHandler[];
    const handle = handler as (c: Context, next: Next) => Promise<Response>;
    const checked: MiddlewareHandler = async (c, next) => {
      await check(c);
      return await handle(c, next);
    };
    this.on([route.method], [path], ...before, checked);
    return this;
  }) as OpenAPIHono<E>['openapi'];
}

/** The parts of a request that have a schema. */
type RouteRequest = {
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly headers?: z.ZodObject;
  readonly body?: { readonly content: Readonly<Record<string, { readonly schema: z.ZodType }>> };
};

/** Checks a request, and keeps what `c.req.valid` gives; throws the problem of a request that is not valid. */
function checkOf({ params, query, headers, body }: RouteRequest = {}): (c: Context) => void | Promise<void> {
  const json = body?.content['application/json']?.schema;
  const headerNames = headers === undefined ? [] : Object.keys(headers.shape);
  const checkHead = (c: Context) => {
    // An id that cannot be one names nothing.
    if (params !== undefined) keep(c, 'param', params, c.req.param(), () => notFound());
    if (query !== undefined) keep(c, 'query', query, queryOf(c), invalidBy);
    if (headers !== undefined) keep(c, 'header', headers, headersOf(c, headerNames), invalidBy);
  };
  if (json === undefined) return checkHead;
  return async (c) => {
    checkHead(c);
    keep(c, 'json', json, await jsonOf(c), invalidBy);
  };
}

type Refusal = (issues: readonly Issue[]) => Error;

function keep(
  c: Context,
  target: 'param' | 'query' | 'header' | 'json',
  schema: z.ZodType,
  value: unknown,
  refusal: Refusal,
) {
  const result = schema.safeParse(value, { error: issueWords });
  if (!result.success) throw refusal(result.error.issues);
  c.req.addValidatedData(target, result.data as object);
}

/** A parameter that is given twice is a list, which no schema takes. */
function queryOf(c: Context): Record<string, unknown> {
  const values = Object.entries(c.req.queries());
  return Object.fromEntries(values.map(([name, all]) => [name, all.length === 1 ? all[0] : all]));
}

function headersOf(c: Context, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, c.req.header(name)]));
}

async function jsonOf(c: Context): Promise<unknown> {
  const text = await c.req.text();
  try {
    return JSON.parse(text);
  } catch {
    throw await jsonFault(c);
  }
}

type Issue = {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
};

function invalidBy(issues: readonly Issue[]): Error {
  return invalid(issues.flatMap(fieldErrors));
}

function fieldErrors({ code, path, message, keys }: Issue): FieldError[] {
  const field = path.map(String).join('.');
  if (code !== 'unrecognized_keys' || keys === undefined) {
    return [{ field, message: field === '' ? `the body ${message}` : message }];
  }
  return keys.map((key) => unknownField(field === '' ? key : `${field}.${key}`));
}
