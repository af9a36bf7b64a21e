/** Migrations since the last release: what they may not do while it works, and how they are counted. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { objectionsTo } from './migration-rules.ts';
import { lastRelease, readJournal } from './release.ts';

const { entries } = readJournal();
const since = entries.slice(1 + entries.findIndex(({ tag }) => tag === lastRelease().lastMigration));

test('migrations - those since the last release hold nobody up and take nothing away', () => {
  const objections = since.flatMap(({ tag }) =>
    objectionsTo(readFileSync(`src/db/migrations/${tag}.sql`, 'utf8')).map((objection) => ({ tag, ...objection })),
  );
  expect(objections).toEqual([]);
});

test('migrations - come in the order in which they were made: one that is older than its forerunner never runs', () => {
  for (const [at, { idx, when, tag }] of entries.entries()) {
    expect(idx, tag).toBe(at);
    if (at > 0) expect(when, tag).toBeGreaterThan(entries[at - 1]!.when);
  }
});

test.for([
  'CREATE INDEX "submissions_batch" ON "submissions" USING btree ("batch");',
  'CREATE UNIQUE INDEX x ON ONLY public.receipts (ordinal)',
  'ALTER TABLE "campaigns" ADD COLUMN "kind" text NOT NULL;',
  'ALTER TABLE "batches" ADD COLUMN "mark" bigint DEFAULT nextval(\'id_seq\');',
  'ALTER TABLE "batches" ADD COLUMN "mark" uuid DEFAULT gen_random_uuid() NOT NULL;',
  'ALTER TABLE "batches" ADD COLUMN "n" bigserial;',
  'ALTER TABLE "batches" ALTER COLUMN "number" SET DATA TYPE bigint;',
  'ALTER TABLE "residents" ALTER COLUMN "street" SET NOT NULL;',
  'ALTER TABLE "residents" ADD CONSTRAINT "short" CHECK (length(city) < 100);',
  'ALTER TABLE "lists" ADD CONSTRAINT "l" UNIQUE ("name");',
  'ALTER TABLE "contact_points" ADD PRIMARY KEY ("address");',
  'ALTER TABLE "campaigns" DROP COLUMN "sender";',
  'ALTER TABLE "campaigns" RENAME COLUMN "sender" TO "source";',
  'DROP TABLE "outbox";',
  'DROP FUNCTION tocsin_authenticate(bytea);',
  'REVOKE SELECT ON campaigns FROM tocsin_api;',
  'TRUNCATE "recipients";',
  'LOCK TABLE batches;',
  'UPDATE "campaigns" SET "name" = \'\';',
  'DELETE FROM receipts',
])('migrations - is objected to: %s', (statement) => {
  expect(objectionsTo(`CREATE TABLE "x" ();--> statement-breakpoint\n-- Why.\n${statement}`)).toHaveLength(1);
});

test.for([
  'CREATE TABLE "reports" ("id" bigint NOT NULL);--> statement-breakpoint\nCREATE INDEX "r" ON "reports" ("id");',
  'ALTER TABLE "campaigns" ADD COLUMN "ended_by" text;',
  'ALTER TABLE "batches" ADD COLUMN "restores" smallint DEFAULT 0 NOT NULL;',
  'ALTER TABLE "batches" ADD COLUMN "at" timestamp with time zone DEFAULT now() NOT NULL;',
  'ALTER TABLE "residents" ADD CONSTRAINT "short" CHECK (length(city) < 100) NOT VALID;',
  'ALTER TABLE "lists" ADD CONSTRAINT "l" UNIQUE USING INDEX "lists_name_once";',
  'ALTER TABLE "residents" VALIDATE CONSTRAINT "short";',
  'REVOKE EXECUTE ON FUNCTION f() FROM PUBLIC;',
  '-- contract: not used since 0.2.0\nALTER TABLE "campaigns" DROP COLUMN "sender";',
])('migrations - may be: %s', (migration) => {
  expect(objectionsTo(migration)).toEqual([]);
});
