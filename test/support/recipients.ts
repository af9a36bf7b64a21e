/** Frozen recipients one by one, as tests compare them; the tables keep them packed by batch. */
import type pg from 'pg';
import type { Id } from '../../src/handoff.ts';

/** A recipient as it was frozen; `fields` joined by the unit separator. */
export type FrozenRecipient = {
  readonly ordinal: number;
  readonly resident: Id;
  readonly address: string;
  readonly fields: string;
};

/** The recipients of a campaign in order of their ordinals. */
export async function frozenRecipients(sql: pg.ClientBase | pg.Pool, campaign: Id): Promise<FrozenRecipient[]> {
  const { rows } = await sql.query<FrozenRecipient>(
    `select b.first_ordinal + u.position::int - 1 as ordinal, u.resident, split_part(u.packed, chr(31), 1) as address,
        substr(u.packed, length(split_part(u.packed, chr(31), 1)) + 2) as fields
      from batches b join recipients f on f.campaign_id = b.campaign_id and f.batch = b.number,
        unnest(f.residents, string_to_array(f.packed, chr(30))) with ordinality as u (resident, packed, position)
      where b.campaign_id = $1 order by 1`,
    [campaign],
  );
  return rows;
}
