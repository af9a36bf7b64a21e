/**
 * An organisation with residents in a test database, made in SQL, and a launched campaign: what planner and
 * recorder tests begin with.
 */
import type pg from 'pg';
import type { Audience } from '../../src/db/schema.ts';
import type { Contents, Id, Nature } from '../../src/handoff.ts';

/** A resident with any number of mobiles; `optedOut` ones come from `optedOutMobiles`. */
export type TestResident = {
  readonly firstName?: string;
  readonly lastName?: string;
  readonly language?: string;
  readonly mobiles?: readonly string[];
  readonly optedOutMobiles?: readonly string[];
};

/** An organisation; its id. */
export async function addOrganisation(owner: pg.ClientBase, name = 'Town'): Promise<Id> {
  const { rows } = await owner.query<{ id: Id }>('insert into organisations (name) values ($1) returning id', [name]);
  return rows[0]!.id;
}

/** Residents; their ids in order. */
export async function addResidents(
  owner: pg.ClientBase,
  organisation: Id,
  residents: readonly TestResident[],
): Promise<Id[]> {
  const ids: Id[] = [];
  for (const { firstName = '', lastName = '', language = '', mobiles = [], optedOutMobiles = [] } of residents) {
    const { rows } = await owner.query<{ id: Id }>(
      'insert into residents (organisation_id, first_name, last_name, language) values ($1, $2, $3, $4) returning id',
      [organisation, firstName, lastName, language],
    );
    const id = rows[0]!.id;
    ids.push(id);
    await owner.query(
      `insert into contact_points (organisation_id, resident_id, channel, address, opted_out_at)
        select $1::bigint, $2::bigint, 'sms', a, null::timestamptz from unnest($3::text[]) a
        union all select $1, $2, 'sms', a, now() from unnest($4::text[]) a`,
      [organisation, id, mobiles, optedOutMobiles],
    );
  }
  return ids;
}

/** `count` residents with one mobile each, `+33639980000` and on, named Resident0 and on. */
export async function addManyResidents(owner: pg.ClientBase, organisation: Id, count: number): Promise<void> {
  await owner.query(
    `with r as (insert into residents (organisation_id, first_name, language, external_reference)
        select $1, 'Resident' || i, case when i % 4 = 3 then 'en' else 'fr' end, i::text
        from generate_series(0, $2 - 1) i
        returning id, external_reference)
      insert into contact_points (organisation_id, resident_id, channel, address)
        select $1, id, 'sms', '+' || (33639980000 + external_reference::int) from r`,
    [organisation, count],
  );
}

/** What a test campaign says. */
export type TestCampaign = {
  readonly nature?: Nature;
  readonly status?: string;
  readonly audience?: Audience;
  readonly contents?: Contents;
  readonly validitySeconds?: number;
};

/** A campaign as the API leaves it after its launch; its id. */
export async function addCampaign(owner: pg.ClientBase, organisation: Id, campaign: TestCampaign = {}): Promise<Id> {
  const { nature = 'information', status = 'launched', audience = { all: true } } = campaign;
  const { contents = { fr: 'Bonjour' }, validitySeconds = 3600 } = campaign;
  const { rows } = await owner.query<{ id: Id }>(
    `insert into campaigns (organisation_id, name, nature, status, sender, audience, contents, default_language,
        validity_seconds, launched_at, expires_at)
      values ($1, 'Test', $2, $3, 'Town', $4, $5, $6, $7, now(), now() + $7::int * interval '1 second') returning id`,
    [
      organisation,
      nature,
      status,
      JSON.stringify(audience),
      JSON.stringify(contents),
      Object.keys(contents)[0],
      validitySeconds,
    ],
  );
  return rows[0]!.id;
}
