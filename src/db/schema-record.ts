/**
 * The tables of what becomes of messages: recipients and batches frozen at planning, outcomes, receipts, counts,
 * and how far the recorder is. Those that grow with messages are range-partitioned by `campaign_id`, which is
 * a partition by time of creation, because ids are; the PARTITION BY clauses stand in the migrations.
 */
import { sql } from 'drizzle-orm';
import { boolean, index, integer, pgTable, primaryKey, smallint, text } from 'drizzle-orm/pg-core';
import { bytea, id, int8, moment, organisationId } from './columns.ts';

/** A campaign's share of one carrier, frozen at planning, and how far it has been put into Redis. */
export const campaignCarriers = pgTable(
  'campaign_carriers',
  {
    campaignId: int8('campaign_id').notNull(),
    carrier: text('carrier').notNull(),
    organisationId: organisationId(),
    recipients: integer('recipients').notNull(),
    /** Its batches are the numbers `first_batch` to `last_batch`, both included. */
    firstBatch: integer('first_batch').notNull(),
    lastBatch: integer('last_batch').notNull(),
    /** Every batch of it up to this number is in Redis, or has been; `first_batch - 1` at first. */
    enqueuedThrough: integer('enqueued_through').notNull(),
  },
  (t) => [primaryKey({ columns: [t.campaignId, t.carrier] })],
);

/**
 * Contact points × campaign, frozen at planning, one row per batch: position i of both columns belongs to ordinal
 * first_ordinal + i of the batch. A row for each recipient took three times as long to write. Partitioned.
 */
export const recipients = pgTable(
  'recipients',
  {
    campaignId: int8('campaign_id').notNull(),
    batch: integer('batch').notNull(),
    organisationId: organisationId(),
    residents: int8('residents').array().notNull(),
    /** As `Batch.packed` in src/handoff.ts: what a worker is given, unchanged. */
    packed: text('packed').notNull(),
  },
  (t) => [primaryKey({ columns: [t.campaignId, t.batch] })],
);

/** Contiguous ordinals of one carrier and one language. Partitioned. */
export const batches = pgTable(
  'batches',
  {
    campaignId: int8('campaign_id').notNull(),
    number: integer('number').notNull(),
    organisationId: organisationId(),
    carrier: text('carrier').notNull(),
    language: text('language').notNull(),
    firstOrdinal: integer('first_ordinal').notNull(),
    recipients: integer('recipients').notNull(),
    /** 1, and one more for each time its rest was enqueued again. */
    attempt: smallint('attempt').notNull().default(1),
    /** The loss of Redis's data after which it was enqueued last; see src/record/reconcile.ts. */
    restored: text('restored'),
    /** How often that was so. */
    restores: smallint('restores').notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.campaignId, t.number] })],
);

/**
 * What is known of each message of a batch on one carrier, one row per segment position. Byte i of
 * `states` belongs to ordinal first_ordinal + i: low four bits a segment state, high four bits (in
 * segment 0 only) how many segments the message has. src/db/fold.ts reads and writes these bytes.
 * A batch without a row has no outcome yet. Written by the recorder alone. Partitioned.
 */
export const batchStates = pgTable(
  'batch_states',
  {
    campaignId: int8('campaign_id').notNull(),
    batch: integer('batch').notNull(),
    carrier: text('carrier').notNull(),
    segment: smallint('segment').notNull(),
    organisationId: organisationId(),
    firstOrdinal: integer('first_ordinal').notNull(),
    states: bytea('states').notNull(),
  },
  (t) => [primaryKey({ columns: [t.campaignId, t.batch, t.carrier, t.segment] })],
);

/**
 * One row per outcome of a segment, append-only. A run of recipients that share an outcome without a
 * submission (cancelled, expired) is one row of `recipients` consecutive ordinals. Partitioned.
 */
export const submissions = pgTable(
  'submissions',
  {
    campaignId: int8('campaign_id').notNull(),
    ordinal: integer('ordinal').notNull(),
    /** How many ordinals from there on; 1 for everything that was submitted. */
    recipients: smallint('recipients').notNull(),
    segment: smallint('segment').notNull(),
    /** Of how many segments the message consists. */
    segments: smallint('segments').notNull(),
    attempt: smallint('attempt').notNull(),
    batch: integer('batch').notNull(),
    /** First ordinal of that batch, so that a receipt finds its place in `batch_states`. */
    firstOrdinal: integer('first_ordinal').notNull(),
    organisationId: organisationId(),
    carrier: text('carrier').notNull(),
    /** `outcomeCodes` in src/handoff.ts. */
    outcome: smallint('outcome').notNull(),
    /** SMPP command_status as its 32 bits, hence negative above 0x7fffffff; 0 when there is none. */
    commandStatus: integer('command_status').notNull(),
    /** Canonical message id; empty when there is none. */
    messageId: text('message_id').notNull(),
    submittedAt: moment('submitted_at').notNull(),
  },
  (t) => [
    index('submissions_message_id').using('hash', t.messageId).where(sql`message_id <> ''`),
    index('submissions_campaign').using('brin', t.campaignId),
  ],
);

/** Receipts whose submission is known, append-only. Partitioned. */
export const receipts = pgTable(
  'receipts',
  {
    campaignId: int8('campaign_id').notNull(),
    ordinal: integer('ordinal').notNull(),
    segment: smallint('segment').notNull(),
    organisationId: organisationId(),
    carrier: text('carrier').notNull(),
    /** `receiptStateCodes` in src/handoff.ts. */
    state: smallint('state').notNull(),
    error: text('error').notNull(),
    doneAt: moment('done_at'),
    receivedAt: moment('received_at').notNull(),
  },
  (t) => [index('receipts_campaign').using('brin', t.campaignId)],
);

/** Receipts whose submission is not known yet. Belongs to no organisation until it is matched. */
export const orphanReceipts = pgTable(
  'orphan_receipts',
  {
    id: id(),
    carrier: text('carrier').notNull(),
    messageId: text('message_id').notNull(),
    state: smallint('state').notNull(),
    error: text('error').notNull(),
    doneAt: moment('done_at'),
    receivedAt: moment('received_at').notNull(),
  },
  (t) => [index('orphan_receipts_message_id').on(t.messageId, t.carrier)],
);

/**
 * Messages that a carrier gave up unsent because it is away: they wait here to be put into another one's stream.
 * Written by the recorder with the outcomes that say so, decided about by the planner. Kept until their campaign is
 * over: who gave what up once is not heard a second time, and where it went is asked when Redis is rebuilt.
 */
export const reroutes = pgTable(
  'reroutes',
  {
    id: id(),
    campaignId: int8('campaign_id').notNull(),
    /** The carrier that gave them up; once it is decided, the target too. */
    carrier: text('carrier').notNull(),
    /** The attempt with which they were given up: of a batch it is one carrier's, or other places are another's. */
    sourceAttempt: smallint('source_attempt').notNull().default(0),
    batch: integer('batch').notNull(),
    /** Places in the batch, from 0. */
    indexes: integer('indexes').array().notNull(),
    /** Whose stream they go into, and with which attempt; none until a planner has decided. */
    target: text('target'),
    attempt: smallint('attempt'),
    /** They are in that stream, or have been. */
    isIn: boolean('is_in').notNull().default(false),
  },
  (t) => [
    index('reroutes_campaign').on(t.campaignId, t.batch),
    index('reroutes_waiting').on(t.id).where(sql`not is_in`),
  ],
);

/** Messages from handsets, kept for later use. */
export const inboundMessages = pgTable('inbound_messages', {
  id: id(),
  carrier: text('carrier').notNull(),
  source: text('source').notNull(),
  destination: text('destination').notNull(),
  dataCoding: smallint('data_coding').notNull(),
  esmClass: smallint('esm_class').notNull(),
  body: bytea('body').notNull(),
  receivedAt: moment('received_at').notNull(),
});

/** Running counts of messages per campaign and carrier, kept by the recorder at each flush. */
export const campaignProgress = pgTable(
  'campaign_progress',
  {
    campaignId: int8('campaign_id').notNull(),
    carrier: text('carrier').notNull(),
    organisationId: organisationId(),
    /** Messages that the carrier ever accepted whole. */
    submitted: integer('submitted').notNull().default(0),
    /** Messages in the state `submitted` now. */
    awaitingReceipt: integer('awaiting_receipt').notNull().default(0),
    delivered: integer('delivered').notNull().default(0),
    failed: integer('failed').notNull().default(0),
    unknown: integer('unknown').notNull().default(0),
    expired: integer('expired').notNull().default(0),
    cancelled: integer('cancelled').notNull().default(0),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.campaignId, t.carrier] })],
);

/** How far a carrier's two streams have been recorded. Moves in the same transaction as the rows. */
export const recorderOffsets = pgTable('recorder_offsets', {
  carrier: text('carrier').primaryKey(),
  /** Last recorded Redis entry ids. */
  outcomesId: text('outcomes_id').notNull().default('0-0'),
  receiptsId: text('receipts_id').notNull().default('0-0'),
  /** Who may write, until when; every write checks the epoch. */
  owner: text('owner').notNull().default(''),
  epoch: int8('epoch').notNull().default(sql`0`),
  leaseUntil: moment('lease_until').notNull().default(sql`'-infinity'`),
});

/** Leases of singletons (reconciler, partitions, completion). Every write of a holder checks the epoch. */
export const leases = pgTable('leases', {
  name: text('name').primaryKey(),
  owner: text('owner').notNull(),
  epoch: int8('epoch').notNull(),
  leaseUntil: moment('lease_until').notNull(),
});

/** Facts about the installation: the Redis epoch, the version of the schema's partitions. */
export const settings = pgTable('settings', {
  name: text('name').primaryKey(),
  value: text('value').notNull(),
});
