DROP INDEX "submissions_message_id";--> statement-breakpoint
CREATE INDEX "submissions_message_id" ON "submissions" USING hash ("message_id") WHERE message_id <> '';