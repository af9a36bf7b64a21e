/**
 * Leases of work that must have one doer in the whole cluster: a row in PostgreSQL with an epoch that rises
 * with each new holder. A holder may be slow without knowing it, so its writes check the epoch.
 */
import type { ClientBase, Pool } from 'pg';
import { Fault } from '../fault.ts';
import type { Id } from '../handoff.ts';

/** A lease that was held when it was taken. */
export type Lease = { readonly name: string; readonly owner: string; readonly epoch: Id };

/** Takes or renews a lease for `leaseMs` by PostgreSQL's clock; undefined while somebody else has it. */
export async function takeLease(pool: Pool, name: string, owner: string, leaseMs: number): Promise<Lease | undefined> {
  const { rows } = await pool.query<{ epoch: Id }>(
    `insert into leases as l (name, owner, epoch, lease_until) values ($1, $2, 1, now() + $3 * interval '1 millisecond')
      on conflict (name) do update set owner = excluded.owner, lease_until = excluded.lease_until,
        epoch = l.epoch + (l.owner <> excluded.owner)::int
      where l.owner = excluded.owner or l.lease_until < now() returning epoch`,
    [name, owner, leaseMs],
  );
  const [row] = rows;
  return row === undefined ? undefined : { name, owner, epoch: row.epoch };
}

/** In the transaction of a guarded write: throws `Fault('fenced')` when the lease is somebody else's by now. */
export async function checkLease(client: ClientBase, lease: Lease): Promise<void> {
  const { rowCount } = await client.query(
    'select from leases where name = $1 and owner = $2 and epoch = $3 for share',
    [lease.name, lease.owner, lease.epoch],
  );
  if (rowCount === 0) throw new Fault('fenced', `the lease ${lease.name} belongs to somebody else by now`);
}

/** Gives a lease back before its end. */
export async function releaseLease(pool: Pool, lease: Lease): Promise<void> {
  await pool.query("update leases set lease_until = '-infinity' where name = $1 and owner = $2 and epoch = $3", [
    lease.name,
    lease.owner,
    lease.epoch,
  ]);
}
