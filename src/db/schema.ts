/**
 * The tables of what organisations say: themselves, their residents, lists and campaigns. What becomes of
 * messages is in src/db/schema-record.ts. Ids are 63-bit and time-ordered (`id` in src/db/columns.ts).
 * Row-level security and roles stand in the migrations, since drizzle cannot express them.
 */
import { sql } from 'drizzle-orm';
import { index, integer, jsonb, pgTable, primaryKey, smallint, text, unique, uniqueIndex } from 'drizzle-orm/pg-core';
import type { CampaignStatus, Contents, Id, Nature } from '../handoff.ts';
import { bytea, createdAt, id, int8, moment, newId, organisationId } from './columns.ts';

export { idSequence } from './columns.ts';
export * from './schema-record.ts';

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

/**
 * Persons who registered with an organisation. What residents, contact points and members refer to is checked by
 * triggers (0007_import.sql and 0011_import_checks.sql of src/db/migrations), a statement's rows together, as foreign
 * keys cannot be.
 */
export const residents = pgTable(
  'residents',
  {
    id: int8('id').notNull().default(newId),
    organisationId: organisationId(),
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
    primaryKey({ columns: [t.organisationId, t.id] }),
    // Partial, so that it serves look-ups by reference only, whatever statistics say of the tables.
    uniqueIndex('residents_reference')
      .on(t.externalReference, t.organisationId)
      .where(sql`external_reference is not null`),
  ],
);

/** Addresses of residents: `sms` for a mobile number, `voice` for a landline. */
export const contactPoints = pgTable(
  'contact_points',
  {
    organisationId: organisationId(),
    residentId: int8('resident_id').notNull(),
    channel: text('channel').$type<'sms' | 'voice'>().notNull(),
    /** E.164 with plus. */
    address: text('address').notNull(),
    /** Set when the person no longer wants messages here. */
    optedOutAt: moment('opted_out_at'),
    createdAt: createdAt(),
  },
  (t) => [
    primaryKey({ columns: [t.organisationId, t.residentId, t.channel, t.address] }),
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
    organisationId: organisationId(),
    listId: int8('list_id').notNull(),
    residentId: int8('resident_id').notNull(),
  },
  (t) => [primaryKey({ columns: [t.listId, t.residentId] })],
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
    /** From planning on `noCarrier`, the others once they are counted. */
    unreachable: jsonb('unreachable').$type<Partial<Unreachable>>(),
    batches: integer('batches').notNull().default(0),
    /** Every batch is in Redis, or has been. */
    enqueuedAt: moment('enqueued_at'),
    /** Place of its launch in a trace (W3C traceparent), where that is traced. */
    traceParent: text('trace_parent'),
    /** The planner that is putting its batches into Redis, and until when nobody else may. */
    planner: text('planner'),
    plannerUntil: moment('planner_until'),
    /** When retention removed its recipients and outcomes; its counts stay. */
    messagesRemovedAt: moment('messages_removed_at'),
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
  /** No foreign key: every launch would lock the organisation. A row that outlives its campaign changes nothing. */
  organisationId: organisationId(),
  campaignId: int8('campaign_id').notNull(),
  command: text('command').$type<'launch' | 'pause' | 'resume' | 'cancel'>().notNull(),
  createdAt: createdAt(),
});
