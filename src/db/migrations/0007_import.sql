-- Foreign keys of residents, contact points and members become triggers for each statement. A foreign key asks once
-- for each row: half the time of an import. Triggers ask once for all rows of a statement, and promise the same:
--  * A child names a parent of its own organisation, or the statement fails with foreign_key_violation. The writer sees
--    parents through row-level security, which can only refuse more.
--  * A parent that is deleted takes its children along.
--  * Both at once: the child's trigger holds FOR KEY SHARE on its parent until its transaction ends, as a foreign key
--    would. Who deletes the parent waits for that, and its trigger, which has a snapshot of its own, sees the child. Who
--    comes second finds, once it has the lock, that the parent is gone. A parent that the child's own transaction wrote
--    (both have one xmin) is locked by that already: nobody else sees it, or may delete it, before the commit.
--  * Only READ COMMITTED gives that snapshot, so a delete under another isolation level fails.
--  * Keys do not change.
-- TRUNCATE does not cascade; no role of the program may TRUNCATE.
-- Plans of these functions are kept, also one that was made while a table was empty. So each reads a table by the whole
-- of one key (OFFSET 0 keeps a look-up what it is), and scans of whole tables are off.
ALTER TABLE "contact_points" DROP CONSTRAINT "contact_points_organisation_id_organisations_id_fk";--> statement-breakpoint
ALTER TABLE "contact_points" DROP CONSTRAINT "contact_points_own_resident";--> statement-breakpoint
ALTER TABLE "list_members" DROP CONSTRAINT "list_members_organisation_id_organisations_id_fk";--> statement-breakpoint
ALTER TABLE "list_members" DROP CONSTRAINT "list_members_own_resident";--> statement-breakpoint
ALTER TABLE "list_members" DROP CONSTRAINT "list_members_own_list";--> statement-breakpoint
ALTER TABLE "residents" DROP CONSTRAINT "residents_organisation_id_organisations_id_fk";--> statement-breakpoint
-- Every query names the organisation, itself or by row-level security, so one key serves in place of two. A reference
-- comes first in its index so that nothing reads all of an organisation by it.
-- The index is partial, so that a resident is never looked up by id in it: where an ANALYZE has seen no rows, as in the
-- middle of a first import, every index seems equally cheap, and PostgreSQL would skip through it by organisation.
ALTER TABLE "residents" DROP CONSTRAINT "residents_organisation", DROP CONSTRAINT "residents_pkey",
  ADD CONSTRAINT "residents_organisation_id_id_pk" PRIMARY KEY("organisation_id","id");--> statement-breakpoint
DROP INDEX "residents_reference";--> statement-breakpoint
CREATE UNIQUE INDEX "residents_reference" ON "residents" USING btree ("external_reference","organisation_id")
  WHERE external_reference is not null;--> statement-breakpoint
DROP INDEX "contact_points_address";--> statement-breakpoint
ALTER TABLE "contact_points" DROP COLUMN "id", ADD CONSTRAINT "contact_points_organisation_id_resident_id_channel_address_pk"
  PRIMARY KEY("organisation_id","resident_id","channel","address");--> statement-breakpoint
-- A resident's memberships are found by the organisation's lists.
DROP INDEX "list_members_resident";--> statement-breakpoint
CREATE FUNCTION tocsin_violation(child text, parent text) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION 'a row of % has no % of its organisation', child, parent
    USING ERRCODE = 'foreign_key_violation', TABLE = child, CONSTRAINT = child || '_own_' || parent;
END
$$;--> statement-breakpoint
CREATE FUNCTION tocsin_residents_added() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
SET tocsin.platform = 'on'
AS $$
DECLARE
  owner bigint;
BEGIN
  -- The setting shows the organisation to the API's role with the right to lock it, which a tenant does not have.
  FOR owner IN SELECT DISTINCT organisation_id FROM added ORDER BY organisation_id LOOP
    PERFORM FROM organisations WHERE id = owner FOR KEY SHARE;
    IF NOT FOUND THEN PERFORM tocsin_violation('residents', 'organisation'); END IF;
  END LOOP;
  RETURN NULL;
END
$$;--> statement-breakpoint
CREATE FUNCTION tocsin_contact_points_added() RETURNS trigger
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
CREATE FUNCTION tocsin_list_members_added() RETURNS trigger
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
$$;--> statement-breakpoint
-- A cascade runs as whoever deletes. It takes on each organisation in turn, because row-level security hides children
-- from a platform's delete; the function's own setting gives back what stood before.
CREATE FUNCTION tocsin_removed() RETURNS trigger
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
$$;--> statement-breakpoint
CREATE FUNCTION tocsin_moved() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION 'keys of % do not change', TG_TABLE_NAME USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME;
END
$$;--> statement-breakpoint
CREATE TRIGGER added AFTER INSERT ON residents REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION tocsin_residents_added();--> statement-breakpoint
CREATE TRIGGER added AFTER INSERT ON contact_points REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION tocsin_contact_points_added();--> statement-breakpoint
CREATE TRIGGER added AFTER INSERT ON list_members REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION tocsin_list_members_added();--> statement-breakpoint
CREATE TRIGGER removed AFTER DELETE ON organisations REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION tocsin_removed();--> statement-breakpoint
CREATE TRIGGER removed AFTER DELETE ON residents REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION tocsin_removed();--> statement-breakpoint
CREATE TRIGGER removed AFTER DELETE ON lists REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION tocsin_removed();--> statement-breakpoint
CREATE TRIGGER moved AFTER UPDATE OF organisation_id, id ON residents FOR EACH ROW
  WHEN ((old.organisation_id, old.id) IS DISTINCT FROM (new.organisation_id, new.id)) EXECUTE FUNCTION tocsin_moved();--> statement-breakpoint
CREATE TRIGGER moved AFTER UPDATE OF organisation_id, id ON lists FOR EACH ROW
  WHEN ((old.organisation_id, old.id) IS DISTINCT FROM (new.organisation_id, new.id)) EXECUTE FUNCTION tocsin_moved();--> statement-breakpoint
CREATE TRIGGER moved AFTER UPDATE OF id ON organisations FOR EACH ROW
  WHEN (old.id IS DISTINCT FROM new.id) EXECUTE FUNCTION tocsin_moved();--> statement-breakpoint
CREATE TRIGGER moved AFTER UPDATE OF organisation_id, resident_id ON contact_points FOR EACH ROW
  WHEN ((old.organisation_id, old.resident_id) IS DISTINCT FROM (new.organisation_id, new.resident_id))
  EXECUTE FUNCTION tocsin_moved();--> statement-breakpoint
CREATE TRIGGER moved AFTER UPDATE OF organisation_id, list_id, resident_id ON list_members FOR EACH ROW
  WHEN ((old.organisation_id, old.list_id, old.resident_id) IS DISTINCT FROM (new.organisation_id, new.list_id, new.resident_id))
  EXECUTE FUNCTION tocsin_moved();
