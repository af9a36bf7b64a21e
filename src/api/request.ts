/**
 * What is known of a request beside what it asks for: the id by which its caller and our log name it, its place in a
 * trace, and the headers that its answer will have. API process.
 */
import { randomUUID } from 'node:crypto';
import type { Context } from 'hono';

/** See the head of this file. */
export type RequestContext = {
  readonly id: string;
  readonly traceParent: string | undefined;
  /** Of its answer, by their names in small letters. */
  readonly headers: Record<string, string>;
  /** Its answer was made with them. */
  headed: boolean;
};

/**
 * Headers of every answer: nothing of it may be run, framed or guessed at; the documentation has a style of its own.
 * As hono's `secureHeaders` has them.
 */
const standing: Readonly<Record<string, string>> = {
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=15552000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'SAMEORIGIN',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0',
};

/** What an id from outside may look like, so that nothing else gets into the log. */
const idPattern = /^[0-9a-f-]{16,64}$/i;
const name = 'request' as never;

/** The caller's own id, where it is one, or a new one. */
export function requestIdOf(header: string | undefined): string {
  return header !== undefined && idPattern.test(header) ? header : randomUUID();
}

/** Notes what is known, for all that handles the request. */
export function setRequest(c: Context, id: string, traceParent: string | undefined): RequestContext {
  const request: RequestContext = {
    id,
    traceParent,
    headers: { ...standing, 'x-request-id': id },
    headed: false,
  };
  c.set(name, request as never);
  return request;
}

/** What was noted. */
export function requestOf(c: Context): RequestContext {
  return c.get(name) as RequestContext;
}
