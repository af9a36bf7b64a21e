/**
 * Answers already given to an Idempotency-Key. API process; scope: an organisation. A claim belongs to the
 * transaction that does the work: two requests with one key meet at the primary key, the later waits there
 * and then finds the answer of the earlier, or makes its own when the earlier was undone.
 */
import type { Run, Statement } from './scope.ts';
import { me } from './scope.ts';

/** A key is ours to use, or was used: with the same request and its answer, or with another request. */
export type Claim =
  | { readonly kind: 'claimed' }
  | { readonly kind: 'answered'; readonly status: number; readonly body: string }
  | { readonly kind: 'other-request' };

const insertClaim: Statement = {
  name: 'idempotency_claim',
  text: `insert into idempotency_keys (organisation_id, key, request_hash, status, response)
    values (${me}, $1, $2, 0, 'null') on conflict do nothing returning 1 as claimed`,
};
const selectAnswer: Statement = {
  name: 'idempotency_answer',
  text: 'select request_hash = $2 as same, status, response from idempotency_keys where key = $1',
};

/** Claims `key` for the request with this SHA-256, inside the transaction that will do the work. */
export async function claimKey(run: Run, key: string, requestHash: Buffer): Promise<Claim> {
  const claimed = await run(insertClaim, [key, requestHash]);
  if (claimed.length > 0) return { kind: 'claimed' };
  const [answer] = await run<{ same: boolean; status: number; response: string }>(selectAnswer, [key, requestHash]);
  if (answer === undefined || !answer.same) return { kind: 'other-request' };
  return { kind: 'answered', status: answer.status, body: answer.response };
}

const updateAnswer: Statement = {
  name: 'idempotency_keep',
  text: 'update idempotency_keys set status = $2, response = $3 where key = $1',
};

/** Keeps the answer to a claimed key, as text: jsonb would put its members in another order. */
export async function keepAnswer(run: Run, key: string, status: number, body: string): Promise<void> {
  await run(updateAnswer, [key, status, JSON.stringify(body)]);
}
