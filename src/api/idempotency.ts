/**
 * `Idempotency-Key`: the same key with the same request gives the same answer, and the work is done once. API
 * process. Only answers of success are kept; a refused request may be sent again under its key.
 */
import { createHash } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { claimKey, keepAnswer } from '../db/idempotency.ts';
import type { Run, Scoped } from '../db/scope.ts';
import { ProblemFault } from './problems.ts';
import { requestOf } from './request.ts';

/** Headers of a request that may carry a key. */
export const idempotencyHeaders = z.object({
  'idempotency-key': z
    .string()
    .min(1)
    .max(255)
    .regex(/^[\x21-\x7e]+$/u, 'must be printable ASCII')
    .optional()
    .openapi({ description: 'A key of your choice: the same request under the same key is done once.' }),
});

/** The key of a request, with the SHA-256 that tells its requests apart. */
export type IdempotentRequest = { readonly key: string; readonly hash: Buffer };

/** The key that a request carries, if any. */
export async function idempotentRequest(c: Context, key: string | undefined): Promise<IdempotentRequest | undefined> {
  if (key === undefined) return undefined;
  const body = c.req.raw.body === null && c.req.bodyCache.text === undefined ? '' : await c.req.text();
  const hash = createHash('sha256').update(`${c.req.method} ${c.req.path}\n${body}`).digest();
  return { key, hash };
}

/**
 * The answer of `work`, done in one transaction, or the one that its key got before, with a header that says so.
 * A fault undoes the work and frees the key. `status` is kept with the answer.
 */
export async function once<Body>(
  c: Context,
  scoped: Scoped,
  request: IdempotentRequest | undefined,
  status: number,
  work: (run: Run) => Promise<Body>,
): Promise<Body> {
  return await scoped.transaction(async (run) => {
    if (request === undefined) return await work(run);
    const claim = await claimKey(run, request.key, request.hash);
    switch (claim.kind) {
      case 'answered':
        requestOf(c).headers['idempotency-replayed'] = 'true';
        return JSON.parse(claim.body) as Body;
      case 'other-request': {
        const field = 'Idempotency-Key';
        throw new ProblemFault('idempotency-key', 'Use a fresh key for another request.', { field });
      }
      case 'claimed': {
        const body = await work(run);
        await keepAnswer(run, request.key, status, JSON.stringify(body));
        return body;
      }
    }
  });
}
