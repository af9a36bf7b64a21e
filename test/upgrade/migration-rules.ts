/**
 * What a migration must not do while an older version sends: hold a lock on a table that has grown for longer than a
 * moment, or take away what the older version still uses. Looks at the text of statements; what it cannot see, the last
 * release finds out that runs against the schema (upgrade.int.test.ts). Pure.
 */

/** Tables that are large in an installation that has worked for a while. */
const grown =
  'residents|contact_points|lists|list_members|campaigns|idempotency_keys|campaign_carriers|campaign_progress|' +
  'recipients|batches|batch_states|submissions|receipts|orphan_receipts|inbound_messages';

/** A statement and why it must not be there. */
export type Objection = { readonly statement: string; readonly because: string };

type Rule = {
  readonly because: string;
  readonly objects: (statement: string, made: ReadonlySet<string>) => boolean;
};

const name = String.raw`(?:only\s+)?(?:"?public"?\.)?"?([a-z_]+)"?`;
const altered = new RegExp(String.raw`^alter table (?:if exists )?${name}`, 'i');
const on = new RegExp(String.raw`^create (?:unique )?index (?:concurrently )?.*? on ${name}`, 'is');
const grownOnly = new RegExp(`^(?:${grown})$`);

/** The table that a pattern finds, where it is one that has grown and was not made by this migration. */
function table(pattern: RegExp, statement: string, made: ReadonlySet<string>): string | undefined {
  const found = pattern.exec(statement)?.[1]?.toLowerCase();
  return found !== undefined && grownOnly.test(found) && !made.has(found) ? found : undefined;
}

const alters = (pattern: RegExp, because: string): Rule => ({
  because,
  objects: (statement, made) => table(altered, statement, made) !== undefined && pattern.test(statement),
});

const rules: readonly Rule[] = [
  {
    because: 'an index is built under a lock that writers wait for; build it CONCURRENTLY, and not in a migration',
    objects: (statement, made) => table(on, statement, made) !== undefined,
  },
  {
    because: 'a column that is NOT NULL and has no default: the older version’s INSERTs do not fill it',
    objects: (statement, made) =>
      !made.has(altered.exec(statement)?.[1]?.toLowerCase() ?? '') &&
      /^alter table .*\badd column (?=.*\bnot null\b)(?!.*\bdefault\b)/is.test(statement),
  },
  alters(
    /\badd column .*\bdefault\b(?!\s+(?:now\(\)|current_timestamp|'[^']*'(?:::[\w ]+)?|-?[\d.]+|true|false|null))/is,
    'a default that is computed for each row: the whole table is written anew under a lock',
  ),
  alters(/\badd column .*\b(?:generated|(?:big|small)?serial)\b/is, 'a generated column: the table is written anew'),
  alters(/\bset data type\b|\balter column \S+ type\b/is, 'another type: the table is written anew under a lock'),
  alters(/\bset not null\b/is, 'SET NOT NULL: the table is read under a lock, and the older version may write nulls'),
  alters(
    /\badd constraint .*\b(?:check|foreign key)\b(?!.*\bnot valid\b)/is,
    'a constraint that is checked under a lock: add it NOT VALID, and validate it in a later migration',
  ),
  alters(
    /\badd (?:constraint \S+ )?(?:primary key|unique|exclude)\b(?!.*\busing index\b)/is,
    'a key whose index is built under a lock: build the index first and add it USING INDEX',
  ),
  {
    because: 'what the older version still uses is taken away; do so in the version after, with "-- contract: …" above',
    objects: (statement) =>
      [
        /^drop (?:table|function|view|type|sequence|policy|index)\b/i,
        /^alter table .*\b(?:drop column|drop constraint|rename)\b/is,
        /^revoke\b(?!.* from public$)/is,
      ].some((pattern) => pattern.test(statement)),
  },
  {
    because: 'the whole table is locked or written anew',
    objects: (statement) => /^(?:truncate|vacuum|cluster|reindex|lock)\b/is.test(statement),
  },
  {
    because: 'rows of a table that has grown are all written in one transaction; do it bit by bit from the program',
    objects: (statement, made) =>
      table(new RegExp(String.raw`^(?:update|delete from) ${name}`, 'i'), statement, made) !== undefined,
  },
];

/** Why a migration must not be applied while the last release works; none when it may. */
export function objectionsTo(migration: string): Objection[] {
  const made = new Set<string>();
  const objections: Objection[] = [];
  for (const part of migration.split('--> statement-breakpoint')) {
    const isContract = /^\s*-- contract: \S/m.test(part);
    const statement = part
      .replaceAll(/^\s*--.*$/gm, '')
      .trim()
      .replace(/;$/, '');
    const created = new RegExp(String.raw`^create table (?:if not exists )?${name}`, 'i').exec(statement)?.[1];
    if (created !== undefined) made.add(created.toLowerCase());
    if (isContract) continue;
    for (const { because, objects } of rules) if (objects(statement, made)) objections.push({ statement, because });
  }
  return objections;
}
