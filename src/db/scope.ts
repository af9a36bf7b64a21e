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

/** What a statement's rows look like: pg's own reading of the description, which is the same each time. */
type Shape = Pick<Reading, 'fields' | '_parsers' | '_prebuiltEmptyResultObject'>;
type Reading = { fields: unknown[]; _parsers: unknown; _prebuiltEmptyResultObject: unknown };

type Wire = Connection & { describe(): void };

/** What is known of the statements that a connection has prepared. `undescribed` does not ask for a description. */
type Known = { readonly shapes: Map<string, Shape>; readonly undescribed: Wire };
const known = new WeakMap<Wire, Known>();

function knownOf(connection: Wire): Known {
  const found = known.get(connection);
  if (found !== undefined) return found;
  const undescribed = Object.create(connection, { describe: { value: ignore } }) as Wire;
  const fresh = { shapes: new Map<string, Shape>(), undescribed };
  known.set(connection, fresh);
  return fresh;
}

type QueryMethods = {
  prepare(connection: Wire): void;
  handleRowDescription(message: unknown): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: Wire): void;
};
const plain = Query.prototype as unknown as QueryMethods;

/** A query that is preceded by the scope's setting, in the same write and the same transaction. */
class ScopedQuery extends Query {
  readonly setting: Buffer;
  readonly statement: string | undefined;
  /** Also where it has neither name nor values: a simple query would not be preceded by the setting. */
  readonly queryMode = 'extended';
  connection: Wire | undefined;
  scopeSet = false;
  declare _result: Reading;
  declare _accumulateRows: boolean;

  constructor(setting: Buffer, { name, text }: Statement, values: Values, done: Done) {
    super({ ...(name === undefined ? {} : { name }), text, values: [...values] }, done);
    this.setting = setting;
    this.statement = name;
  }

  prepare(connection: Wire): void {
    this.connection = connection;
    connection.stream.write(this.setting);
    const { shapes, undescribed } = knownOf(connection);
    const shape = this.statement === undefined ? undefined : shapes.get(this.statement);
    if (shape === undefined) return plain.prepare.call(this, connection);
    Object.assign(this._result, shape);
    this._accumulateRows = true;
    plain.prepare.call(this, undescribed);
  }

  handleRowDescription(message: unknown): void {
    plain.handleRowDescription.call(this, message);
    if (this.statement === undefined || this.connection === undefined) return;
    const { fields, _parsers, _prebuiltEmptyResultObject } = this._result;
    knownOf(this.connection).shapes.set(this.statement, { fields, _parsers, _prebuiltEmptyResultObject });
  }

  handleDataRow(message: unknown): void {
    if (this.scopeSet) plain.handleDataRow.call(this, message);
  }

  handleCommandComplete(message: unknown, connection: Wire): void {
    if (this.scopeSet) plain.handleCommandComplete.call(this, message, connection);
    this.scopeSet = true;
  }
}

/** Messages that bind and execute `scopeStatement` (PostgreSQL protocol, "Message Formats"). */
function settingMessages(values: readonly string[]): Buffer {
  const int16 = (value: number) => Buffer.from([value >> 8, value & 0xff]);
  const sized = (bytes: Buffer, own: number) => {
    const size = Buffer.alloc(4);
    size.writeInt32BE(bytes.length + own);
    return Buffer.concat([size, bytes]);
  };
  const parameters = values.map((value) => sized(Buffer.from(value), 0));
  const bind = [Buffer.from(`\0${scopeStatement.name}\0`), int16(0), int16(values.length), ...parameters, int16(0)];
  const execute = Buffer.alloc(5);
  return Buffer.concat([Buffer.from('B'), sized(Buffer.concat(bind), 4), Buffer.from('E'), sized(execute, 4)]);
}

/** The setting for statements that are planned each time, and for those that are planned once. */
type Settings = { readonly values: readonly string[]; readonly auto: Buffer; readonly once: Buffer };

function settingsOf(scope: Scope): Settings {
  const setting = settingOf(scope);
  const values = [...setting, 'auto'];
  return { values, auto: settingMessages(values), once: settingMessages([...setting, 'force_generic_plan']) };
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

function ignore(): void {}

async function withClient<Result>(pool: Pool, work: (client: PoolClient) => Promise<Result>): Promise<Result> {
  let client: PoolClient | undefined;
  let broken = false;
  try {
    client = await pool.connect();
    return await work(client);
  } catch (error) {
    // A connection whose statement was refused is sound; any other error leaves its state unknown.
    broken = !(error instanceof DatabaseError) || isUnavailable(error);
    throw broken ? new Fault('postgres', 'PostgreSQL cannot be used at the moment', { cause: error }) : error;
  } finally {
    client?.release(broken);
  }
}

function runScoped<Row extends QueryResultRow>(
  client: PoolClient,
  setting: Buffer,
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
  const settings = settingsOf(scope);
  const transaction = <Result>(work: (session: Session) => Promise<Result>) =>
    scope === 'platform' ? database.platform(work) : database.tenant(scope.organisation, work);
  return {
    run: (statement, values = []) =>
      withClient(database.pool, async (client) => {
        if (!prepared.has(client)) {
          await runPlain(client, scopeStatement, settings.values);
          prepared.add(client);
        }
        return await runScoped(client, statement.plannedOnce ? settings.once : settings.auto, statement, values);
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
