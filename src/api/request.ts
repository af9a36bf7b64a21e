/**
 * What is known of a request beside what it asks for: the id by which its caller and our log name it, and its place in
 * a trace. API process.
 */
import { randomUUID } from 'node:crypto';
import type { Context } from 'hono';

/** See the head of this file. */
export type RequestContext = { readonly id: string; readonly traceParent: string | undefined };

/** What an id from outside may look like, so that nothing else gets into the log. */
const idPattern = /^[0-9a-f-]{16,64}$/i;
const name = 'request' as never;

/** The caller's own id, where it is one, or a new one. */
export function requestIdOf(header: string | undefined): string {
  return header !== undefined && idPattern.test(header) ? header : randomUUID();
}

/** Notes it for all that handles the request. */
export function setRequest(c: Context, request: RequestContext): void {
  c.set(name, request as never);
}

/** What was noted. */
export function requestOf(c: Context): RequestContext {
  return c.get(name) as RequestContext;
}
