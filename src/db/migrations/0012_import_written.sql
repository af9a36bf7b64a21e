-- Contact points and members of residents whom their own transaction wrote just before need not be looked for: the
-- trigger of residents notes in a setting, tocsin.written, between which ids a statement has written each one, and for
-- which organisation. What is refused stays as it was, but for a statement that deletes a resident of its own
-- transaction and hangs something on them: that goes with the resident now, where it was refused.
--  * The note ends with the transaction, and one from before a savepoint comes back where that is undone: it is local.
--  * Nobody else sees these residents before the commit, so nobody else deletes them. Where the transaction itself
--    deletes residents, the note goes. Keys do not change.
--  * Triggers come in the order in which the parts of a statement end: the note is there for what hangs on residents
--    where these are the statement's main part. Rows that it does not cover are looked up as before.
-- A session that may set tocsin.organisation may set this as well; no policy looks at it.
CREATE FUNCTION tocsin_written() RETURNS bigint[]
LANGUAGE sql STABLE
AS $$
  SELECT string_to_array(nullif(current_setting('tocsin.written', true), ''), ' ')::bigint[]
$$;--> statement-breakpoint
CREATE OR REPLACE FUNCTION tocsin_residents_added() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
SET tocsin.platform = 'on'
AS $$
DECLARE
  written record;
  owner bigint;
BEGIN
  SELECT count(*) AS rows, min(organisation_id) AS owner, max(organisation_id) AS last_owner, min(id) AS lowest,
    max(id) AS highest INTO written FROM added;
  IF written.rows = 0 THEN RETURN NULL; END IF;
  IF written.owner = written.last_owner AND written.highest - written.lowest = written.rows - 1 THEN
    PERFORM set_config('tocsin.written', concat_ws(' ', written.owner, written.lowest, written.highest), true);
  END IF;
  -- The setting shows the organisation to the API's role with the right to lock it, which a tenant does not have.
  FOR owner IN SELECT written.owner UNION SELECT organisation_id FROM added WHERE organisation_id <> written.owner
    ORDER BY 1
  LOOP
    PERFORM FROM organisations WHERE id = owner FOR KEY SHARE;
    IF NOT FOUND THEN PERFORM tocsin_violation('residents', 'organisation'); END IF;
  END LOOP;
  RETURN NULL;
END
$$;--> statement-breakpoint
CREATE OR REPLACE FUNCTION tocsin_contact_points_added() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_nestloop = off
AS $$
DECLARE
  fresh bigint[] := tocsin_written();
  owner bigint;
  lowest bigint;
  highest bigint;
  mine xid;
  written record;
  own bigint := 0;
  missing boolean;
  others boolean;
BEGIN
  IF fresh IS NOT NULL THEN
    owner := fresh[1];
    lowest := fresh[2];
    highest := fresh[3];
    PERFORM FROM added
      WHERE organisation_id <> owner OR resident_id NOT BETWEEN lowest AND highest LIMIT 1;
    IF NOT FOUND THEN RETURN NULL; END IF;
  END IF;
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
  fresh bigint[] := tocsin_written();
  owner bigint;
  lowest bigint;
  highest bigint;
  list bigint;
  mine xid;
  named record;
  own bigint;
  are_own boolean := true;
  missing boolean;
  others boolean;
BEGIN
  IF fresh IS NOT NULL THEN
    owner := fresh[1];
    lowest := fresh[2];
    highest := fresh[3];
    list := (SELECT list_id FROM added LIMIT 1);
    PERFORM FROM added
      WHERE organisation_id <> owner OR list_id <> list OR resident_id NOT BETWEEN lowest AND highest LIMIT 1;
    IF NOT FOUND THEN
      PERFORM FROM lists l WHERE l.organisation_id = owner AND l.id = list FOR KEY SHARE;
      IF NOT FOUND AND list IS NOT NULL THEN PERFORM tocsin_violation('list_members', 'list'); END IF;
      RETURN NULL;
    END IF;
  END IF;
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
$$;--> statement-breakpoint
CREATE OR REPLACE FUNCTION tocsin_removed() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
SET enable_seqscan = off
SET tocsin.organisation = ''
AS $$
DECLARE
  parent record;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'rows of % are deleted under READ COMMITTED only', TG_TABLE_NAME
      USING ERRCODE = 'feature_not_supported';
  END IF;
  IF TG_TABLE_NAME = 'residents' THEN PERFORM set_config('tocsin.written', '', true); END IF;
  IF TG_TABLE_NAME = 'organisations' THEN
    FOR parent IN SELECT id FROM gone LOOP
      PERFORM set_config('tocsin.organisation', parent.id::text, true);
      DELETE FROM residents WHERE organisation_id = parent.id;
    END LOOP;
    RETURN NULL;
  END IF;
  FOR parent IN SELECT organisation_id, id FROM gone LOOP
    PERFORM set_config('tocsin.organisation', parent.organisation_id::text, true);
    IF TG_TABLE_NAME = 'lists' THEN
      DELETE FROM list_members WHERE list_id = parent.id;
    ELSE
      DELETE FROM contact_points WHERE organisation_id = parent.organisation_id AND resident_id = parent.id;
      DELETE FROM list_members WHERE resident_id = parent.id
        AND list_id = ANY (ARRAY(SELECT id FROM lists WHERE organisation_id = parent.organisation_id));
    END IF;
  END LOOP;
  RETURN NULL;
END
$$;
