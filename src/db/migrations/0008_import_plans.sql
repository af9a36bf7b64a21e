-- An ANALYZE during an import, or of tables that were emptied, finds no rows: then every index seems equally cheap for a
-- look-up, and PostgreSQL took that of references (which it skips through by organisation) to find a resident by id, which
-- reads all of it for each row. As a partial index it serves look-ups by reference only. A reference that is null was
-- never in conflict. And the triggers find their own row by the whole of its key, as they find all others.
DROP INDEX "residents_reference";--> statement-breakpoint
CREATE UNIQUE INDEX "residents_reference" ON "residents" USING btree ("external_reference","organisation_id") WHERE external_reference is not null;--> statement-breakpoint
CREATE OR REPLACE FUNCTION tocsin_contact_points_added() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
  mine xid;
  missing boolean;
  others boolean;
BEGIN
  SELECT c.xmin INTO mine FROM (SELECT * FROM added LIMIT 1) a CROSS JOIN LATERAL (SELECT c.xmin FROM contact_points c
    WHERE c.organisation_id = a.organisation_id AND c.resident_id = a.resident_id AND c.channel = a.channel
      AND c.address = a.address OFFSET 0) c;
  SELECT bool_or(r.id IS NULL), bool_or(r.xmin IS DISTINCT FROM mine) INTO missing, others FROM added a
    LEFT JOIN LATERAL (SELECT r.id, r.xmin FROM residents r
      WHERE r.organisation_id = a.organisation_id AND r.id = a.resident_id OFFSET 0) r ON true;
  IF others AND NOT missing THEN
    SELECT bool_or(r.id IS NULL) INTO missing
      FROM (SELECT DISTINCT organisation_id, resident_id FROM added ORDER BY resident_id) a
      LEFT JOIN LATERAL (SELECT r.id FROM residents r
        WHERE r.organisation_id = a.organisation_id AND r.id = a.resident_id FOR KEY SHARE OFFSET 0) r ON true;
  END IF;
  IF missing THEN PERFORM tocsin_violation('contact_points', 'resident'); END IF;
  RETURN NULL;
END
$$;--> statement-breakpoint
CREATE OR REPLACE FUNCTION tocsin_list_members_added() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
  mine xid;
  missing boolean;
  others boolean;
  named record;
BEGIN
  FOR named IN SELECT DISTINCT organisation_id, list_id FROM added ORDER BY list_id LOOP
    PERFORM FROM lists l WHERE l.organisation_id = named.organisation_id AND l.id = named.list_id FOR KEY SHARE;
    IF NOT FOUND THEN PERFORM tocsin_violation('list_members', 'list'); END IF;
  END LOOP;
  SELECT m.xmin INTO mine FROM (SELECT * FROM added LIMIT 1) a CROSS JOIN LATERAL (SELECT m.xmin FROM list_members m
    WHERE m.list_id = a.list_id AND m.resident_id = a.resident_id OFFSET 0) m;
  SELECT bool_or(r.id IS NULL), bool_or(r.xmin IS DISTINCT FROM mine) INTO missing, others FROM added a
    LEFT JOIN LATERAL (SELECT r.id, r.xmin FROM residents r
      WHERE r.organisation_id = a.organisation_id AND r.id = a.resident_id OFFSET 0) r ON true;
  IF others AND NOT missing THEN
    SELECT bool_or(r.id IS NULL) INTO missing
      FROM (SELECT DISTINCT organisation_id, resident_id FROM added ORDER BY resident_id) a
      LEFT JOIN LATERAL (SELECT r.id FROM residents r
        WHERE r.organisation_id = a.organisation_id AND r.id = a.resident_id FOR KEY SHARE OFFSET 0) r ON true;
  END IF;
  IF missing THEN PERFORM tocsin_violation('list_members', 'resident'); END IF;
  RETURN NULL;
END
$$;
