-- Generated from src/db/schema.ts by drizzle-kit; the PARTITION BY clauses were added by hand.
CREATE SEQUENCE "public"."id_seq" INCREMENT BY 1 MINVALUE 0 MAXVALUE 4194303 START WITH 0 CACHE 1000 CYCLE;--> statement-breakpoint
CREATE TABLE "api_keys" (
	"id" bigint PRIMARY KEY DEFAULT ((floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 22) | nextval('id_seq')) NOT NULL,
	"organisation_id" bigint NOT NULL,
	"name" text NOT NULL,
	"prefix" text NOT NULL,
	"key_hash" "bytea" NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"revoked_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "batch_states" (
	"campaign_id" bigint NOT NULL,
	"batch" integer NOT NULL,
	"carrier" text NOT NULL,
	"segment" smallint NOT NULL,
	"organisation_id" bigint NOT NULL,
	"first_ordinal" integer NOT NULL,
	"states" "bytea" NOT NULL,
	CONSTRAINT "batch_states_campaign_id_batch_carrier_segment_pk" PRIMARY KEY("campaign_id","batch","carrier","segment")
) PARTITION BY RANGE ("campaign_id");
--> statement-breakpoint
CREATE TABLE "batches" (
	"campaign_id" bigint NOT NULL,
	"number" integer NOT NULL,
	"organisation_id" bigint NOT NULL,
	"carrier" text NOT NULL,
	"language" text NOT NULL,
	"first_ordinal" integer NOT NULL,
	"recipients" integer NOT NULL,
	"attempt" smallint DEFAULT 1 NOT NULL,
	CONSTRAINT "batches_campaign_id_number_pk" PRIMARY KEY("campaign_id","number")
) PARTITION BY RANGE ("campaign_id");
--> statement-breakpoint
CREATE TABLE "campaign_carriers" (
	"campaign_id" bigint NOT NULL,
	"carrier" text NOT NULL,
	"organisation_id" bigint NOT NULL,
	"recipients" integer NOT NULL,
	"first_batch" integer NOT NULL,
	"last_batch" integer NOT NULL,
	"enqueued_through" integer NOT NULL,
	CONSTRAINT "campaign_carriers_campaign_id_carrier_pk" PRIMARY KEY("campaign_id","carrier")
);
--> statement-breakpoint
CREATE TABLE "campaign_progress" (
	"campaign_id" bigint NOT NULL,
	"carrier" text NOT NULL,
	"organisation_id" bigint NOT NULL,
	"submitted" integer DEFAULT 0 NOT NULL,
	"awaiting_receipt" integer DEFAULT 0 NOT NULL,
	"delivered" integer DEFAULT 0 NOT NULL,
	"failed" integer DEFAULT 0 NOT NULL,
	"unknown" integer DEFAULT 0 NOT NULL,
	"expired" integer DEFAULT 0 NOT NULL,
	"cancelled" integer DEFAULT 0 NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "campaign_progress_campaign_id_carrier_pk" PRIMARY KEY("campaign_id","carrier")
);
--> statement-breakpoint
CREATE TABLE "campaigns" (
	"id" bigint PRIMARY KEY DEFAULT ((floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 22) | nextval('id_seq')) NOT NULL,
	"organisation_id" bigint NOT NULL,
	"name" text NOT NULL,
	"nature" text NOT NULL,
	"status" text DEFAULT 'draft' NOT NULL,
	"sender" text NOT NULL,
	"audience" jsonb NOT NULL,
	"contents" jsonb NOT NULL,
	"default_language" text NOT NULL,
	"validity_seconds" integer NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"launched_at" timestamp with time zone,
	"planned_at" timestamp with time zone,
	"expires_at" timestamp with time zone,
	"finished_at" timestamp with time zone,
	"recipients" integer DEFAULT 0 NOT NULL,
	"duplicates" integer DEFAULT 0 NOT NULL,
	"unreachable" jsonb,
	"batches" integer DEFAULT 0 NOT NULL,
	"enqueued_at" timestamp with time zone,
	"planner" text,
	"planner_until" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "contact_points" (
	"id" bigint PRIMARY KEY DEFAULT ((floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 22) | nextval('id_seq')) NOT NULL,
	"organisation_id" bigint NOT NULL,
	"resident_id" bigint NOT NULL,
	"channel" text NOT NULL,
	"address" text NOT NULL,
	"opted_out_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"organisation_id" bigint NOT NULL,
	"key" text NOT NULL,
	"request_hash" "bytea" NOT NULL,
	"status" smallint NOT NULL,
	"response" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "idempotency_keys_organisation_id_key_pk" PRIMARY KEY("organisation_id","key")
);
--> statement-breakpoint
CREATE TABLE "inbound_messages" (
	"id" bigint PRIMARY KEY DEFAULT ((floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 22) | nextval('id_seq')) NOT NULL,
	"carrier" text NOT NULL,
	"source" text NOT NULL,
	"destination" text NOT NULL,
	"data_coding" smallint NOT NULL,
	"esm_class" smallint NOT NULL,
	"body" "bytea" NOT NULL,
	"received_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "leases" (
	"name" text PRIMARY KEY NOT NULL,
	"owner" text NOT NULL,
	"epoch" bigint NOT NULL,
	"lease_until" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "list_members" (
	"organisation_id" bigint NOT NULL,
	"list_id" bigint NOT NULL,
	"resident_id" bigint NOT NULL,
	CONSTRAINT "list_members_list_id_resident_id_pk" PRIMARY KEY("list_id","resident_id")
);
--> statement-breakpoint
CREATE TABLE "lists" (
	"id" bigint PRIMARY KEY DEFAULT ((floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 22) | nextval('id_seq')) NOT NULL,
	"organisation_id" bigint NOT NULL,
	"name" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "lists_organisation" UNIQUE("organisation_id","id")
);
--> statement-breakpoint
CREATE TABLE "organisations" (
	"id" bigint PRIMARY KEY DEFAULT ((floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 22) | nextval('id_seq')) NOT NULL,
	"name" text NOT NULL,
	"weight" smallint DEFAULT 1 NOT NULL,
	"country" text DEFAULT 'FR' NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "orphan_receipts" (
	"id" bigint PRIMARY KEY DEFAULT ((floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 22) | nextval('id_seq')) NOT NULL,
	"carrier" text NOT NULL,
	"message_id" text NOT NULL,
	"state" smallint NOT NULL,
	"error" text NOT NULL,
	"done_at" timestamp with time zone,
	"received_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "outbox" (
	"id" bigint PRIMARY KEY DEFAULT ((floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 22) | nextval('id_seq')) NOT NULL,
	"organisation_id" bigint NOT NULL,
	"campaign_id" bigint NOT NULL,
	"command" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "receipts" (
	"campaign_id" bigint NOT NULL,
	"ordinal" integer NOT NULL,
	"segment" smallint NOT NULL,
	"organisation_id" bigint NOT NULL,
	"carrier" text NOT NULL,
	"state" smallint NOT NULL,
	"error" text NOT NULL,
	"done_at" timestamp with time zone,
	"received_at" timestamp with time zone NOT NULL
) PARTITION BY RANGE ("campaign_id");
--> statement-breakpoint
CREATE TABLE "recipients" (
	"campaign_id" bigint NOT NULL,
	"ordinal" integer NOT NULL,
	"organisation_id" bigint NOT NULL,
	"resident_id" bigint NOT NULL,
	"address" text NOT NULL,
	"fields" text DEFAULT '' NOT NULL,
	CONSTRAINT "recipients_campaign_id_ordinal_pk" PRIMARY KEY("campaign_id","ordinal")
) PARTITION BY RANGE ("campaign_id");
--> statement-breakpoint
CREATE TABLE "recorder_offsets" (
	"carrier" text PRIMARY KEY NOT NULL,
	"outcomes_id" text DEFAULT '0-0' NOT NULL,
	"receipts_id" text DEFAULT '0-0' NOT NULL,
	"owner" text DEFAULT '' NOT NULL,
	"epoch" bigint DEFAULT 0 NOT NULL,
	"lease_until" timestamp with time zone DEFAULT '-infinity' NOT NULL
);
--> statement-breakpoint
CREATE TABLE "residents" (
	"id" bigint PRIMARY KEY DEFAULT ((floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 22) | nextval('id_seq')) NOT NULL,
	"organisation_id" bigint NOT NULL,
	"external_reference" text,
	"first_name" text DEFAULT '' NOT NULL,
	"last_name" text DEFAULT '' NOT NULL,
	"language" text DEFAULT '' NOT NULL,
	"street" text DEFAULT '' NOT NULL,
	"postcode" text DEFAULT '' NOT NULL,
	"city" text DEFAULT '' NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "residents_organisation" UNIQUE("organisation_id","id")
);
--> statement-breakpoint
CREATE TABLE "settings" (
	"name" text PRIMARY KEY NOT NULL,
	"value" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "submissions" (
	"campaign_id" bigint NOT NULL,
	"ordinal" integer NOT NULL,
	"recipients" smallint NOT NULL,
	"segment" smallint NOT NULL,
	"segments" smallint NOT NULL,
	"attempt" smallint NOT NULL,
	"batch" integer NOT NULL,
	"first_ordinal" integer NOT NULL,
	"organisation_id" bigint NOT NULL,
	"carrier" text NOT NULL,
	"outcome" smallint NOT NULL,
	"command_status" integer NOT NULL,
	"message_id" text NOT NULL,
	"submitted_at" timestamp with time zone NOT NULL
) PARTITION BY RANGE ("campaign_id");
--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_organisation_id_organisations_id_fk" FOREIGN KEY ("organisation_id") REFERENCES "public"."organisations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "campaigns" ADD CONSTRAINT "campaigns_organisation_id_organisations_id_fk" FOREIGN KEY ("organisation_id") REFERENCES "public"."organisations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "contact_points" ADD CONSTRAINT "contact_points_organisation_id_organisations_id_fk" FOREIGN KEY ("organisation_id") REFERENCES "public"."organisations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "contact_points" ADD CONSTRAINT "contact_points_own_resident" FOREIGN KEY ("organisation_id","resident_id") REFERENCES "public"."residents"("organisation_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "idempotency_keys" ADD CONSTRAINT "idempotency_keys_organisation_id_organisations_id_fk" FOREIGN KEY ("organisation_id") REFERENCES "public"."organisations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "list_members" ADD CONSTRAINT "list_members_organisation_id_organisations_id_fk" FOREIGN KEY ("organisation_id") REFERENCES "public"."organisations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "list_members" ADD CONSTRAINT "list_members_own_resident" FOREIGN KEY ("organisation_id","resident_id") REFERENCES "public"."residents"("organisation_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "list_members" ADD CONSTRAINT "list_members_own_list" FOREIGN KEY ("organisation_id","list_id") REFERENCES "public"."lists"("organisation_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "lists" ADD CONSTRAINT "lists_organisation_id_organisations_id_fk" FOREIGN KEY ("organisation_id") REFERENCES "public"."organisations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "outbox" ADD CONSTRAINT "outbox_organisation_id_organisations_id_fk" FOREIGN KEY ("organisation_id") REFERENCES "public"."organisations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "residents" ADD CONSTRAINT "residents_organisation_id_organisations_id_fk" FOREIGN KEY ("organisation_id") REFERENCES "public"."organisations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "api_keys_key_hash" ON "api_keys" USING btree ("key_hash");--> statement-breakpoint
CREATE INDEX "api_keys_organisation" ON "api_keys" USING btree ("organisation_id");--> statement-breakpoint
CREATE INDEX "campaigns_organisation" ON "campaigns" USING btree ("organisation_id","id");--> statement-breakpoint
CREATE INDEX "campaigns_open" ON "campaigns" USING btree ("status") WHERE status in ('launched', 'sending', 'paused', 'cancelling');--> statement-breakpoint
CREATE UNIQUE INDEX "contact_points_address" ON "contact_points" USING btree ("resident_id","channel","address");--> statement-breakpoint
CREATE INDEX "contact_points_organisation" ON "contact_points" USING btree ("organisation_id","channel","address","resident_id");--> statement-breakpoint
CREATE INDEX "contact_points_opted_out" ON "contact_points" USING btree ("organisation_id") WHERE opted_out_at is not null;--> statement-breakpoint
CREATE INDEX "list_members_resident" ON "list_members" USING btree ("organisation_id","resident_id");--> statement-breakpoint
CREATE UNIQUE INDEX "lists_name" ON "lists" USING btree ("organisation_id","name");--> statement-breakpoint
CREATE INDEX "orphan_receipts_message_id" ON "orphan_receipts" USING btree ("message_id","carrier");--> statement-breakpoint
CREATE INDEX "receipts_campaign" ON "receipts" USING brin ("campaign_id");--> statement-breakpoint
CREATE UNIQUE INDEX "residents_reference" ON "residents" USING btree ("organisation_id","external_reference");--> statement-breakpoint
CREATE INDEX "submissions_message_id" ON "submissions" USING btree ("message_id") WHERE message_id <> '';--> statement-breakpoint
CREATE INDEX "submissions_campaign" ON "submissions" USING brin ("campaign_id");