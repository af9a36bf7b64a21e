ALTER TABLE "batches" ADD COLUMN "restores" smallint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "reroutes" ADD COLUMN "source_attempt" smallint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "reroutes" ADD COLUMN "target" text;--> statement-breakpoint
ALTER TABLE "reroutes" ADD COLUMN "is_in" boolean DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX "reroutes_campaign" ON "reroutes" USING btree ("campaign_id","batch");--> statement-breakpoint
CREATE INDEX "reroutes_waiting" ON "reroutes" USING btree ("id") WHERE not is_in;