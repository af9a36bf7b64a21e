/**
 * Writes a chunk of imported residents in one statement. API process; scope: an organisation. Residents are
 * found again by their external reference; those without one are always new.
 */
import type { Id } from '../handoff.ts';
import type { Channel, ResidentFields } from './residents.ts';
import { me, only, type Run, type Statement } from './scope.ts';

/** One resident of an import, checked. */
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

/** Rows written. */
export type ImportCounts = { readonly created: number; readonly updated: number };

const keep = (column: string, parameter: number) =>
  `${column} = case when $${parameter} then excluded.${column} else r.${column} end`;

/** Without a name, so that each chunk is planned for tables that have grown since the one before. */
const importChunk: Statement = {
  text: `with input as materialized (
      select i.*, (floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 22) | nextval('id_seq') as new_id
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
        with ordinality as i (reference, first_name, last_name, language, street, postcode, city, row)),
    saved as (insert into residents as r
      (id, organisation_id, external_reference, first_name, last_name, language, street, postcode, city)
      select new_id, ${me}, reference, first_name, last_name, language, street, postcode, city from input
      on conflict (organisation_id, external_reference) do update set updated_at = now(),
        ${keep('first_name', 12)}, ${keep('last_name', 13)}, ${keep('language', 14)}, ${keep('street', 15)},
        ${keep('postcode', 16)}, ${keep('city', 17)}
      returning r.id, r.external_reference as reference, xmax = 0 as created),
    placed as materialized (
      select input.row, s.id, s.created from input join saved s on s.reference = input.reference
      union all
      select input.row, input.new_id, true from input where input.reference is null),
    contacts as materialized (
      select placed.id, c.channel, c.address
      from unnest($8::bigint[], $9::text[], $10::text[]) as c (row, channel, address) join placed using (row)),
    gone as (delete from contact_points p
      where $18 and p.resident_id = any (array(select id from placed where not created)) and p.opted_out_at is null
        and not exists (select from contacts c
          where c.id = p.resident_id and c.channel = p.channel and c.address = p.address)),
    added as (insert into contact_points (organisation_id, resident_id, channel, address)
      select ${me}, id, channel, address from contacts on conflict do nothing),
    members as (insert into list_members (organisation_id, list_id, resident_id)
      select ${me}, $11::bigint, id from placed where $11::bigint is not null on conflict do nothing)
    select count(*) filter (where created)::int as created, count(*) filter (where not created)::int as updated
    from placed`,
};

/**
 * Creates or updates `residents`, no two with the same reference, and puts them on `list` (which must be the
 * organisation's own) where one is given.
 */
export async function importResidents(
  run: Run,
  residents: readonly ImportedResident[],
  columns: ImportColumns,
  list: Id | undefined,
): Promise<ImportCounts> {
  const contacts = residents.flatMap((resident, index) =>
    resident.contacts.map((contact) => ({ ...contact, row: index + 1 })),
  );
  const values = [
    residents.map((resident) => resident.externalReference),
    residents.map((resident) => resident.firstName),
    residents.map((resident) => resident.lastName),
    residents.map((resident) => resident.language),
    residents.map((resident) => resident.street),
    residents.map((resident) => resident.postcode),
    residents.map((resident) => resident.city),
    contacts.map((contact) => contact.row),
    contacts.map((contact) => contact.channel),
    contacts.map((contact) => contact.address),
    list,
    columns.firstName,
    columns.lastName,
    columns.language,
    columns.street,
    columns.postcode,
    columns.city,
    columns.contacts,
  ];
  return only(await run<{ created: number; updated: number }>(importChunk, values));
}
