-- contract: no version reads it; each launch locked the organisation's row for it, which all its launches share.
ALTER TABLE "outbox" DROP CONSTRAINT "outbox_organisation_id_organisations_id_fk";--> statement-breakpoint
-- Contact points and members that are written together with their residents, as an import writes them, are checked by
-- one reading of those residents: an import takes their ids one after the other, so they stand side by side. What that
-- does not find (residents of others, or far apart) is looked up one by one, as before. The settings are those that
-- plans are kept with: a reading by the order of the key that may end early, and no join that reads it again and again.
CREATE OR REPLACE FUNCTION tocsin_contact_points_added() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_nestloop = off
AS $$
DECLARE
  mine xid;
  written record;
  own bigint := 0;
  missing boolean;
  others boolean;
BEGIN
  SELECT c.xmin INTO mine FROM (SELECT * FROM added LIMIT 1) a CROSS JOIN LATERAL (SELECT c.xmin FROM contact_points c
    WHERE c.organisation_id = a.organisation_id AND c.resident_id = a.resident_id AND c.channel = a.channel
      AND c.address = a.address OFFSET 0) c;
  SELECT count(*) AS rows, min(organisation_id) AS owner, max(organisation_id) AS last_owner, min(resident_id) AS low,
    max(resident_id) AS high INTO written FROM added;
  IF written.rows > 100 AND written.owner = written.last_owner THEN
    SELECT count(*) INTO own FROM added a JOIN (SELECT r.id, r.xmin FROM residents r
        WHERE r.organisation_id = written.owner AND r.id BETWEEN written.low AND written.high
        ORDER BY r.id LIMIT 2 * written.rows) r ON r.id = a.resident_id
      WHERE r.xmin = mine;
  END IF;
  IF own = written.rows THEN RETURN NULL; END IF;
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
SET enable_bitmapscan = off
SET enable_nestloop = off
AS $$
DECLARE
  mine xid;
  named record;
  own bigint;
  are_own boolean := true;
  missing boolean;
  others boolean;
BEGIN
  SELECT m.xmin INTO mine FROM (SELECT * FROM added LIMIT 1) a CROSS JOIN LATERAL (SELECT m.xmin FROM list_members m
    WHERE m.list_id = a.list_id AND m.resident_id = a.resident_id OFFSET 0) m;
  FOR named IN SELECT organisation_id, list_id, count(*) AS rows, min(resident_id) AS low, max(resident_id) AS high
    FROM added GROUP BY organisation_id, list_id ORDER BY list_id
  LOOP
    PERFORM FROM lists l WHERE l.organisation_id = named.organisation_id AND l.id = named.list_id FOR KEY SHARE;
    IF NOT FOUND THEN PERFORM tocsin_violation('list_members', 'list'); END IF;
    IF are_own AND named.rows > 100 THEN
      SELECT count(*) INTO own FROM added a JOIN (SELECT r.id, r.xmin FROM residents r
          WHERE r.organisation_id = named.organisation_id AND r.id BETWEEN named.low AND named.high
          ORDER BY r.id LIMIT 2 * named.rows) r ON r.id = a.resident_id
        WHERE r.xmin = mine AND a.organisation_id = named.organisation_id AND a.list_id = named.list_id;
      are_own := own = named.rows;
    ELSE
      are_own := false;
    END IF;
  END LOOP;
  IF are_own THEN RETURN NULL; END IF;
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
