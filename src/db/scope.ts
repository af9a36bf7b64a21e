/**
 * Runs statements on behalf of an organisation, of the platform, or of nobody yet. Row-level security decides
 * by the setting that stands here, so no statement of the API runs outside a scope. API process.
 *
 * A single statement takes one round trip: `set_config(…, true)` and the statement travel together and end with
 * one Sync, which makes them one transaction (PostgreSQL protocol, "Pipelining"); the setting ends with it and
 * cannot leak to the next user of the connection. Must never set anything for the session.
 */
import assert from 'node:assert';
import type { Connection, Pool, PoolClient, QueryResultRow } from 'pg';
import { DatabaseError, Query } from 'pg';
import { Fault } from '../fault.ts';
import type { Id } from '../handoff.ts';
import type { Database, Session } from './client.ts';

/** Who asks: an organisation, or the platform's owner. */
export type Scope = { readonly organisation: Id } | 'platform';

/** A statement; each connection prepares one with a name once. Names are unique in the program. */
export type Statement = {
  readonly name?: string;
  readonly text: string;
  /**
   * One plan is right for all parameters, so a connection need not plan it again each time, which for tables of many
   * partitions takes longer than the statement. Holds for `Scoped.run`, not inside transactions. Needs a name.
   */
  readonly plannedOnce?: true;
};

/** Values of a statement's parameters; arrays become PostgreSQL arrays. */
export type Values = readonly unknown[];

/** SQL for the organisation in whose scope a statement runs. */
export const me = "current_setting('tocsin.organisation')::bigint";

/** Runs one statement in a scope and gives its rows. */
export type Run = <Row extends QueryResultRow>(statement: Statement, values?: Values) => Promise<Row[]>;

/** Statements in a scope: one by one, or several in one transaction. */
export type Scoped = {
  /** One statement, its own transaction, one round trip. */
  readonly run: Run;
  /** Several statements that hold together: committed when `work` resolves, undone when it rejects. */
  transaction<Result>(work: (run: Run) => Promise<Result>): Promise<Result>;
};

const scopeStatement = {
  name: 'tocsin_scope',
  text: "select set_config($1, $2, true), set_config('plan_cache_mode', $3, true)",
};

/** Connections on which `scopeStatement` is prepared. */
const prepared = new WeakSet<PoolClient>();

type Wire = Connection & {
  bind(message: { portal: string; statement: string; values: readonly string[] }): void;
  execute(message: { portal: string; rows: number }): void;
};

type QueryMethods = {
  prepare(connection: Wire): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: Wire): void;
};
const plain = Query.prototype as unknown as QueryMethods;

/** A query that is preceded by the scope's setting, in the same write and the same transaction. */
class ScopedQuery extends Query {
  readonly setting: readonly string[];
  scopeSet = false;

  constructor(setting: readonly string[], { plannedOnce, ...statement }: Statement, values: Values, done: Done) {
    super({ ...statement, values: [...values] }, done);
    this.setting = [...setting, planMode(plannedOnce)];
  }

  prepare(connection: Wire): void {
    connection.bind({ portal: '', statement: scopeStatement.name, values: this.setting });
    connection.execute({ portal: '', rows: 0 });
    plain.prepare.call(this, connection);
  }

  handleDataRow(message: unknown): void {
    if (this.scopeSet) plain.handleDataRow.call(this, message);
  }

  handleCommandComplete(message: unknown, connection: Wire): void {
    if (this.scopeSet) plain.handleCommandComplete.call(this, message, connection);
    this.scopeSet = true;
  }
}

function planMode(plannedOnce: true | undefined): string {
  return plannedOnce === true ? 'force_generic_plan' : 'auto';
}

type Done = (error: Error | undefined | null, result: { rows: unknown[] }) => void;

function settingOf(scope: Scope): readonly [string, string] {
  if (scope === 'platform') return ['tocsin.platform', 'on'];
  assert(/^[0-9]{1,19}$/u.test(scope.organisation), 'an organisation id is decimal digits');
  return ['tocsin.organisation', scope.organisation];
}

/**
 * SQLSTATEs that say "not now" rather than "not so": classes 08 connection exception, 53 insufficient resources,
 * 57 operator intervention (a statement that took too long among them), 58 system error, and 55P03, a lock that was not
 * free in time.
 */
function isUnavailable(error: DatabaseError): boolean {
  return /^(?:08|53|55P03|57|58)/u.test(error.code ?? '');
}

/** The statement in hand is told of a lost connection too. */
function ignore(): void {}

async function withClient<Result>(pool: Pool, work: (client: PoolClient) => Promise<Result>): Promise<Result> {
  let client: PoolClient | undefined;
  let broken = false;
  try {
    client = await pool.connect();
    // Without a listener a connection that ends between two statements would end the process.
    client.on('error', ignore);
    return await work(client);
  } catch (error) {
    // A connection whose statement was refused is sound; any other error leaves its state unknown.
    broken = !(error instanceof DatabaseError) || isUnavailable(error);
    throw broken ? new Fault('postgres', 'PostgreSQL cannot be used at the moment', { cause: error }) : error;
  } finally {
    client?.off('error', ignore);
    client?.release(broken);
  }
}

function runScoped<Row extends QueryResultRow>(
  client: PoolClient,
  setting: readonly string[],
  statement: Statement,
  values: Values,
): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    const done: Done = (error, result) => (error ? reject(error) : resolve(result.rows as Row[]));
    client.query(new ScopedQuery(setting, statement, values, done));
  });
}

async function runPlain<Row extends QueryResultRow>(
  client: PoolClient,
  { plannedOnce: _, ...statement }: Statement,
  values: Values,
): Promise<Row[]> {
  const result = await client.query<Row>({ ...statement, values: [...values] });
  return result.rows;
}

/** Statements on behalf of `scope`. Errors of the server that mean "not now" become `Fault('postgres')`. */
export function scoped(database: Database, scope: Scope): Scoped {
  const setting = settingOf(scope);
  const transaction = <Result>(work: (session: Session) => Promise<Result>) =>
    scope === 'platform' ? database.platform(work) : database.tenant(scope.organisation, work);
  return {
    run: (statement, values = []) =>
      withClient(database.pool, async (client) => {
        if (!prepared.has(client)) {
          await runPlain(client, scopeStatement, [...setting, planMode(undefined)]);
          prepared.add(client);
        }
        return await runScoped(client, setting, statement, values);
      }),
    transaction: (work) =>
      transaction(({ client }) => work((statement, values = []) => runPlain(client, statement, values))),
  };
}

/** Runs statements that need no scope, because they say themselves whom they serve. */
export function unscoped(database: Database): Run {
  return (statement, values = []) => withClient(database.pool, (client) => runPlain(client, statement, values));
}

/** The row of a statement that always gives one. */
export function only<Row>(rows: readonly Row[]): Row {
  const [row] = rows;
  assert(row !== undefined, 'the statement gives a row');
  return row;
}

/** The constraint that refused a statement as not unique (SQLSTATE 23505), or undefined. */
export function uniqueViolation(error: unknown): string | undefined {
  return error instanceof DatabaseError && error.code === '23505' ? error.constraint : undefined;
}
