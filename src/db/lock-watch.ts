/**
 * Who is in the way of a session that waits for a lock, seen over a second connection while it waits. Used by the
 * migration. Never reads statements: they may name persons.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientBase } from 'pg';

/** A session that holds a lock, or waits for it first. */
export type LockHolder = {
  readonly pid: number;
  readonly role: string;
  readonly application: string;
  /** As PostgreSQL says it, for example `idle in transaction`. */
  readonly state: string;
  /** Since its transaction began. */
  readonly forMs: number;
};

/** Whoever needs a lock for less does not wait for anybody. */
const lookMs = 80;

const holdersSql = `select pid, coalesce(usename, '') as role, coalesce(application_name, '') as application,
    coalesce(state, '') as state, coalesce(extract(epoch from now() - xact_start) * 1000, 0)::float8 as "forMs"
  from pg_stat_activity where pid = any(pg_blocking_pids($1)) order by xact_start`;

/** See the head of this file. */
export class LockWatch {
  readonly #pid: number;
  readonly #connect: () => Promise<ClientBase>;
  #client: Promise<ClientBase> | undefined;
  #holders: readonly LockHolder[] = [];

  /** `pid` of the session that waits; `connect` opens the second connection, when it is needed. */
  constructor(pid: number, connect: () => Promise<ClientBase>) {
    this.#pid = pid;
    this.#connect = connect;
  }

  /** Those that were in the way last during the last action; empty when none was, or none could be seen. */
  get holders(): readonly LockHolder[] {
    return this.#holders;
  }

  /** Looks on while `action` runs; ends as it does. */
  async during<T>(action: () => Promise<T>): Promise<T> {
    this.#holders = [];
    const over = new AbortController();
    const looking = this.#look(over.signal);
    try {
      return await action();
    } finally {
      over.abort();
      await looking;
    }
  }

  async #look(over: AbortSignal): Promise<void> {
    try {
      for (;;) {
        await delay(lookMs, undefined, { signal: over });
        this.#client ??= this.#connect();
        const { rows } = await (await this.#client).query<LockHolder>(holdersSql, [this.#pid]);
        if (rows.length > 0) this.#holders = rows;
      }
    } catch {
      // The action is over; or nobody can be seen, and it is told without them.
    }
  }
}
