/** How many connections the server has left for a role. Every process asks once at its start. */
import type { Pool } from 'pg';

/** Connections of the server. */
export type Room = {
  /** That ordinary roles may have in all, or this role where it has a limit of its own. */
  readonly max: number;
  /** That nobody else has at the moment. */
  readonly free: number;
};

/** Counts connections of others; ours count as free. Behind a pooler it is the pooler's connections that count. */
export async function readRoom(pool: Pool): Promise<Room> {
  const { rows } = await pool.query<Room>(
    `with server as (select current_setting('max_connections')::int
          - current_setting('superuser_reserved_connections')::int
          - coalesce(current_setting('reserved_connections', true)::int, 0) as max),
        role as (select nullif(rolconnlimit, -1) as max from pg_roles where rolname = current_user),
        taken as (select count(*) as all, count(*) filter (where usename = current_user) as same from pg_stat_activity
          where backend_type = 'client backend' and pid <> pg_backend_pid())
      select least(s.max, r.max)::int as max,
        least(s.max - t.all, coalesce(r.max - t.same, s.max - t.all))::int as free
      from server s, role r, taken t`,
  );
  const [room] = rows;
  return room ?? { max: 0, free: 0 };
}
