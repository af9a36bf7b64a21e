/**
 * Whom a campaign reaches, as SQL: the audience's residents, one contact point per address, its carrier by
 * longest prefix, its language. Runs in planner (freeze) and API (preview), which therefore agree. Only
 * builds and runs SELECTs.
 */
import type { Id, recipientFields } from '../handoff.ts';
import type { Audience, Unreachable } from './schema.ts';

/** What runs the queries: a connection, or somebody's scope. */
export type AudienceReader = {
  query<Row extends object>(text: string, values: unknown[]): Promise<{ rows: Row[] }>;
};

/** A field of a recipient that a text may use. */
export type RecipientField = (typeof recipientFields)[number];

/** Which carrier serves numbers that start with `prefix` (digits of E.164); each prefix once. */
export type Route = { readonly prefix: string; readonly carrier: string };

/** Everything that decides who is reached, how and in which language. */
export type Reach = {
  readonly organisation: Id;
  readonly audience: Audience;
  /** Languages of the campaign's contents, the default first. */
  readonly languages: readonly string[];
  /** Fields that its texts use, in the order in which they are packed. */
  readonly fields: readonly RecipientField[];
  readonly routes: readonly Route[];
};

/** Recipients of one carrier and language. */
export type AudienceGroup = { readonly carrier: string; readonly language: string; readonly recipients: number };

/** What a launch now would reach. */
export type AudienceSummary = {
  readonly recipients: number;
  readonly duplicates: number;
  readonly unreachable: Unreachable;
  /** In the order of planning: by carrier, then by language. */
  readonly groups: readonly AudienceGroup[];
};

const fieldColumns: Readonly<Record<RecipientField, string>> = {
  firstName: 'first_name',
  lastName: 'last_name',
  street: 'street',
  postcode: 'postcode',
  city: 'city',
};

/** Names of a reach's carriers, sorted: the SQL deals in their indexes. */
export function carriersOf(reach: Reach): string[] {
  return [...new Set(reach.routes.map((route) => route.carrier))].sort();
}

/**
 * SQL and parameters of the CTE `reached (carrier, language, resident_id, address, fields)`: one row per
 * address without its plus; carrier and language are indexes into `carriersOf` and `languages`, carrier is
 * null where no route serves the address. Parameters start at $1.
 */
export function reachedSql(reach: Reach): { readonly text: string; readonly values: unknown[] } {
  const values: unknown[] = [reach.organisation];
  const parameter = (value: unknown) => `$${values.push(value)}`;
  const byList =
    'lists' in reach.audience
      ? `and exists (select from list_members m where m.organisation_id = c.organisation_id
           and m.resident_id = c.resident_id and m.list_id = any(${parameter(reach.audience.lists)}::bigint[]))`
      : '';
  const language = reach.languages.length > 1 ? languageSql(parameter(reach.languages)) : '0';
  const fields = fieldsSql(reach.fields);
  const residents =
    language === '0' && fields === "''" ? '' : 'join residents r on r.organisation_id = $1 and r.id = p.resident_id';
  const route = routeSql(reach, parameter);
  const text = `points as (
      select distinct on (c.address) c.resident_id, substr(c.address, 2) as address from contact_points c
      where c.organisation_id = $1 and c.channel = 'sms' and c.opted_out_at is null ${byList}
      order by c.address, c.resident_id),
    reached as (
      select ${route.carrier}::smallint as carrier, ${language}::smallint as language, p.resident_id, p.address,
        ${fields} as fields
      from points p ${route.joins} ${residents})`;
  return { text, values };
}

/** The resident's language where the campaign speaks it, else the default, which is the first. */
function languageSql(languages: string): string {
  return `coalesce(array_position(${languages}::text[], r.language) - 1, 0)`;
}

/** The two separators of packed recipients become spaces in a field; other characters are the text's business. */
function fieldsSql(fields: readonly RecipientField[]): string {
  if (fields.length === 0) return "''";
  const clean = (column: string) => `translate(r.${column}, chr(30) || chr(31), '  ')`;
  return fields.map((field) => clean(fieldColumns[field])).join(' || chr(31) || ');
}

/** One left join for each length of prefix; the longest that matches wins. */
function routeSql(reach: Reach, parameter: (value: unknown) => string): { joins: string; carrier: string } {
  const carriers = carriersOf(reach);
  const lengths = [...new Set(reach.routes.map((route) => route.prefix.length))].sort((a, b) => b - a);
  const joins: string[] = [];
  const candidates: string[] = [];
  for (const length of lengths) {
    const routes = reach.routes.filter((route) => route.prefix.length === length);
    const indexes = routes.map((route) => carriers.indexOf(route.carrier));
    if (length === 0) {
      candidates.push(`${parameter(indexes[0])}::smallint`);
      continue;
    }
    const prefixes = parameter(routes.map((route) => route.prefix));
    joins.push(`left join unnest(${prefixes}::text[], ${parameter(indexes)}::smallint[]) as r${length} (prefix, carrier)
      on r${length}.prefix = left(p.address, ${length})`);
    candidates.push(`r${length}.carrier`);
  }
  return { joins: joins.join('\n'), carrier: candidates.length === 0 ? 'null' : `coalesce(${candidates.join(', ')})` };
}

type Counts = { residents: string; with_points: string; with_active: string; active_points: string | null };

/** Residents of an audience without a mobile, with opted-out ones only, and contact points that may be used. */
export type AudienceCounts = {
  readonly noMobile: number;
  readonly optedOut: number;
  readonly activePoints: number;
};

/** How many of the audience cannot be reached for want of a mobile or of consent, and points that can be. */
export async function countAudience(client: AudienceReader, reach: Reach): Promise<AudienceCounts> {
  const values: unknown[] = [reach.organisation];
  const onList = (resident: string) => {
    if (!('lists' in reach.audience)) return '';
    values[1] = reach.audience.lists;
    return `and exists (select from list_members m where m.organisation_id = $1
      and m.resident_id = ${resident} and m.list_id = any($2::bigint[]))`;
  };
  const { rows } = await client.query<Counts>(
    `select t.residents, s.* from
      (select count(*) as residents from residents r where r.organisation_id = $1 ${onList('r.id')}) t,
      (select count(*) as with_points, count(*) filter (where active > 0) as with_active, sum(active) as active_points
        from (select count(*) filter (where c.opted_out_at is null) as active from contact_points c
          where c.organisation_id = $1 and c.channel = 'sms' ${onList('c.resident_id')} group by c.resident_id) p) s`,
    values,
  );
  const [counts] = rows;
  const of = (name: keyof Counts) => Number(counts?.[name] ?? 0);
  return {
    noMobile: of('residents') - of('with_points'),
    optedOut: of('with_points') - of('with_active'),
    activePoints: of('active_points'),
  };
}

/** Row of a group as SQL gives it; `carrier` is null for addresses that no route serves. */
export type GroupRow = { carrier: number | null; language: number; recipients: number };

/** Groups with names in place of indexes, and how many addresses no carrier serves. */
export function nameGroups(reach: Reach, rows: readonly GroupRow[]): { groups: AudienceGroup[]; noCarrier: number } {
  const carriers = carriersOf(reach);
  const groups: AudienceGroup[] = [];
  let noCarrier = 0;
  for (const row of rows) {
    const carrier = row.carrier === null ? undefined : carriers[row.carrier];
    if (carrier === undefined) noCarrier += row.recipients;
    else groups.push({ carrier, language: reach.languages[row.language] ?? '', recipients: row.recipients });
  }
  return { groups, noCarrier };
}

/**
 * Counts of what a launch now would reach, with the planner's own SQL. Works in a tenant's session as well:
 * row-level security then hides everybody else.
 */
export async function audienceSummary(client: AudienceReader, reach: Reach): Promise<AudienceSummary> {
  const reached = reachedSql({ ...reach, fields: [] });
  const { rows } = await client.query<GroupRow>(
    `with ${reached.text} select carrier, language, count(*)::int as recipients from reached
      group by carrier, language order by carrier, language`,
    reached.values,
  );
  return summarise(reach, rows, await countAudience(client, reach));
}

/** Puts counts and groups together. */
export function summarise(reach: Reach, rows: readonly GroupRow[], counts: AudienceCounts): AudienceSummary {
  const { groups, noCarrier } = nameGroups(reach, rows);
  const recipients = groups.reduce((sum, group) => sum + group.recipients, 0);
  const { noMobile, optedOut, activePoints } = counts;
  return {
    recipients,
    duplicates: activePoints - recipients - noCarrier,
    unreachable: { noMobile, optedOut, noCarrier },
    groups,
  };
}
