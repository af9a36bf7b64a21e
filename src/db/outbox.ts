/**
 * Commands that were committed and may not have reached Redis. The API writes a row with each command but a launch,
 * which its campaign tells of, and sends the command by the stream as well; the planner looks after rows of a certain
 * age, among them those that a crash between the commit and the stream left behind, and deletes them, many at a time.
 */
import type { Pool } from 'pg';
import type { Command, Id } from '../handoff.ts';

/** A command that waits. */
export type OutboxRow = { readonly id: Id; readonly campaign: Id; readonly command: Command['command'] };

/** Rows older than `olderThanMs`, oldest first. Obeying one twice changes nothing, so nothing is locked. */
export async function staleOutbox(pool: Pool, olderThanMs: number, limit: number): Promise<OutboxRow[]> {
  const { rows } = await pool.query<OutboxRow>(
    `select id, campaign_id as campaign, command from outbox
      where created_at < now() - $1 * interval '1 millisecond' order by id limit $2`,
    [olderThanMs, limit],
  );
  return rows;
}

/** Deletes rows whose command was obeyed. */
export async function deleteOutbox(pool: Pool, ids: readonly Id[]): Promise<void> {
  await pool.query('delete from outbox where id = any($1::bigint[])', [ids]);
}
