CREATE TABLE "reroutes" (
	"id" bigint PRIMARY KEY DEFAULT ((floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 22) | nextval('id_seq')) NOT NULL,
	"campaign_id" bigint NOT NULL,
	"carrier" text NOT NULL,
	"batch" integer NOT NULL,
	"indexes" integer[] NOT NULL,
	"attempt" smallint
);
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE, DELETE ON reroutes TO tocsin_service;
