/**
 * The API: all routes over their dependencies, and how errors are told. API process, main thread. Opens no
 * port and no connection; `cluster/` hands it its database, streams and clock.
 */
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context, Env, MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { secureHeaders } from 'hono/secure-headers';
import { routePath } from 'hono/route';
import { noTracer, traceIdOf } from '../tracing.ts';
import { Authentication } from './authentication.ts';
import { boundedJson, jsonFault } from './body.ts';
import { campaignRoutes } from './campaigns.ts';
import { documentRoutes } from './document.ts';
import { Guard } from './guard.ts';
import { listRoutes } from './lists.ts';
import { organisationRoutes } from './organisations.ts';
import type { ApiDependencies, Parts } from './parts.ts';
import { type FieldError, invalid, notFound, problemOf, problemResponse, unknownField } from './problems.ts';
import { progressRoutes } from './progress.ts';
import { requestIdOf, requestOf, setRequest } from './request.ts';
import { residentImportRoutes } from './resident-import.ts';
import { residentRoutes } from './residents.ts';
import { resultListRoutes } from './result-list.ts';
import { resultRoutes } from './results.ts';

/** Nothing of an answer may be run or framed; the documentation has a style of its own. */
const contentSecurityPolicy = { defaultSrc: ["'none'"], styleSrc: ["'unsafe-inline'"], frameAncestors: ["'none'"] };

/** The API as an application for any server of `fetch` requests. Tests call its `request`. */
export function createApi(dependencies: ApiDependencies): OpenAPIHono {
  const { limits, log } = dependencies;
  const guard = new Guard(dependencies.clock, limits);
  const authentication = new Authentication(
    { ...dependencies, guard },
    {
      rememberMs: limits.keysRememberMs,
      knownMax: limits.keysRememberedMax,
    },
  );
  const parts: Parts = { ...dependencies, authentication, json: boundedJson(limits.jsonBytesMax) };
  const app = new OpenAPIHono<Env>({ defaultHook: refuseInvalid });
  app.onError(async (error, c) => {
    const problem = problemOf(isUnreadableJson(error) ? await jsonFault(c) : error);
    // A caller's mistakes are told to the caller; the log is for ours.
    const { id, traceParent } = requestOf(c);
    const ids = { requestId: id, traceId: traceIdOf(traceParent) };
    if (problem.status >= 500) log.error('api.failed', { ...ids, method: c.req.method, status: problem.status }, error);
    return problemResponse(problem, id);
  });
  app.use(observing(dependencies));
  app.use(secureHeaders({ contentSecurityPolicy }), guard.everyone);
  app.notFound((c) => problemResponse(problemOf(notFound('route')), requestOf(c).id));
  app.route('/', organisationRoutes(parts));
  app.route('/', residentImportRoutes(parts));
  app.route('/', residentRoutes(parts));
  app.route('/', listRoutes(parts));
  app.route('/', campaignRoutes(parts));
  app.route('/', progressRoutes(parts));
  app.route('/', resultRoutes(parts));
  app.route('/', resultListRoutes(parts));
  app.route('/', documentRoutes(app));
  return app;
}

/** Names each request, and tells of it once its answer begins; files and events go on after that. */
function observing({ clock, log, answered, tracer = noTracer }: ApiDependencies): MiddlewareHandler {
  return async (c, next) => {
    const beganMs = clock.monotonicMs();
    const id = requestIdOf(c.req.header('x-request-id'));
    const span = tracer.root('request', c.req.header('traceparent'));
    const { traceParent } = span;
    setRequest(c, { id, traceParent });
    c.header('x-request-id', id);
    await next();
    const path = routePath(c);
    const route = path.startsWith('/') && !path.includes('*') ? `${c.req.method} ${path}` : 'none';
    const { status } = c.res;
    const seconds = (clock.monotonicMs() - beganMs) / 1000;
    span.end({ 'http.route': route, 'http.response.status_code': status, 'tocsin.request': id }, route);
    log.debug('api.answered', { requestId: id, traceId: traceIdOf(traceParent), route, status, seconds });
    answered?.({ route, status, seconds });
  };
}

function isUnreadableJson(error: Error): boolean {
  return error instanceof HTTPException && error.status === 400;
}

type Issue = {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
};
type Validation =
  | { readonly success: true }
  | { readonly success: false; readonly target: string; readonly error: { readonly issues: readonly unknown[] } };

/** Turns what zod found into a problem. An id that cannot be one names nothing, so it is not found. */
function refuseInvalid(result: Validation, _c: Context): undefined {
  if (result.success) return;
  if (result.target === 'param') throw notFound();
  throw invalid((result.error.issues as readonly Issue[]).flatMap(fieldErrors));
}

function fieldErrors({ code, path, message, keys }: Issue): FieldError[] {
  const field = path.map(String).join('.');
  if (code !== 'unrecognized_keys' || keys === undefined) return [{ field, message }];
  return keys.map((key) => unknownField(field === '' ? key : `${field}.${key}`));
}
