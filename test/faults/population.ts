/**
 * Residents of a fault scene, made by SQL in bulk. Numbers are of country code 999, which is assigned to nobody
 * (ITU-T E.164 list of country codes): three of five on the prefix 9990, two on 9991.
 */
import type pg from 'pg';

/** Every so-manyth resident speaks English. */
const englishEach = 4;

/** A list of `count` residents with a mobile each; its id. Numbers begin at `firstNumber`. */
export async function addList(
  sql: pg.Pool,
  organisation: string,
  name: string,
  count: number,
  firstNumber: number,
): Promise<string> {
  const client = await sql.connect();
  try {
    const insertList = 'insert into lists (organisation_id, name) values ($1, $2) returning id';
    const { rows } = await client.query<{ id: string }>(insertList, [organisation, name]);
    const list = rows[0]?.id ?? '';
    await client.query(
      `with r as (insert into residents (organisation_id, first_name, language, external_reference)
          select $1, 'Resident' || i, case when i % $4 = $4 - 1 then 'en' else 'fr' end, $5 || '/' || i
          from generate_series(0, $2::int - 1) i returning id, external_reference),
        n as (select id, split_part(external_reference, '/', 2)::int as i from r),
        p as (insert into contact_points (organisation_id, resident_id, channel, address)
          select $1, id, 'sms', '+999' || (case when i % 5 < 3 then 0 else 1 end) || (1000000 + $3::int + i)::text
          from n)
        insert into list_members (organisation_id, list_id, resident_id) select $1, $6, id from n`,
      [organisation, count, firstNumber, englishEach, name, list],
    );
    // What autovacuum would do in its own time.
    await client.query('analyze residents, contact_points, list_members');
    return list;
  } finally {
    client.release();
  }
}

/** Segments of a campaign to `count` residents of a list: English texts have two. */
export function segmentsOf(count: number): number {
  return count + Math.floor(count / englishEach);
}

/** Segments of one message. */
export function segmentsOfLanguage(language: string): number {
  return language === 'en' ? 2 : 1;
}

/** Texts of every campaign: one segment in French, two in English. */
export const contents = {
  fr: 'Bonjour {{firstName}}, exercice de crue.',
  en: `Hello {{firstName}}, this is a flood drill. ${'Please stay away from the banks. '.repeat(4)}`.trim(),
};

/** What a resident of `language` and `firstName` must receive. */
export function textFor(language: string, firstName: string): string {
  return (language === 'en' ? contents.en : contents.fr).replace('{{firstName}}', firstName);
}
