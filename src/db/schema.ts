/**
 * The tables of the record. Ids are 63-bit and time-ordered (see `newId`). Tables that grow with
 * messages are range-partitioned by `campaign_id`, which is a partition by time of creation, because
 * ids are; the PARTITION BY clauses, row-level security and roles stand in the migrations, since
 * drizzle cannot express them.
 */
import { sql } from 'drizzle-orm';
import {
  type AnyPgColumn,
  customType,
  foreignKey,
  index,
  integer,
  jsonb,
  pgSequence,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  unique,
  uniqueIndex,
} from 'drizzle-orm/pg-core';
import type { CampaignStatus, Contents, Id, Nature } from '../handoff.ts';

/** int8 as decimal text: JavaScript numbers cannot hold 63 bits. */
const int8 = customType<{ data: Id; driverData: string }>({ dataType: () => 'bigint' });
const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });
const moment = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });

/** Feeds the low 22 bits of new ids. */
export const idSequence = pgSequence('id_seq', {
  cycle: true,
  minValue: 0,
  maxValue: 4194303,
  startWith: 0,
  cache: 1000,
});

/** 41 bits of epoch milliseconds, then 22 bits of a cycling sequence. */
const newId = sql`((floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 22) | nextval('id_seq'))`;
const id = () => int8('id').primaryKey().default(newId);
const organisationId = () => int8('organisation_id').notNull();
const createdAt = () => moment('created_at').notNull().defaultNow();

/** Tenants: communes, inter-communal bodies, prefectures. */
export const organisations = pgTable('organisations', {
  id: id(),
  name: text('name').notNull(),
  /** Share of a lane relative to other organisations. */
  weight: smallint('weight').notNull().default(1),
  /** Country for national phone numbers without prefix, ISO 3166-1 alpha-2. */
  country: text('country').notNull().default('FR'),
  createdAt: createdAt(),
});

/** Keys of the API. Only the SHA-256 of a key is kept; `prefix` lets a person recognise it. */
export const apiKeys = pgTable(
  'api_keys',
  {
    id: id(),
    organisationId: organisationId().references(() => organisations.id, { onDelete: 'cascade' }),
    name: text('name').notNull(),
    prefix: text('prefix').notNull(),
    keyHash: bytea('key_hash').notNull(),
    createdAt: createdAt(),
    revokedAt: moment('revoked_at'),
  },
  (t) => [uniqueIndex('api_keys_key_hash').on(t.keyHash), index('api_keys_organisation').on(t.organisationId)],
);

/** Persons who registered with an organisation. */
export const residents = pgTable(
  'residents',
  {
    id: id(),
    organisationId: organisationId().references(() => organisations.id, { onDelete: 'cascade' }),
    /** The organisation's own key for the person; unique where present. */
    externalReference: text('external_reference'),
    firstName: text('first_name').notNull().default(''),
    lastName: text('last_name').notNull().default(''),
    /** BCP 47 primary tag; empty when not known. */
    language: text('language').notNull().default(''),
    street: text('street').notNull().default(''),
    postcode: text('postcode').notNull().default(''),
    city: text('city').notNull().default(''),
    createdAt: createdAt(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('residents_reference').on(t.organisationId, t.externalReference),
    unique('residents_organisation').on(t.organisationId, t.id),
  ],
);

/**
 * Ties a row to a resident of its own organisation. Foreign keys are checked without row-level
 * security, so that a key on the resident's id alone would accept somebody else's resident.
 */
function ownResident(name: string, table: { organisationId: AnyPgColumn; residentId: AnyPgColumn }) {
  return foreignKey({
    name,
    columns: [table.organisationId, table.residentId],
    foreignColumns: [residents.organisationId, residents.id],
  }).onDelete('cascade');
}

/** Addresses of residents: `sms` for a mobile number, `voice` for a landline. */
export const contactPoints = pgTable(
  'contact_points',
  {
    id: id(),
    organisationId: organisationId().references(() => organisations.id, { onDelete: 'cascade' }),
    residentId: int8('resident_id').notNull(),
    channel: text('channel').$type<'sms' | 'voice'>().notNull(),
    /** E.164 with plus. */
    address: text('address').notNull(),
    /** Set when the person no longer wants messages here. */
    optedOutAt: moment('opted_out_at'),
    createdAt: createdAt(),
  },
  (t) => [
    ownResident('contact_points_own_resident', t),
    uniqueIndex('contact_points_address').on(t.residentId, t.channel, t.address),
    index('contact_points_reachable')
      .on(t.organisationId, t.channel, t.address, t.residentId)
      .where(sql`opted_out_at is null`),
    index('contact_points_opted_out').on(t.organisationId).where(sql`opted_out_at is not null`),
  ],
);

/** Named sets of residents. */
export const lists = pgTable(
  'lists',
  {
    id: id(),
    organisationId: organisationId().references(() => organisations.id, { onDelete: 'cascade' }),
    name: text('name').notNull(),
    createdAt: createdAt(),
  },
  (t) => [
    uniqueIndex('lists_name').on(t.organisationId, t.name),
    unique('lists_organisation').on(t.organisationId, t.id),
  ],
);

/** Who is on which list. */
export const listMembers = pgTable(
  'list_members',
  {
    organisationId: organisationId().references(() => organisations.id, { onDelete: 'cascade' }),
    listId: int8('list_id').notNull(),
    residentId: int8('resident_id').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.listId, t.residentId] }),
    ownResident('list_members_own_resident', t),
    foreignKey({
      name: 'list_members_own_list',
      columns: [t.organisationId, t.listId],
      foreignColumns: [lists.organisationId, lists.id],
    }).onDelete('cascade'),
    index('list_members_resident').on(t.organisationId, t.residentId),
  ],
);

/** Whom a campaign is for: every resident, or the members of some lists. */
export type Audience = { readonly all: true } | { readonly lists: readonly Id[] };

/** Why residents of the audience cannot be reached, with how many of each. */
export type Unreachable = { readonly noMobile: number; readonly optedOut: number; readonly noCarrier: number };

/** What organisations asked for. */
export const campaigns = pgTable(
  'campaigns',
  {
    id: id(),
    organisationId: organisationId().references(() => organisations.id, { onDelete: 'cascade' }),
    name: text('name').notNull(),
    nature: text('nature').$type<Nature>().notNull(),
    status: text('status').$type<CampaignStatus>().notNull().default('draft'),
    sender: text('sender').notNull(),
    audience: jsonb('audience').$type<Audience>().notNull(),
    contents: jsonb('contents').$type<Contents>().notNull(),
    defaultLanguage: text('default_language').notNull(),
    /** How long after launch it may still be submitted. */
    validitySeconds: integer('validity_seconds').notNull(),
    createdAt: createdAt(),
    launchedAt: moment('launched_at'),
    /** Recipients frozen, batches written; null until the planner has done so. */
    plannedAt: moment('planned_at'),
    expiresAt: moment('expires_at'),
    finishedAt: moment('finished_at'),
    /** Frozen at planning. */
    recipients: integer('recipients').notNull().default(0),
    duplicates: integer('duplicates').notNull().default(0),
    unreachable: jsonb('unreachable').$type<Unreachable>(),
    batches: integer('batches').notNull().default(0),
    /** Every batch is in Redis, or has been. */
    enqueuedAt: moment('enqueued_at'),
    /** The planner that is putting its batches into Redis, and until when nobody else may. */
    planner: text('planner'),
    plannerUntil: moment('planner_until'),
  },
  (t) => [
    index('campaigns_organisation').on(t.organisationId, t.id),
    index('campaigns_to_plan')
      .on(t.nature, t.launchedAt)
      .where(sql`enqueued_at is null and status in ('launched', 'sending', 'paused', 'cancelling')`),
    index('campaigns_open').on(t.status).where(sql`status in ('launched', 'sending', 'paused', 'cancelling')`),
  ],
);

/** Answers already given to an Idempotency-Key. */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    organisationId: organisationId().references(() => organisations.id, { onDelete: 'cascade' }),
    key: text('key').notNull(),
    /** SHA-256 of method, path and body: the same key with another request is refused. */
    requestHash: bytea('request_hash').notNull(),
    status: smallint('status').notNull(),
    response: jsonb('response').notNull(),
    createdAt: createdAt(),
  },
  (t) => [primaryKey({ columns: [t.organisationId, t.key] })],
);

/** Commands to the planner that were committed and may not have reached Redis yet. */
export const outbox = pgTable('outbox', {
  id: id(),
  organisationId: organisationId().references(() => organisations.id, { onDelete: 'cascade' }),
  campaignId: int8('campaign_id').notNull(),
  command: text('command').$type<'launch' | 'pause' | 'resume' | 'cancel'>().notNull(),
  createdAt: createdAt(),
});

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

/** Contact points × campaign, frozen at planning. Its batch is the one whose ordinals hold it. Partitioned. */
export const recipients = pgTable(
  'recipients',
  {
    campaignId: int8('campaign_id').notNull(),
    ordinal: integer('ordinal').notNull(),
    organisationId: organisationId(),
    residentId: int8('resident_id').notNull(),
    /** Digits of E.164, without plus. */
    address: text('address').notNull(),
    /** The campaign's fields in order, joined by the unit separator; empty when it has none. */
    fields: text('fields').notNull().default(''),
  },
  (t) => [primaryKey({ columns: [t.campaignId, t.ordinal] })],
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
    index('submissions_message_id').on(t.messageId).where(sql`message_id <> ''`),
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
