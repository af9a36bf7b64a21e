/** Shapes that several routes share: ids, texts, pages, times. API process. */
import { z } from '@hono/zod-openapi';
import type { Id } from '../handoff.ts';
import { problemSchema } from './problems.ts';

const idMax = 2n ** 63n - 1n;

/** An id: a 63-bit integer as decimal text. */
export const idSchema = z
  .string()
  // Without `abort` the next check sees what is no number.
  .regex(/^(?:0|[1-9][0-9]{0,18})$/u, { error: 'an id is decimal digits', abort: true })
  .refine((id) => id.length < 19 || BigInt(id) <= idMax, 'an id is at most 63 bits')
  .openapi({ type: 'string', example: '7331468302188544000' });

/** Where a page of the oldest starts. */
export const firstId: Id = '0';
/** Where a page of the newest starts. */
export const lastId: Id = String(idMax);

/** Path parameters of a route with one id. */
export const idParams = z.strictObject({ id: idSchema });

/**
 * One line of text. What PostgreSQL, a packed recipient or a CSV file could not hold is refused: control
 * characters and halves of surrogate pairs.
 */
export const lineSchema = (charactersMax: number) =>
  z
    .string()
    .max(charactersMax)
    .regex(/^[^\p{Control}\p{Surrogate}]*$/u, 'must be text without control characters');

/** A line of text with something in it besides spaces. */
export const nameSchema = (charactersMax: number) =>
  lineSchema(charactersMax).regex(/\S/u, 'must not be empty').openapi({ minLength: 1 });

/** A BCP 47 primary language tag. */
export const languageSchema = z
  .string()
  .regex(/^[a-z]{2,3}$/u, 'a language is two or three small letters')
  .openapi({ example: 'fr' });

/** A moment as RFC 3339 text. */
export const momentSchema = z.string().openapi({ format: 'date-time' });

/** A moment that may not have come yet. */
export const laterSchema = momentSchema.nullable();

/** A moment of the database as text. */
export const moment = (date: Date): string => date.toISOString();
/** A moment of the database as text, or null. */
export const later = (date: Date | null): string | null => date?.toISOString() ?? null;

/** Most entries of a page. */
export const pageLimitMax = 500;

/** Query of a paged list. */
export const pageQuery = {
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(pageLimitMax)
    .default(100)
    .openapi({ description: 'Most entries of this page.' }),
  cursor: idSchema.optional().openapi({ description: 'The `next` of the page before.' }),
};

/** The cursor of a list that is ordered by id. */
export const idOf = (row: { readonly id: Id }): Id => row.id;

/** One page of a list; `next` is the cursor of the page behind it, null on the last. */
export const pageSchema = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), next: z.string().nullable() });

/** A page from rows that were read with one more than `limit`. */
export function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  cursorOf: (row: Row) => string,
  view: (row: Row) => Item,
): { items: Item[]; next: string | null } {
  const last = rows[limit - 1];
  const next = rows.length > limit && last !== undefined ? cursorOf(last) : null;
  return { items: rows.slice(0, limit).map(view), next };
}

/** A JSON body of a request. */
export const jsonBody = <Schema extends z.ZodType>(schema: Schema) => ({
  body: { required: true, content: { 'application/json': { schema } } } as const,
});

/** A JSON response. */
export const jsonResponse = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  description,
  content: { 'application/json': { schema } },
});

/** What every operation may answer instead. */
export const problemResponses = {
  default: { description: 'A problem', content: { 'application/problem+json': { schema: problemSchema } } },
};

/** What routes of organisations need. */
export const tenantSecurity = [{ organisationKey: [] }];
