/**
 * Reads a request's body within its limit and as UTF-8, before anything looks at it. API process. Holds the
 * whole body in memory, so it is for JSON only; files are read as streams.
 */
import { isUtf8 } from 'node:buffer';
import type { Context, MiddlewareHandler } from 'hono';
import { invalid, ProblemFault, unknownField } from './problems.ts';

const json = /^application\/json\s*(?:;|$)/iu;

/** Middleware of routes with a JSON body: refuses other media types, too many bytes and bytes that are not UTF-8. */
export function boundedJson(bytesMax: number): MiddlewareHandler {
  return async (c, next) => {
    if (!json.test(c.req.header('content-type') ?? '')) {
      throw new ProblemFault('media-type', 'Send the body as application/json.');
    }
    const bytes = await readBody(c, bytesMax);
    // UTF-16 of plain letters is UTF-8 with NULs, which JSON never has.
    if (!isUtf8(bytes) || bytes.includes(0)) throw new ProblemFault('encoding', 'Send the body as UTF-8.');
    // A byte order mark is no part of JSON (RFC 8259 §8.1), but some programs write one.
    const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
    c.req.bodyCache.text = Promise.resolve(bytes.toString('utf8', start)) as never;
    await next();
  };
}

/**
 * Middleware of routes that take no fields: they need no body, and refuse one with anything in it, because what a
 * caller hopes for must not be passed over in silence. `json` reads the body.
 */
export function withoutFields(json: MiddlewareHandler): MiddlewareHandler {
  return async (c, next) => {
    if (!hasBody(c)) return await next();
    return await json(c, async () => {
      const body: unknown = await c.req.json().catch(async () => {
        throw await jsonFault(c);
      });
      const isObject = typeof body === 'object' && body !== null && !Array.isArray(body);
      if (!isObject) throw invalid([{ field: '', message: 'the body must be an object' }]);
      const fields = Object.keys(body);
      if (fields.length > 0) throw invalid(fields.map(unknownField));
      await next();
    });
  };
}

/** A request has a body exactly where one of these headers says so (RFC 9112 §6.3). */
function hasBody(c: Context): boolean {
  return Number(c.req.header('content-length') ?? 0) > 0 || c.req.header('transfer-encoding') !== undefined;
}

/** Refuses a body that says of itself that it is longer than `bytesMax`. */
export function refuseLonger(c: Context, bytesMax: number): void {
  if (Number(c.req.header('content-length') ?? 0) > bytesMax) throw tooLarge(bytesMax);
}

function tooLarge(bytesMax: number): ProblemFault {
  return new ProblemFault('too-large', `A body has at most ${bytesMax} bytes here.`);
}

async function readBody(c: Context, bytesMax: number): Promise<Buffer> {
  refuseLonger(c, bytesMax);
  // Node's parser holds a client to the length that it said.
  if (c.req.header('content-length') !== undefined) return Buffer.from(await c.req.raw.arrayBuffer());
  const chunks: Uint8Array[] = [];
  for await (const chunk of bodyChunks(c, bytesMax)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A body as it comes, at most `bytesMax` of it. A client that goes away is told from what fails here. */
export async function* bodyChunks(c: Context, bytesMax: number): AsyncGenerator<Uint8Array, void, void> {
  const body: ReadableStream<Uint8Array> | null = c.req.raw.body;
  const reader = body?.getReader();
  if (reader === undefined) return;
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw new ProblemFault('broken-off', 'The connection was lost before the body was complete.', { cause });
      });
      if (done) return;
      length += value.byteLength;
      if (length > bytesMax) throw tooLarge(bytesMax);
      yield value;
    }
  } finally {
    reader.releaseLock();
  }
}

/** What is wrong with a body that hono could not parse, by the JSON parser's own words. */
export async function jsonFault(c: Context): Promise<ProblemFault> {
  const text = await c.req.text();
  try {
    JSON.parse(text);
  } catch (cause) {
    // Its words may quote the body, which only the caller sees.
    return new ProblemFault('malformed-json', cause instanceof Error ? cause.message : '', { cause });
  }
  return new ProblemFault('malformed-json', 'The body is not JSON.');
}
