/** `tocsin size`: from a deadline and contracts to processes, Redis and PostgreSQL, as `npm run size` says it. */
import { isFault } from '../../src/fault.ts';
import { sizeCommand as sizing, sizeHelp, sizeOptions } from '../size-command.ts';
import { type Arguments, type Command, usage } from './command.ts';

/** See the head of this file. */
export const sizeCommand: Command = {
  name: 'size',
  takes: [],
  summary: 'from a deadline and contracts to what a cluster needs',
  help: sizeHelp.replace('npm run size --', 'tocsin size'),
  options: sizeOptions,
  async run(args, { say }) {
    const flags = flagsOf(args);
    if (args.values['json'] !== true) say(sized(flags).trimEnd());
    return { exitCode: 0, json: JSON.parse(sized([...flags, '--json'])) as object };
  },
};

/** The flags as they were typed, but --json. */
function flagsOf({ values }: Arguments): string[] {
  return Object.entries(values).flatMap(([name, value]) => {
    if (name === 'json') return [];
    if (value === true) return [`--${name}`];
    return typeof value === 'string' ? [`--${name}=${value}`] : [];
  });
}

function sized(flags: readonly string[]): string {
  try {
    return sizing(flags);
  } catch (error) {
    throw isFault(error, 'input') ? usage(error.message) : error;
  }
}
