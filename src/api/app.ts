/**
 * The API: all routes over their dependencies, and how errors are told. API process, main thread. Opens no
 * port and no connection; `cluster/` hands it its database, streams and clock.
 */
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Env, MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import { noTracer, traceIdOf } from '../tracing.ts';
import { Authentication } from './authentication.ts';
import { finishHeaders } from './answer.ts';
import { boundedJson } from './body.ts';
import { campaignRoutes } from './campaigns.ts';
import { documentRoutes } from './document.ts';
import { Guard } from './guard.ts';
import { listRoutes } from './lists.ts';
import { organisationRoutes } from './organisations.ts';
import type { ApiDependencies, Parts } from './parts.ts';
import { notFound, ProblemFault, problemOf, problemResponse } from './problems.ts';
import { progressRoutes } from './progress.ts';
import { requestIdOf, requestOf, setRequest } from './request.ts';
import { residentImportRoutes } from './resident-import.ts';
import { residentRoutes } from './residents.ts';
import { resultListRoutes } from './result-list.ts';
import { resultRoutes } from './results.ts';

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
  const app = new OpenAPIHono<Env>();
  app.onError((error, c) => {
    const problem = problemOf(error);
    // A caller's mistakes are told to the caller; the log is for ours.
    const { id, traceParent } = requestOf(c);
    const ids = { requestId: id, traceId: traceIdOf(traceParent) };
    if (problem.status >= 500) log.error('api.failed', { ...ids, method: c.req.method, status: problem.status }, error);
    return problemResponse(problem);
  });
  app.use(observing(dependencies));
  app.use(guard.everyone);
  app.route('/', organisationRoutes(parts));
  app.route('/', residentImportRoutes(parts));
  app.route('/', residentRoutes(parts));
  app.route('/', listRoutes(parts));
  app.route('/', campaignRoutes(parts));
  app.route('/', progressRoutes(parts));
  app.route('/', resultRoutes(parts));
  app.route('/', resultListRoutes(parts));
  app.route('/', documentRoutes(app));
  const methodsOf = methodsByPath(app.routes);
  app.notFound((c) => {
    const allow = methodsOf(c.req.path).join(', ');
    if (allow === '') return problemResponse(problemOf(notFound('route')));
    requestOf(c).headers['allow'] = allow;
    return problemResponse(problemOf(new ProblemFault('method', `This path takes ${allow}.`)));
  });
  return app;
}

/** Names each request, and tells of it once its answer begins; files and events go on after that. */
function observing({ clock, log, answered, tracer = noTracer }: ApiDependencies): MiddlewareHandler {
  return async (c, next) => {
    const beganMs = clock.monotonicMs();
    const id = requestIdOf(c.req.header('x-request-id'));
    const span = tracer.root('request', c.req.header('traceparent'));
    const { traceParent } = span;
    setRequest(c, id, traceParent);
    await next();
    finishHeaders(c);
    const path = routePath(c);
    const route = path.startsWith('/') && !path.includes('*') ? `${c.req.method} ${path}` : 'none';
    const { status } = c.res;
    const seconds = (clock.monotonicMs() - beganMs) / 1000;
    span.end({ 'http.route': route, 'http.response.status_code': status, 'tocsin.request': id }, route);
    log.debug('api.answered', { requestId: id, traceId: traceIdOf(traceParent), route, status, seconds });
    answered?.({ route, status, seconds });
  };
}

/** The methods that a path takes, by name, HEAD wherever GET (RFC 9110 §9.1); none where there is no route. */
function methodsByPath(routes: readonly { method: string; path: string }[]): (path: string) => string[] {
  const known = routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => ({
      method,
      pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}$`),
    }));
  return (path) => {
    const methods = known.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
    return [...new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods)].sort();
  };
}
