/** Columns that tables share, and how ids are made. Used by the schema only. */
import { sql } from 'drizzle-orm';
import { customType, pgSequence, timestamp } from 'drizzle-orm/pg-core';
import type { Id } from '../handoff.ts';

/** int8 as decimal text: JavaScript numbers cannot hold 63 bits. */
export const int8 = customType<{ data: Id; driverData: string }>({ dataType: () => 'bigint' });
/** Bytes. */
export const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });
/** An instant, as a `Date`. */
export const moment = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });

/** Feeds the low 22 bits of new ids. */
export const idSequence = pgSequence('id_seq', {
  cycle: true,
  minValue: 0,
  maxValue: 4194303,
  startWith: 0,
  cache: 1000,
});

/** A new id: 41 bits of epoch milliseconds, then 22 bits of a cycling sequence. */
export const newId = sql`((floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 22) | nextval('id_seq'))`;
/** A table's own id. */
export const id = () => int8('id').primaryKey().default(newId);
/** Whose row it is: row-level security looks at this column. */
export const organisationId = () => int8('organisation_id').notNull();
/** When the row was made. */
export const createdAt = () => moment('created_at').notNull().defaultNow();
