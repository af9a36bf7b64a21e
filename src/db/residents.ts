/** Residents and their contact points, one at a time. API process; scope: an organisation. */
import type { Id } from '../handoff.ts';
import { me, only, type Run, type Statement } from './scope.ts';

/** How a resident is reached at an address. */
export type Channel = 'sms' | 'voice';

/** One address of a resident. */
export type Contact = { readonly channel: Channel; readonly address: string; readonly optedOut: boolean };

/** A contact as a caller gives it; without `optedOut` a known address keeps what it had. */
export type ContactInput = Omit<Contact, 'optedOut'> & { readonly optedOut: boolean | undefined };

/** What is said of a person. */
export type ResidentFields = {
  readonly externalReference: string | null;
  readonly firstName: string;
  readonly lastName: string;
  readonly language: string;
  readonly street: string;
  readonly postcode: string;
  readonly city: string;
};

/** A resident with all contacts. */
export type ResidentRow = ResidentFields & {
  readonly id: Id;
  readonly contacts: readonly Contact[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
};

/** Name of the constraint that a doubled external reference violates. */
export const referenceConstraint = 'residents_reference';

const contactsOf = (from: string) => `coalesce((select json_agg(json_build_object('channel', c.channel,
    'address', c.address, 'optedOut', c.opted_out_at is not null) order by c.channel, c.address) from ${from}), '[]')`;
const columns = (contactsFrom: string) => `r.id, r.external_reference as "externalReference",
  r.first_name as "firstName", r.last_name as "lastName", r.language, r.street, r.postcode, r.city,
  r.created_at as "createdAt", r.updated_at as "updatedAt", ${contactsOf(contactsFrom)} as contacts`;
const stored = columns('contact_points c where c.resident_id = r.id');

const contactInput = (first: number) =>
  `unnest($${first}::text[], $${first + 1}::text[], $${first + 2}::boolean[]) as i (channel, address, opted_out)`;
const contactValues = (contacts: readonly ContactInput[]) => [
  contacts.map((contact) => contact.channel),
  contacts.map((contact) => contact.address),
  contacts.map((contact) => contact.optedOut ?? null),
];

const insertResident: Statement = {
  name: 'resident_insert',
  text: `with r as (insert into residents
      (organisation_id, external_reference, first_name, last_name, language, street, postcode, city)
      values (${me}, $1, $2, $3, $4, $5, $6, $7) returning *),
    c as (insert into contact_points (organisation_id, resident_id, channel, address, opted_out_at)
      select ${me}, r.id, i.channel, i.address, case when i.opted_out then now() end from r, ${contactInput(8)}
      returning channel, address, opted_out_at)
    select ${columns('c')} from r`,
};

/** Creates a resident. Rejects with a unique violation of `referenceConstraint`. */
export async function createResident(
  run: Run,
  fields: ResidentFields,
  contacts: readonly ContactInput[],
): Promise<ResidentRow> {
  const { externalReference, firstName, lastName, language, street, postcode, city } = fields;
  const values = [externalReference, firstName, lastName, language, street, postcode, city];
  return only(await run<ResidentRow>(insertResident, [...values, ...contactValues(contacts)]));
}

const selectResident: Statement = {
  name: 'resident_read',
  text: `select ${stored} from residents r where r.id = $1`,
};

/** One resident, or undefined. */
export async function readResident(run: Run, id: Id): Promise<ResidentRow | undefined> {
  const [row] = await run<ResidentRow>(selectResident, [id]);
  return row;
}

const selectResidents: Statement = {
  name: 'residents_page',
  text: `select ${stored} from residents r where r.id > $1 order by r.id limit $2`,
};
const selectByReference: Statement = {
  name: 'residents_by_reference',
  text: `select ${stored} from residents r where r.external_reference = $1 and r.id > $2 limit $3`,
};
const selectMembers: Statement = {
  name: 'residents_of_list',
  text: `select ${stored} from list_members m join residents r on r.id = m.resident_id
    where m.list_id = $1 and m.resident_id > $2 order by m.resident_id limit $3`,
};

/** At most `limit` residents behind the id `after`, by id: all, or those of a list, or the one with a reference. */
export function pageResidents(
  run: Run,
  after: Id,
  limit: number,
  filter: { readonly list?: Id | undefined; readonly externalReference?: string | undefined } = {},
): Promise<ResidentRow[]> {
  if (filter.list !== undefined) return run(selectMembers, [filter.list, after, limit]);
  if (filter.externalReference !== undefined) {
    return run(selectByReference, [filter.externalReference, after, limit]);
  }
  return run(selectResidents, [after, limit]);
}

const updateResidentFields: Statement = {
  name: 'resident_update',
  text: `update residents set external_reference = case when $2 then $3 else external_reference end,
    first_name = coalesce($4, first_name), last_name = coalesce($5, last_name), language = coalesce($6, language),
    street = coalesce($7, street), postcode = coalesce($8, postcode), city = coalesce($9, city), updated_at = now()
    where id = $1 returning id`,
};
const replaceContacts: Statement = {
  name: 'resident_contacts_replace',
  text: `with i as (select * from ${contactInput(2)}),
    gone as (delete from contact_points c where c.resident_id = $1
      and not exists (select from i where i.channel = c.channel and i.address = c.address)),
    kept as (update contact_points c set opted_out_at = case
        when i.opted_out is null then c.opted_out_at when i.opted_out then coalesce(c.opted_out_at, now()) end
      from i where c.resident_id = $1 and i.channel = c.channel and i.address = c.address)
    insert into contact_points (organisation_id, resident_id, channel, address, opted_out_at)
      select ${me}, $1, i.channel, i.address, case when i.opted_out then now() end from i on conflict do nothing`,
};

/**
 * Changes what is given of a resident; `contacts` become exactly those. Undefined when there is none. To be
 * run in a transaction. Rejects with a unique violation of `referenceConstraint`.
 */
export async function updateResident(
  run: Run,
  id: Id,
  fields: { readonly [Name in keyof ResidentFields]?: ResidentFields[Name] | undefined },
  contacts: readonly ContactInput[] | undefined,
): Promise<ResidentRow | undefined> {
  const { externalReference, firstName, lastName, language, street, postcode, city } = fields;
  const given = externalReference !== undefined;
  const values = [id, given, externalReference ?? null, firstName, lastName, language, street, postcode, city];
  const rows = await run(updateResidentFields, values);
  if (rows.length === 0) return undefined;
  if (contacts !== undefined) await run(replaceContacts, [id, ...contactValues(contacts)]);
  return await readResident(run, id);
}

const deleteStatement: Statement = {
  name: 'resident_delete',
  text: 'delete from residents where id = $1 returning id',
};

/** Deletes a resident with all contacts and memberships; false when there is none. Frozen recipients stay. */
export async function deleteResident(run: Run, id: Id): Promise<boolean> {
  const rows = await run(deleteStatement, [id]);
  return rows.length > 0;
}
