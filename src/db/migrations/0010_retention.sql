ALTER TABLE "campaigns" ADD COLUMN "messages_removed_at" timestamp with time zone;--> statement-breakpoint
-- Retention. Takes one week's partition out of its table and gives it another name, so that the week can be made anew.
-- DETACH ... CONCURRENTLY would wait without a lock, but runs in no function, hence only as the owner, whose password no
-- process of the cluster has. A plain DETACH locks the table for some milliseconds. It gives up where the lock is not
-- free within 100 ms, since everybody else waits behind it; its caller tries again later. The oldest four weeks that can
-- be asked for are those that ended four weeks ago, whatever the caller believes that the time is.
CREATE FUNCTION tocsin_detach_partition(parent text, week bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET lock_timeout = '100ms'
AS $$
BEGIN
  IF parent <> ALL (ARRAY['recipients', 'batches', 'batch_states', 'submissions', 'receipts']) THEN
    RAISE EXCEPTION '% has no weeks', parent;
  END IF;
  IF (week + 5) * 604800000 > extract(epoch FROM clock_timestamp()) * 1000 THEN
    RAISE EXCEPTION 'week % is too young', week;
  END IF;
  EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, parent || '_w' || week);
  EXECUTE format('ALTER TABLE %I RENAME TO %I', parent || '_w' || week, 'retired_' || parent || '_w' || week);
END
$$;--> statement-breakpoint
REVOKE EXECUTE ON FUNCTION tocsin_detach_partition(text, bigint) FROM PUBLIC;--> statement-breakpoint
GRANT EXECUTE ON FUNCTION tocsin_detach_partition(text, bigint) TO tocsin_service;--> statement-breakpoint
-- The same for whoever holds the lease `retention`, and only where no campaign of that week is open or was finished less
-- than `days` ago. Looks once more when it has the lock: who launches a campaign of that week then finds no partition,
-- and makes one. Runs with the caller's rights, because an owner whom row-level security binds would see no campaign.
CREATE FUNCTION tocsin_retire_partition(parent text, week bigint, days double precision, holder text, holder_epoch bigint)
RETURNS text
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
  first_id CONSTANT bigint := (week * 604800000) << 22;
  next_id CONSTANT bigint := ((week + 1) * 604800000) << 22;
BEGIN
  PERFORM FROM leases WHERE name = 'retention' AND owner = holder AND epoch = holder_epoch FOR SHARE;
  IF NOT FOUND THEN RETURN 'fenced'; END IF;
  FOR look IN 1..2 LOOP
    IF EXISTS (SELECT FROM campaigns WHERE id >= first_id AND id < next_id
      AND (status IN ('launched', 'sending', 'paused', 'cancelling') OR finished_at > now() - days * interval '1 day'))
    THEN
      RAISE EXCEPTION 'week % is in use', week USING ERRCODE = 'object_in_use';
    END IF;
    IF look = 1 THEN PERFORM tocsin_detach_partition(parent, week); END IF;
  END LOOP;
  RETURN 'retired';
END
$$;--> statement-breakpoint
REVOKE EXECUTE ON FUNCTION tocsin_retire_partition(text, bigint, double precision, text, bigint) FROM PUBLIC;--> statement-breakpoint
GRANT EXECUTE ON FUNCTION tocsin_retire_partition(text, bigint, double precision, text, bigint) TO tocsin_service;--> statement-breakpoint
CREATE FUNCTION tocsin_drop_retired(name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET lock_timeout = '100ms'
AS $$
BEGIN
  IF name !~ '^retired_(recipients|batches|batch_states|submissions|receipts)_w[0-9]+$' THEN
    RAISE EXCEPTION '% was not retired', name;
  END IF;
  EXECUTE format('DROP TABLE IF EXISTS %I', name);
END
$$;--> statement-breakpoint
REVOKE EXECUTE ON FUNCTION tocsin_drop_retired(text) FROM PUBLIC;--> statement-breakpoint
GRANT EXECUTE ON FUNCTION tocsin_drop_retired(text) TO tocsin_service;
