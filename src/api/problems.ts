/**
 * Errors as RFC 9457 problem details. Every refusal of the API is one of the kinds listed here; their `type` is
 * stable and is what a program should look at. API process. Never tells what it does not know to be safe: an
 * error that is not ours becomes `internal`, and only the log has its cause.
 */
import { z } from '@hono/zod-openapi';
import type { FaultCode, FaultOptions } from '../fault.ts';
import { Fault } from '../fault.ts';

/** Kinds of problems: HTTP status, title, and the fault that stands for it inside. */
export const problemKinds = {
  'malformed-json': { status: 400, code: 'input', title: 'The body is not JSON.' },
  'broken-off': { status: 400, code: 'input', title: 'The body broke off.' },
  encoding: { status: 400, code: 'input', title: 'The body is not UTF-8.' },
  unauthorised: { status: 401, code: 'unauthorised', title: 'A valid key is needed.' },
  'not-found': { status: 404, code: 'not-found', title: 'There is no such thing.' },
  'unknown-list': { status: 404, code: 'not-found', title: 'There is no such list.' },
  method: { status: 405, code: 'input', title: 'The method is not possible here.' },
  'campaign-state': { status: 409, code: 'conflict', title: 'The campaign is not in a state for this.' },
  'no-recipients': { status: 409, code: 'conflict', title: 'Nobody of the audience can be reached.' },
  'already-exists': { status: 409, code: 'conflict', title: 'There is one already.' },
  'messages-removed': { status: 410, code: 'not-found', title: 'What became of each recipient is not kept any more.' },
  'too-large': { status: 413, code: 'too-large', title: 'The body is too large.' },
  'media-type': { status: 415, code: 'input', title: 'The body is of another media type.' },
  invalid: { status: 422, code: 'input', title: 'The request is not valid.' },
  csv: { status: 422, code: 'input', title: 'The file cannot be read.' },
  'idempotency-key': { status: 422, code: 'input', title: 'The Idempotency-Key was used for another request.' },
  'too-many': { status: 429, code: 'conflict', title: 'Too many requests.' },
  internal: { status: 500, code: 'unreadable', title: 'Something went wrong here.' },
  busy: { status: 503, code: 'conflict', title: 'Too much of this is going on at the moment.' },
  unavailable: { status: 503, code: 'postgres', title: 'The service cannot answer at the moment.' },
} as const satisfies Readonly<Record<string, { status: number; code: FaultCode; title: string }>>;

/** Name of a kind of problem. */
export type ProblemKind = keyof typeof problemKinds;

/** The `type` of a kind of problem: a URN, stable for ever. */
export function problemType(kind: ProblemKind): string {
  return `urn:tocsin:problem:${kind}`;
}

/** One thing wrong with a request. */
export const fieldErrorSchema = z
  .object({
    field: z
      .string()
      .openapi({ description: 'Path of the part at fault, such as `contents.fr` or `audience.lists.0`.' }),
    message: z.string(),
    reason: z.string().optional().openapi({ description: 'A stable name of what is wrong, where there is one.' }),
  })
  .openapi('FieldError');

/** Problem details (RFC 9457). */
export const problemSchema = z
  .object({
    type: z.string().openapi({ example: problemType('campaign-state') }),
    title: z.string(),
    status: z.int(),
    detail: z.string().optional(),
    field: z.string().optional().openapi({ description: 'The first part of the request at fault.' }),
    retryAfterSeconds: z.int().optional().openapi({ description: 'When it is worth asking again, as Retry-After.' }),
    errors: z.array(fieldErrorSchema).optional().openapi({ description: 'Everything at fault, when it is the input.' }),
  })
  .openapi('Problem');

/** Problem details as they are sent. */
export type Problem = z.infer<typeof problemSchema>;
/** One thing wrong with a request. */
export type FieldError = z.infer<typeof fieldErrorSchema>;

type ProblemOptions = FaultOptions & { readonly errors?: readonly FieldError[]; readonly retryAfterSeconds?: number };

/** A fault that the caller sees as a problem of `kind`. */
export class ProblemFault extends Fault {
  readonly kind: ProblemKind;
  readonly errors: readonly FieldError[];
  readonly retryAfterSeconds: number | undefined;

  constructor(kind: ProblemKind, detail: string, options: ProblemOptions = {}) {
    super(problemKinds[kind].code, detail, { ...options, reason: kind });
    this.kind = kind;
    this.errors = options.errors ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** What a caller is told about something that does not exist, or is somebody else's: never which. */
export function notFound(what = 'thing'): ProblemFault {
  return new ProblemFault('not-found', `There is no such ${what}.`);
}

/** A field that the request has and the route does not. */
export function unknownField(field: string): FieldError {
  return { field, message: 'there is no such field', reason: 'unknown-field' };
}

/** The problem of a request with these errors. There is one at least. */
export function invalid(errors: readonly FieldError[]): ProblemFault {
  const first = errors[0];
  const detail =
    first === undefined ? 'The request is not valid.' : [first.field, first.message].filter(Boolean).join(': ');
  return new ProblemFault('invalid', detail, { errors, ...(first === undefined ? {} : { field: first.field }) });
}

/** Whatever was thrown, as a problem. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ProblemFault) {
    const field = error.field === undefined ? {} : { field: error.field };
    const errors = error.errors.length === 0 ? {} : { errors: [...error.errors] };
    const { retryAfterSeconds } = error;
    const wait = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
    return { ...plain(error.kind), detail: error.message, ...field, ...wait, ...errors };
  }
  if (error instanceof Fault && (error.code === 'postgres' || error.code === 'redis')) {
    return { ...plain('unavailable'), detail: 'Nothing was changed. Try again in some seconds.' };
  }
  return plain('internal');
}

function plain(kind: ProblemKind): Problem {
  return { type: problemType(kind), title: problemKinds[kind].title, status: problemKinds[kind].status };
}

/** A problem as a response. */
export function problemResponse(problem: Problem): Response {
  const headers: Record<string, string> = { 'content-type': 'application/problem+json' };
  if (problem.status === 401) headers['www-authenticate'] = 'Bearer';
  if (problem.status === 503) headers['retry-after'] = '5';
  if (problem.retryAfterSeconds !== undefined) headers['retry-after'] = String(problem.retryAfterSeconds);
  return new Response(JSON.stringify(problem), { status: problem.status, headers });
}
