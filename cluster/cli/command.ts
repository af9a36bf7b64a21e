/**
 * What a subcommand of the operator's command is, and what it is given. Each has a file of its own beside this one.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ParseArgsConfig } from 'node:util';
import { Fault } from '../../src/fault.ts';
import type { Settings } from '../../config/schema.ts';

/** Arguments of a subcommand, parsed. */
export type Arguments = {
  readonly values: Readonly<Record<string, unknown>>;
  readonly positionals: readonly string[];
};

/** What a subcommand works with. */
export type Surroundings = {
  readonly settings: Settings;
  readonly environment: NodeJS.ProcessEnv;
  /** Prints a line for a person, at once; nothing with --json. */
  readonly say: (text: string) => void;
  /** Aborted when the person has had enough. Who looks at it must heed it: they are not ended otherwise. */
  readonly signal: AbortSignal;
};

/** How it went: printed with --json, told by the exit code. */
export type Result = {
  /** 0: as it should be. 1: it failed, or differs. */
  readonly exitCode: 0 | 1;
  /** The one object that --json prints; its field names are stable. */
  readonly json: object;
};

/** A subcommand. */
export type Command = {
  readonly name: string;
  /** Names of what must follow it, such as WORKER. */
  readonly takes: readonly string[];
  /** One line for the list of all. */
  readonly summary: string;
  /** The rest of its help. */
  readonly help: string;
  readonly options: NonNullable<ParseArgsConfig['options']>;
  run(args: Arguments, surroundings: Surroundings): Promise<Result>;
};

/** A fault of whoever typed the command. */
export function usage(message: string): Fault {
  return new Fault('input', message, { reason: 'usage' });
}

/** Resolves after `ms`, or when the person has had enough. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

/**
 * The value of an option that counts seconds.
 * @throws Fault `input` for what is no count.
 */
export function secondsOf(args: Arguments, name: string, otherwise: number): number {
  const value = args.values[name];
  if (value === undefined) return otherwise;
  const seconds = Number(value);
  if (typeof value !== 'string' || !(seconds > 0) || seconds > 86_400)
    throw usage(`--${name} must be a number of seconds, at most 86400`);
  return seconds;
}
