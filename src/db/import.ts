/**
 * Writes imported residents, a chunk in one statement. API process; scope: an organisation. Residents are found
 * again by their external reference; those without one are always new. What is as it should be is not written.
 */
import { DatabaseError } from 'pg';
import { Fault } from '../fault.ts';
import type { Id } from '../handoff.ts';
import type { Channel, ResidentFields } from './residents.ts';
import { me, only, type Run, type Statement } from './scope.ts';

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

/** Rows that are new, and rows that were there. */
export type ImportCounts = { readonly created: number; readonly updated: number };

/** How long an import waits for another one of its organisation. */
const turnMs = 30_000;
/** SQLSTATE lock_not_available: `lock_timeout` has passed. */
const lockTimeout = '55P03';
/** SQLSTATEs unique_violation and foreign_key_violation: somebody else wrote or deleted at the same moment. */
const raced = ['23505', '23503'];
/** Each attempt but the first follows a commit of somebody else to one of the chunk's rows. */
const attemptsMax = 20;

const lockTurn: Statement = { name: 'import_turn', text: `select pg_advisory_xact_lock(${me})` };
const lockList: Statement = { name: 'import_list', text: 'select from lists where id = $1 for key share' };

/** Keeps a list from being deleted until the transaction ends; false when there is none. */
export async function holdList(run: Run, list: Id): Promise<boolean> {
  const rows = await run(lockList, [list]);
  return rows.length > 0;
}

/**
 * Waits for other imports of the organisation to end, before the first chunk: two that name the same residents in
 * another order would lock each other. False when that takes long; the transaction is of no use then.
 */
export async function takeTurn(run: Run): Promise<boolean> {
  try {
    await run({ text: `set local lock_timeout = ${turnMs}` });
    await run(lockTurn);
    await run({ text: 'set local lock_timeout = 0' });
    return true;
  } catch (error) {
    if (error instanceof DatabaseError && error.code === lockTimeout) return false;
    throw error;
  }
}

/** Between the values of a column: one text is sent and split in less time than an array. */
const separator = '\x1f';
const column = (parameter: number) => `unnest(string_to_array($${parameter}, chr(31)))`;
const fields = ['first_name', 'last_name', 'language', 'street', 'postcode', 'city'] as const;
const fieldList = fields.join(', ');
/** Of each field, whether the file has it. */
const given = (index: number) => `$${index + 10}::boolean`;
const differs = fields.map((field, index) => `(${given(index)} and r.${field} <> i.${field})`).join(' or ');
const newer = fields.map((field, index) => `${field} = case when ${given(index)} then i.${field} else r.${field} end`);
/** The contacts of a line are separated by blanks; each is the first letter of the channel and the address. */
const contactsOf = (row: string) => `unnest(string_to_array(${row}.contacts, ' '))`;
const contact = "case left(c, 1) when 's' then 'sms' else 'voice' end as channel, substr(c, 2) as address";

/** Nothing that PostgreSQL reads as `is null`: that would invite the index of who can be reached, resident last. */
const reachable = "coalesce(p.opted_out_at, 'infinity') = 'infinity'";

/**
 * Without a name, so that each chunk is planned for tables that have grown since the one before. `offset 0` makes
 * PostgreSQL look rows up one by one: statistics lag behind an import, and a join that seems cheap by them would read
 * all of an organisation for each chunk. There is no `on conflict`, which costs half as much again: a row that somebody
 * else writes at the same moment fails the statement. A text of one empty value is split into none, hence `coalesce`.
 * Residents are `held` before any of their contact points, in the order of everybody else who writes both. One that
 * somebody else has changed or deleted since the statement began is not, and the chunk is to be looked at again.
 */
const importChunk: Statement = {
  text: `with org as materialized (
      select ${me} as id, floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 22 as first_id),
    input as materialized (
      select i.reference, ${fields.map((field) => `coalesce(i.${field}, '') as ${field}`).join(', ')}, i.contacts,
        r.id as known, r.version, coalesce(r.id, (select first_id from org) | nextval('id_seq')) as id,
        r.id is not null and (${differs}) as differs
      from rows from (unnest(string_to_array($1, chr(31), '')), ${[2, 3, 4, 5, 6, 7, 8].map(column).join(', ')})
        as i (reference, ${fieldList}, contacts)
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

/**
 * Creates or updates `residents`, no two with the same reference, and puts them on `list` (which must be the
 * organisation's own) where one is given. In a transaction, after `takeTurn`.
 */
export async function importResidents(
  run: Run,
  residents: readonly ImportedResident[],
  columns: ImportColumns,
  list: Id | undefined,
): Promise<ImportCounts> {
  const values = chunkValues(residents, columns, list);
  for (let attempt = 1; ; attempt += 1) {
    await run({ text: 'savepoint chunk' });
    const written = await writeChunk(run, values);
    if (written.kind === 'written') {
      await run({ text: 'release savepoint chunk' });
      return written.counts;
    }
    if (attempt === attemptsMax) throw written.because;
    await run({ text: 'rollback to savepoint chunk' });
  }
}

type Written =
  | { readonly kind: 'written'; readonly counts: ImportCounts }
  | { readonly kind: 'raced'; readonly because: Error };

async function writeChunk(run: Run, values: readonly unknown[]): Promise<Written> {
  try {
    const { isWhole, ...counts } = only(await run<ImportCounts & { isWhole: boolean }>(importChunk, values));
    if (isWhole) return { kind: 'written', counts };
    return { kind: 'raced', because: new Fault('postgres', 'others keep changing the residents of the import') };
  } catch (error) {
    if (error instanceof DatabaseError && raced.includes(error.code ?? '')) return { kind: 'raced', because: error };
    throw error;
  }
}

function chunkValues(residents: readonly ImportedResident[], columns: ImportColumns, list: Id | undefined): unknown[] {
  const text = (value: (resident: ImportedResident) => string) => residents.map(value).join(separator);
  return [
    text((resident) => resident.externalReference ?? ''),
    text((resident) => resident.firstName),
    text((resident) => resident.lastName),
    text((resident) => resident.language),
    text((resident) => resident.street),
    text((resident) => resident.postcode),
    text((resident) => resident.city),
    text(({ contacts }) => contacts.map(({ channel, address }) => `${channel[0]}${address}`).join(' ')),
    list,
    columns.firstName,
    columns.lastName,
    columns.language,
    columns.street,
    columns.postcode,
    columns.city,
    columns.contacts,
  ];
}
