/**
 * The operator's command: `npx tocsin SUBCOMMAND`. Reads its settings from the environment like every process of the
 * cluster, does one thing and ends. Prints for people, or with --json one object for programs. Main process.
 */
import { parseArgs } from 'node:util';
import { loadSettings, unknownSettings } from '../../config/load.ts';
import { tellUnknown } from '../../config/unknown.ts';
import { Fault, isFault } from '../../src/fault.ts';
import { wordsOf } from '../words.ts';
import { carrierCommand } from './carrier.ts';
import type { Arguments, Command, Surroundings } from './command.ts';
import { usage } from './command.ts';
import { drainCommand, undrainCommand } from './drain.ts';
import { migrateCommand } from './migrate.ts';
import { reconcileCommand } from './reconcile.ts';
import { sizeCommand } from './size.ts';
import { statusCommand } from './status.ts';
import { verifyReportCommand } from './verify-report.ts';

const commands: readonly Command[] = [
  statusCommand,
  drainCommand,
  undrainCommand,
  carrierCommand,
  reconcileCommand,
  verifyReportCommand,
  migrateCommand,
  sizeCommand,
];

const ending = `
Settings are environment variables, as for every process: REDIS_URL, TOCSIN_CARRIERS, and DATABASE_URL of the role
tocsin_service (for migrate of the owner); or DATABASE_URL_FILE and so on. --json prints one object, no text.
Exit codes: 0 all is well, 1 it failed or differs, 2 the command or a setting is wrong.
`;

function overview(): string {
  const names = commands.map((command) => nameOf(command));
  const width = Math.max(...names.map((name) => name.length));
  const list = commands.map(({ summary }, at) => `  ${names[at]?.padEnd(width)}  ${summary}`).join('\n');
  return `tocsin SUBCOMMAND [options]; tocsin SUBCOMMAND --help says more\n\n${list}\n${ending}`;
}

function nameOf({ name, takes }: Command): string {
  return [name, ...takes].join(' ');
}

function helpOf(command: Command): string {
  return `tocsin ${nameOf(command)}: ${command.summary}\n\n${command.help.trim()}\n${ending}`;
}

function argumentsOf(command: Command, argv: string[]): Arguments {
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      options: { ...command.options, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    });
    if (values.help !== true && positionals.length !== command.takes.length)
      throw new Error(command.takes.length === 0 ? 'nothing follows it' : `${command.takes.join(' ')} must follow it`);
    // As of a variable of a shell that is not set: the beginning of every name.
    if (positionals.includes('')) throw new Error(`${command.takes.join(' ')} must not be empty`);
    return { values, positionals };
  } catch (error) {
    throw usage(error instanceof Error ? error.message : String(error));
  }
}

/** Runs what the command line says; resolves with the exit code. */
async function run([name, ...rest]: readonly string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(overview());
    return name === undefined ? 2 : 0;
  }
  const isJson = rest.includes('--json');
  try {
    const command = commands.find((known) => known.name === name);
    if (command === undefined) throw usage(`there is no ${name}; tocsin --help lists what there is`);
    const args = argumentsOf(command, rest);
    if (args.values['help'] === true) {
      process.stdout.write(helpOf(command));
      return 0;
    }
    const { exitCode, json } = await command.run(args, surroundingsOf(isJson));
    if (isJson) process.stdout.write(`${JSON.stringify(json)}\n`);
    return exitCode;
  } catch (error) {
    return refuse(name, error, isJson);
  }
}

function surroundingsOf(isJson: boolean): Surroundings {
  const settings = loadSettings();
  for (const unknown of unknownSettings(settings)) process.stderr.write(`tocsin: ${tellUnknown(unknown)}\n`);
  let signal: AbortSignal | undefined;
  return {
    settings,
    environment: process.env,
    say: isJson ? () => undefined : (text) => void process.stdout.write(`${text}\n`),
    get signal() {
      return (signal ??= heedSignals());
    },
  };
}

/** Ctrl-C is heeded from here on, so only for a command that asks for `signal`: any other ends by it at once. */
function heedSignals(): AbortSignal {
  const enough = new AbortController();
  process.once('SIGINT', () => enough.abort());
  process.once('SIGTERM', () => enough.abort());
  return enough.signal;
}

/** A fault is told in words with what is behind it; a bug keeps its stack. Neither holds a secret. */
function refuse(name: string, error: unknown, isJson: boolean): number {
  if (!isFault(error)) throw error;
  const text = wordsOf(error);
  process.stderr.write(`tocsin ${name}: ${text}\n`);
  if (isJson) process.stdout.write(`${JSON.stringify({ error: { code: error.code, message: text } })}\n`);
  return isUsage(error) ? 2 : 1;
}

function isUsage(error: Fault): boolean {
  return error.code === 'config' || error.reason === 'usage';
}

// As behind `| head`, which has read enough.
process.stdout.on('error', () => process.exit(1));
// Whoever waits for a server that says nothing need not wait for its timers too.
process.exit(await run(process.argv.slice(2)));
