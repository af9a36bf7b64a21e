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

/** Which carrier (an account, not a shard) serves numbers that start with `prefix` (digits of E.164); each once. */
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
 * null where no route serves the address. Parameters start at $1, the organisation; `lists` is that of the
 * audience's lists, if it has any.
 */
export function reachedSql(reach: Reach): {
  readonly text: string;
  readonly values: unknown[];
  readonly lists: string | undefined;
} {
  const values: unknown[] = [reach.organisation];
  const parameter = (value: unknown) => `$${values.push(value)}`;
  const lists = 'lists' in reach.audience ? parameter(reach.audience.lists) : undefined;
  const byList =
    lists === undefined
      ? ''
      : `and exists (select from list_members m where m.organisation_id = c.organisation_id
           and m.resident_id = c.resident_id and m.list_id = any(${lists}::bigint[]))`;
  const points = `select distinct on (c.address) c.resident_id, substr(c.address, 2) as address from contact_points c
      where c.organisation_id = $1 and c.channel = 'sms' and c.opted_out_at is null ${byList}
      order by c.address, c.resident_id`;
  return { text: reachedFrom(points, reach, parameter), values, lists };
}

/** The CTE `reached` from `points (resident_id, address)`, which has each address once, without its plus. */
function reachedFrom(points: string, reach: Reach, parameter: (value: unknown) => string): string {
  const language = reach.languages.length > 1 ? languageSql(parameter(reach.languages)) : '0';
  const fields = fieldsSql(reach.fields);
  const residents =
    language === '0' && fields === "''" ? '' : 'join residents r on r.organisation_id = $1 and r.id = p.resident_id';
  const route = routeSql(reach, parameter);
  return `points as (${points}),
    reached as (
      select ${route.carrier}::smallint as carrier, ${language}::smallint as language, p.resident_id, p.address,
        ${fields} as fields
      from points p ${route.joins} ${residents})`;
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

/** Counts as SQL gives them. */
type CountsRow = { no_mobile: string; opted_out: string; active_points: string };

/** Residents of an audience without a mobile, with opted-out ones only, and contact points that may be used. */
export type AudienceCounts = {
  readonly noMobile: number;
  readonly optedOut: number;
  readonly activePoints: number;
};

/** SELECT of a `CountsRow`. $1 is the organisation, `lists` the parameter of the audience's lists, if it has any. */
function countsSql(lists: string | undefined): string {
  const ofLists = `organisation_id = $1 and list_id = any(${lists}::bigint[])`;
  // Whoever is on a list is a resident: a foreign key says so.
  const residents =
    lists === undefined
      ? 'residents where organisation_id = $1'
      : `(select from list_members where ${ofLists} group by resident_id) r`;
  const onList =
    lists === undefined ? '' : `and exists (select from list_members where ${ofLists} and resident_id = c.resident_id)`;
  return `select t.residents - s.with_points as no_mobile, s.with_points - s.with_active as opted_out, s.active_points
    from
      (select count(*) as residents from ${residents}) t,
      (select count(*) as with_points, count(*) filter (where active > 0) as with_active,
          coalesce(sum(active), 0)::bigint as active_points
        from (select count(*) filter (where c.opted_out_at is null) as active from contact_points c
          where c.organisation_id = $1 and c.channel = 'sms' ${onList} group by c.resident_id) p) s`;
}

function countsOf(row: CountsRow | undefined): AudienceCounts {
  const of = (name: keyof CountsRow) => Number(row?.[name] ?? 0);
  return {
    noMobile: of('no_mobile'),
    optedOut: of('opted_out'),
    activePoints: of('active_points'),
  };
}

/** How many of the audience cannot be reached for want of a mobile or of consent, and points that can be. */
export async function countAudience(
  client: AudienceReader,
  { organisation, audience }: Pick<Reach, 'organisation' | 'audience'>,
): Promise<AudienceCounts> {
  const isByList = 'lists' in audience;
  const values: unknown[] = isByList ? [organisation, audience.lists] : [organisation];
  const { rows } = await client.query<CountsRow>(countsSql(isByList ? '$2' : undefined), values);
  return countsOf(rows[0]);
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

/** What a launch now would reach, and what the texts may say of some of those. */
export type SampledAudience = AudienceSummary & { readonly samples: readonly GroupSample[] };

/** Some recipients of one carrier and language: the reach's fields of each, in their order. */
export type GroupSample = { readonly language: string; readonly readers: readonly (readonly string[])[] };

type SampledRow = CountsRow & { [Column in keyof GroupRow]: GroupRow[Column] | null } & { sample: string | null };

/**
 * Counts of what a launch now would reach, with the planner's own SQL, and the fields of about `sampleOf`
 * recipients, or of all where they are fewer. Works in a tenant's session as well: row-level security then hides
 * everybody else. One statement.
 */
export async function sampleAudience(client: AudienceReader, reach: Reach, sampleOf: number): Promise<SampledAudience> {
  const { text, values } = reachedAndCountsSql(reach);
  const samples = reach.fields.length > 0;
  // Every so many of them, by a hash, which costs less than to number them.
  const sample = samples
    ? `string_agg(fields, chr(30)) filter (where hashint8(resident_id)
        % (select 1 + active_points / $${values.push(sampleOf)}::int from counts) = 0)`
    : 'null::text';
  const { rows } = await client.query<SampledRow>(
    `with ${text},
    groups as (select carrier, language, count(*)::int as recipients, ${sample} as sample from reached
      group by carrier, language)
    select * from counts left join groups on true order by carrier, language`,
    values,
  );
  const groups = rows.filter((row): row is SampledRow & GroupRow => row.recipients !== null);
  return {
    ...summarise(reach, groups, countsOf(rows[0])),
    samples: groups.map(({ language, sample: packed }) => ({
      language: reach.languages[language] ?? '',
      readers: packed === null ? [] : packed.split('\x1e').map((fields) => fields.split('\x1f')),
    })),
  };
}

/**
 * The CTEs `reached`, as in `reachedSql`, and `counts` (a `CountsRow`): whom an audience reaches, and why not others.
 * Lists are read once for both. Of all residents an index gives the addresses in order, so that reading them for each
 * is cheaper.
 */
function reachedAndCountsSql(reach: Reach): { readonly text: string; readonly values: unknown[] } {
  if (!('lists' in reach.audience)) {
    const { text, values } = reachedSql(reach);
    return { text: `${text}, counts as (${countsSql(undefined)})`, values };
  }
  const { lists } = reach.audience;
  const values: unknown[] = [reach.organisation, lists];
  const points = `select distinct on (address) resident_id, substr(address, 2) as address from listed where active
      order by address, resident_id`;
  const reached = reachedFrom(points, reach, (value) => `$${values.push(value)}`);
  // A member of several lists is one resident; of one list the primary key says so.
  const distinct = lists.length > 1 ? 'distinct' : '';
  const text = `listed as materialized (
      select m.resident_id, c.address, c.address is not null and c.opted_out_at is null as active
      from (select ${distinct} resident_id from list_members
          where organisation_id = $1 and list_id = any($2::bigint[])) m
        left join contact_points c
          on c.organisation_id = $1 and c.resident_id = m.resident_id and c.channel = 'sms'),
    ${reached},
    counts as (select no_mobile, active_points, case when active_points = points then 0
          else (select count(*) from (select resident_id from listed where address is not null and not active
            except select resident_id from listed where active) o) end as opted_out
      from (select count(*) filter (where address is null) as no_mobile, count(address) as points,
          count(*) filter (where active) as active_points from listed) c)`;
  return { text, values };
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
