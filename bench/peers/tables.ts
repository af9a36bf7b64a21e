/**
 * The peer's two tables, as our own have them: one row for each submit_sm and one for each receipt. Unlike ours they
 * are not partitioned, carry no organisation and have no row-level security, which is in the peer's favour.
 */
import { index, integer, pgTable, smallint, text, timestamp } from 'drizzle-orm/pg-core';
import type pg from 'pg';

export const peerSubmissions = pgTable(
  'peer_submissions',
  {
    ordinal: integer('ordinal').notNull(),
    commandStatus: integer('command_status').notNull(),
    messageId: text('message_id').notNull(),
    submittedAt: timestamp('submitted_at', { withTimezone: true }).notNull(),
  },
  (table) => [index('peer_submissions_message_id').on(table.messageId)],
);

export const peerReceipts = pgTable('peer_receipts', {
  ordinal: integer('ordinal').notNull(),
  state: smallint('state').notNull(),
  receivedAt: timestamp('received_at', { withTimezone: true }).notNull(),
});

/** Makes both tables anew. */
export async function createPeerTables(sql: pg.ClientBase): Promise<void> {
  await sql.query(`
    drop table if exists peer_submissions, peer_receipts;
    create table peer_submissions (ordinal integer not null, command_status integer not null,
      message_id text not null, submitted_at timestamptz not null);
    create index peer_submissions_message_id on peer_submissions (message_id);
    create table peer_receipts (ordinal integer not null, state smallint not null, received_at timestamptz not null)`);
}
