-- Roles, row-level security, partitions. Written by hand: drizzle cannot express these.
-- tocsin_api serves tenants; it sees the rows of the organisation named by the setting tocsin.organisation,
-- and organisations and keys only where tocsin.platform is on. tocsin_service is the planner's and the
-- recorder's role. Neither is a superuser, owns anything, or bypasses row-level security.
DO $$
BEGIN
  CREATE ROLE tocsin_api LOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;--> statement-breakpoint
DO $$
BEGIN
  CREATE ROLE tocsin_service LOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;--> statement-breakpoint
REVOKE CREATE ON SCHEMA public FROM PUBLIC;--> statement-breakpoint
GRANT USAGE ON SCHEMA public TO tocsin_api, tocsin_service;--> statement-breakpoint
GRANT USAGE ON SEQUENCE id_seq TO tocsin_api, tocsin_service;--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE, DELETE ON organisations, api_keys, residents, contact_points, lists, list_members, campaigns, idempotency_keys, outbox TO tocsin_api;--> statement-breakpoint
GRANT SELECT ON campaign_carriers, campaign_progress, recipients, batches, batch_states, submissions, receipts TO tocsin_api;--> statement-breakpoint
GRANT SELECT ON organisations, residents, contact_points, lists, list_members TO tocsin_service;--> statement-breakpoint
GRANT SELECT, UPDATE ON campaigns TO tocsin_service;--> statement-breakpoint
GRANT SELECT, DELETE ON outbox, idempotency_keys TO tocsin_service;--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE, DELETE ON campaign_carriers, campaign_progress, recipients, batches, batch_states, submissions, receipts,
  orphan_receipts, inbound_messages, recorder_offsets, leases, settings TO tocsin_service;--> statement-breakpoint
ALTER TABLE organisations ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE organisations FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY service ON organisations TO tocsin_service USING (true) WITH CHECK (true);--> statement-breakpoint
ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE residents ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE residents FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY service ON residents TO tocsin_service USING (true) WITH CHECK (true);--> statement-breakpoint
ALTER TABLE contact_points ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE contact_points FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY service ON contact_points TO tocsin_service USING (true) WITH CHECK (true);--> statement-breakpoint
ALTER TABLE lists ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE lists FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY service ON lists TO tocsin_service USING (true) WITH CHECK (true);--> statement-breakpoint
ALTER TABLE list_members ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE list_members FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY service ON list_members TO tocsin_service USING (true) WITH CHECK (true);--> statement-breakpoint
ALTER TABLE campaigns ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE campaigns FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY service ON campaigns TO tocsin_service USING (true) WITH CHECK (true);--> statement-breakpoint
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY service ON idempotency_keys TO tocsin_service USING (true) WITH CHECK (true);--> statement-breakpoint
ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE outbox FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY service ON outbox TO tocsin_service USING (true) WITH CHECK (true);--> statement-breakpoint
ALTER TABLE campaign_carriers ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE campaign_carriers FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY service ON campaign_carriers TO tocsin_service USING (true) WITH CHECK (true);--> statement-breakpoint
ALTER TABLE campaign_progress ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE campaign_progress FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY service ON campaign_progress TO tocsin_service USING (true) WITH CHECK (true);--> statement-breakpoint
ALTER TABLE recipients ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE recipients FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY service ON recipients TO tocsin_service USING (true) WITH CHECK (true);--> statement-breakpoint
ALTER TABLE batches ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE batches FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY service ON batches TO tocsin_service USING (true) WITH CHECK (true);--> statement-breakpoint
ALTER TABLE batch_states ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE batch_states FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY service ON batch_states TO tocsin_service USING (true) WITH CHECK (true);--> statement-breakpoint
ALTER TABLE submissions ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE submissions FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY service ON submissions TO tocsin_service USING (true) WITH CHECK (true);--> statement-breakpoint
ALTER TABLE receipts ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE receipts FORCE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY service ON receipts TO tocsin_service USING (true) WITH CHECK (true);--> statement-breakpoint
CREATE POLICY tenant ON organisations FOR SELECT TO tocsin_api USING (id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint));--> statement-breakpoint
CREATE POLICY platform ON organisations TO tocsin_api
  USING ((SELECT current_setting('tocsin.platform', true) = 'on')) WITH CHECK ((SELECT current_setting('tocsin.platform', true) = 'on'));--> statement-breakpoint
CREATE POLICY platform ON api_keys TO tocsin_api
  USING ((SELECT current_setting('tocsin.platform', true) = 'on')) WITH CHECK ((SELECT current_setting('tocsin.platform', true) = 'on'));--> statement-breakpoint
CREATE POLICY tenant ON residents TO tocsin_api
  USING (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint))
  WITH CHECK (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint));--> statement-breakpoint
CREATE POLICY tenant ON contact_points TO tocsin_api
  USING (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint))
  WITH CHECK (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint));--> statement-breakpoint
CREATE POLICY tenant ON lists TO tocsin_api
  USING (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint))
  WITH CHECK (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint));--> statement-breakpoint
CREATE POLICY tenant ON list_members TO tocsin_api
  USING (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint))
  WITH CHECK (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint));--> statement-breakpoint
CREATE POLICY tenant ON campaigns TO tocsin_api
  USING (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint))
  WITH CHECK (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint));--> statement-breakpoint
CREATE POLICY tenant ON idempotency_keys TO tocsin_api
  USING (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint))
  WITH CHECK (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint));--> statement-breakpoint
CREATE POLICY tenant ON outbox TO tocsin_api
  USING (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint))
  WITH CHECK (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint));--> statement-breakpoint
CREATE POLICY tenant ON campaign_carriers FOR SELECT TO tocsin_api
  USING (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint));--> statement-breakpoint
CREATE POLICY tenant ON campaign_progress FOR SELECT TO tocsin_api
  USING (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint));--> statement-breakpoint
CREATE POLICY tenant ON recipients FOR SELECT TO tocsin_api
  USING (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint));--> statement-breakpoint
CREATE POLICY tenant ON batches FOR SELECT TO tocsin_api
  USING (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint));--> statement-breakpoint
CREATE POLICY tenant ON batch_states FOR SELECT TO tocsin_api
  USING (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint));--> statement-breakpoint
CREATE POLICY tenant ON submissions FOR SELECT TO tocsin_api
  USING (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint));--> statement-breakpoint
CREATE POLICY tenant ON receipts FOR SELECT TO tocsin_api
  USING (organisation_id = (SELECT nullif(current_setting('tocsin.organisation', true), '')::bigint));--> statement-breakpoint
-- Whose key it is, from its SHA-256. The setting lasts for the call only.
CREATE FUNCTION tocsin_authenticate(hash bytea) RETURNS TABLE (organisation_id bigint, key_id bigint)
LANGUAGE sql STABLE
SET search_path = public, pg_temp
SET tocsin.platform = 'on'
AS $$
  SELECT k.organisation_id, k.id FROM api_keys k WHERE k.key_hash = hash AND k.revoked_at IS NULL
$$;--> statement-breakpoint
REVOKE EXECUTE ON FUNCTION tocsin_authenticate(bytea) FROM PUBLIC;--> statement-breakpoint
GRANT EXECUTE ON FUNCTION tocsin_authenticate(bytea) TO tocsin_api;--> statement-breakpoint
-- Makes the weekly partitions that hold ids created between two instants (epoch milliseconds), where they
-- do not exist, and says how many it made. Week n holds the ids of milliseconds [n, n + 1) x 604800000.
-- Attaching a table locks less than CREATE TABLE ... PARTITION OF: reads and writes go on. Partitions have
-- no policies of their own, because COPY refuses tables with any; so only the service may touch them.
CREATE FUNCTION tocsin_ensure_partitions(from_ms bigint, to_ms bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
  week_ms CONSTANT bigint := 604800000;
  parent text;
  child text;
  made integer := 0;
BEGIN
  IF from_ms < 0 OR to_ms < from_ms OR to_ms - from_ms > 60 * week_ms THEN
    RAISE EXCEPTION 'partitions cannot span % to %', from_ms, to_ms;
  END IF;
  FOR n IN from_ms / week_ms .. to_ms / week_ms LOOP
    FOREACH parent IN ARRAY ARRAY['recipients', 'batches', 'batch_states', 'submissions', 'receipts'] LOOP
      child := parent || '_w' || n;
      -- A query, not to_regclass(): after waiting for the lock only a new snapshot shows what others made.
      CONTINUE WHEN EXISTS (SELECT FROM pg_class WHERE relname = child AND relnamespace = 'public'::regnamespace);
      PERFORM pg_advisory_xact_lock(hashtext('tocsin_ensure_partitions'));
      CONTINUE WHEN EXISTS (SELECT FROM pg_class WHERE relname = child AND relnamespace = 'public'::regnamespace);
      EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', child, parent);
      IF parent = 'batch_states' THEN
        EXECUTE format('ALTER TABLE %I SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05)', child);
      END IF;
      EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
        parent, child, (n * week_ms) << 22, ((n + 1) * week_ms) << 22);
      EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO tocsin_service', child);
      made := made + 1;
    END LOOP;
  END LOOP;
  RETURN made;
END
$$;--> statement-breakpoint
REVOKE EXECUTE ON FUNCTION tocsin_ensure_partitions(bigint, bigint) FROM PUBLIC;--> statement-breakpoint
GRANT EXECUTE ON FUNCTION tocsin_ensure_partitions(bigint, bigint) TO tocsin_service;
