/**
 * The one exception class. A fault is something that went wrong outside our own logic and that the
 * caller cannot express as an outcome. Outcomes are values; bugs are assertions (node:assert).
 */

/** The closed set of fault codes; every place that throws picks one of these. */
export type FaultCode =
  /** Configuration or a carriers file is wrong; `details` lists every problem by path. */
  | 'config'
  /** A caller's input is wrong; `field` names the part at fault. */
  | 'input'
  /** The thing named does not exist, or belongs to somebody else. */
  | 'not-found'
  /** The request contradicts the present state, for example a launch of a launched campaign. */
  | 'conflict'
  /** The caller is not who they must be. */
  | 'unauthorised'
  /** A body, queue, or buffer is larger than its configured limit. */
  | 'too-large'
  /** PostgreSQL cannot be used at the moment. */
  | 'postgres'
  /** Redis cannot be used at the moment. */
  | 'redis'
  /** A carrier cannot be used at the moment. */
  | 'carrier'
  /** Something that must be on this machine to start is missing or taken. */
  | 'start'
  /** A lease or an epoch was lost to somebody else; the work must stop here. */
  | 'fenced'
  /** Data in a stream or table cannot be read by this version. */
  | 'unreadable';

/** What a fault may carry beside its message. */
export type FaultOptions = {
  /** The error behind this one. */
  readonly cause?: unknown;
  /** The input field at fault, as a JSON path such as `contents.fr`. */
  readonly field?: string;
  /** Several problems at once, one readable line each. */
  readonly details?: readonly string[];
  /** A stable, finer name than the code, used in problem types, for example `campaign-state`. */
  readonly reason?: string;
};

/** An operating error with a stable code. Messages say what happened and what to do about it. */
export class Fault extends Error {
  readonly code: FaultCode;
  readonly field: string | undefined;
  readonly reason: string | undefined;
  readonly details: readonly string[];

  constructor(code: FaultCode, message: string, options: FaultOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Fault';
    this.code = code;
    this.field = options.field;
    this.reason = options.reason;
    this.details = options.details ?? [];
  }
}

/** True when `error` is a fault, of `code` if one is given. */
export function isFault(error: unknown, code?: FaultCode): error is Fault {
  return error instanceof Fault && (code === undefined || error.code === code);
}
