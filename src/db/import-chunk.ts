/**
 * The statements that write a chunk of an import, and their values. API process; scope: an organisation. Runs nothing.
 */
import type { Id } from '../handoff.ts';
import { int4Array, textArray } from './arrays.ts';
import type { Channel, ResidentFields } from './residents.ts';
import { me, type Statement } from './scope.ts';

/** One resident of an import, checked: no text holds a control character. */
export type ImportedResident = ResidentFields & {
  readonly contacts: readonly { readonly channel: Channel; readonly address: string }[];
};

/** Which columns the file has: what it does not have is left as it was in residents that exist. */
export type ImportColumns = {
  readonly firstName: boolean;
  readonly lastName: boolean;
  readonly language: boolean;
  readonly street: boolean;
  readonly postcode: boolean;
  readonly city: boolean;
  /** The file has numbers: a resident's numbers become those of the line; opted-out ones are never dropped. */
  readonly contacts: boolean;
};

/**
 * Gives one row: `created`, `updated`, and `isWhole`, which is false where it has to be undone and repeated. Or none,
 * where it creates `created` residents or fails.
 */
export type ImportStatement = {
  readonly statement: Statement;
  readonly values: readonly unknown[];
  readonly created?: number;
};

const fields = ['first_name', 'last_name', 'language', 'street', 'postcode', 'city'] as const;
const fieldList = fields.join(', ');
/**
 * Columns of lines from parameters, as many as there are names. In a select list PostgreSQL steps through all arrays
 * at once; in FROM it would keep each in a store of its own.
 */
const lines = (first: number, names: readonly string[]) =>
  names.map((name, index) => `unnest($${first + index}::text[]) as ${name}`).join(', ');
/** Of each field, whether the file has it. */
const given = (index: number) => `$${index + 10}::boolean`;
const differs = fields.map((field, index) => `(${given(index)} and r.${field} <> i.${field})`).join(' or ');
const newer = fields.map((field, index) => `${field} = case when ${given(index)} then i.${field} else r.${field} end`);
/** A contact is sent as the first letter of its channel and the address; those of a line are separated by blanks. */
const contactsOf = (row: string) => `unnest(string_to_array(${row}.contacts, ' '))`;
const contact = "case left(c, 1) when 's' then 'sms' else 'voice' end as channel, substr(c, 2) as address";

/** Nothing that PostgreSQL reads as `is null`: that would invite the index of who can be reached, resident last. */
const reachable = "coalesce(p.opted_out_at, 'infinity') = 'infinity'";

/**
 * Without a name, so that each chunk is planned for tables that have grown since the one before. `offset 0` makes
 * PostgreSQL look rows up one by one: statistics lag behind an import, and a join that seems cheap by them would read
 * all of an organisation for each chunk. There is no `on conflict`, which costs half as much again: a row that somebody
 * else writes at the same moment fails the statement. Residents are `held` before any of their contact points, in the
 * order of everybody else who writes both. One that somebody else has changed or deleted since the statement began is
 * not, and the chunk is to be looked at again.
 */
const mergeStatement: Statement = {
  text: `with org as materialized (
      select ${me} as id, floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 22 as first_id),
    input as materialized (
      select i.*, r.id as known, r.version, coalesce(r.id, (select first_id from org) | nextval('id_seq')) as id,
        r.id is not null and (${differs}) as differs
      from (select ${lines(1, ['reference', ...fields, 'contacts'])}) i
      left join lateral (select *, xmin as version from residents r where r.organisation_id = (select id from org)
        and r.external_reference = i.reference offset 0) r on true),
    fresh as (insert into residents (id, organisation_id, external_reference, ${fieldList})
      select id, (select id from org), reference, ${fieldList} from input where known is null),
    lacking as materialized (select i.id, ${contact} from input i cross join lateral ${contactsOf('i')} as c
      where i.known is not null and not exists (select from contact_points p
        where p.organisation_id = (select id from org) and p.resident_id = i.known
          and p.channel = case left(c, 1) when 's' then 'sms' else 'voice' end and p.address = substr(c, 2) offset 0)),
    stale as materialized (select p.* from input i cross join lateral (
        select p.resident_id, p.channel, p.address from contact_points p
        where p.organisation_id = (select id from org) and p.resident_id = i.known and ${reachable} offset 0) p
      where $16 and i.known is not null
        and left(p.channel, 1) || p.address <> all (coalesce(string_to_array(i.contacts, ' '), '{}'))),
    changing as materialized (select * from input where known is not null
      and (differs or known in (select id from lacking) or known in (select resident_id from stale))),
    held as materialized (select count(r.version) = (select count(*) from changing) as is_whole
      from (select known, version from changing order by known) c cross join lateral (
        select r.xmin as version from residents r
        where r.organisation_id = (select id from org) and r.id = c.known for no key update offset 0) r
      where r.version = c.version),
    gone as (delete from contact_points p using stale s where (select is_whole from held)
        and p.organisation_id = (select id from org) and p.resident_id = any (array(select resident_id from stale))
        and p.resident_id = s.resident_id and p.channel = s.channel and p.address = s.address and ${reachable}),
    changed as (update residents r set updated_at = now(), ${newer.join(', ')} from changing i
      where (select is_whole from held) and r.organisation_id = (select id from org)
        and r.id = any (array(select known from changing)) and r.id = i.known),
    added as (insert into contact_points (organisation_id, resident_id, channel, address)
      select (select id from org), i.id, ${contact} from input i cross join lateral ${contactsOf('i')} as c
        where i.known is null
      union all select (select id from org), id, channel, address from lacking),
    members as (insert into list_members (organisation_id, list_id, resident_id)
      select (select id from org), $9::bigint, i.id from input i where $9::bigint is not null and (i.known is null
        or not exists (select from list_members m where m.list_id = $9::bigint and m.resident_id = i.known offset 0)))
    select count(*) filter (where known is null)::int as created, count(known)::int as updated,
      (select is_whole from held) as "isWhole" from input`,
};

/** Writes residents of whom some may be known. */
export function mergingChunk(
  residents: readonly ImportedResident[],
  columns: ImportColumns,
  list: Id | undefined,
): ImportStatement {
  const { firstName, lastName, language, street, postcode, city } = columns;
  const contacts = residents.map((resident) => resident.contacts.map(packed).join(' '));
  const values = [...residentValues(residents), textArray(contacts), list];
  return {
    statement: mergeStatement,
    values: [...values, firstName, lastName, language, street, postcode, city, columns.contacts],
  };
}

/** Contact points from parameters: places of their residents in the chunk, and addresses. */
const pointsOf = (channel: Channel, first: number) =>
  `select (select ${me}), (select ids from ids)[place], '${channel}', address
      from (select unnest($${first}::int[]) as place, unnest($${first + 1}::text[]) as address) c`;

/**
 * Residents are the main part, so that they are written first: the triggers of the others then know that they are there
 * (0012_import_written.sql of src/db/migrations). Looks nothing up, so that one plan is right however tables grow.
 */
const newStatement: Statement = {
  name: 'import_new',
  text: `with ids as materialized (select array_agg(first_id | nextval('id_seq')) as ids
      from (select floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 22 as first_id) f,
        generate_series(1, $1::int)),
    added as (insert into contact_points (organisation_id, resident_id, channel, address)
      ${pointsOf('sms', 9)} union all ${pointsOf('voice', 11)}),
    members as (insert into list_members (organisation_id, list_id, resident_id)
      select (select ${me}), $13::bigint, unnest(ids) from ids where $13::bigint is not null)
    insert into residents (id, organisation_id, external_reference, ${fieldList})
      select id, (select ${me}), reference, ${fieldList}
      from (select unnest((select ids from ids)) as id, ${lines(2, ['reference', ...fields])}) i`,
};

/**
 * Writes residents of whom most likely none is known, which takes half the time; fails with unique_violation where one
 * is.
 */
export function newChunk(residents: readonly ImportedResident[], list: Id | undefined): ImportStatement {
  const points = { sms: { places: [], addresses: [] }, voice: { places: [], addresses: [] } } as NewPoints;
  residents.forEach(({ contacts }, index) => {
    for (const { channel, address } of contacts) {
      points[channel].places.push(index + 1);
      points[channel].addresses.push(address);
    }
  });
  const { sms, voice } = points;
  const ofPoints = [sms, voice].flatMap(({ places, addresses }) => [int4Array(places), textArray(addresses)]);
  const values = [residents.length, ...residentValues(residents), ...ofPoints, list];
  return { statement: newStatement, values, created: residents.length };
}

type NewPoints = Record<Channel, { readonly places: number[]; readonly addresses: string[] }>;

function residentValues(residents: readonly ImportedResident[]): Buffer[] {
  const texts = (value: (resident: ImportedResident) => string | null) => textArray(residents.map(value));
  return [
    texts((resident) => resident.externalReference),
    texts((resident) => resident.firstName),
    texts((resident) => resident.lastName),
    texts((resident) => resident.language),
    texts((resident) => resident.street),
    texts((resident) => resident.postcode),
    texts((resident) => resident.city),
  ];
}

function packed({ channel, address }: ImportedResident['contacts'][number]): string {
  return `${channel === 'sms' ? 's' : 'v'}${address}`;
}
