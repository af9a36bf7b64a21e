/**
 * `npm run bench -- NAME [options]`: runs one bench; its last line is its result as one JSON object. `--smoke` takes
 * sizes that a test can afford. `npm run bench -- all` runs every bench that has a goal and renews the figures of
 * bench/README.md.
 */
import { parseArgs } from 'node:util';
import { isFault } from '../src/fault.ts';
import { benches } from './benches.ts';
import { type AnyBench, commonOptions, type OptionSet, type OptionValue, runBench } from './harness.ts';
import { runAll } from './report.ts';

/** The command line is wrong; the message says how. */
class Usage extends Error {}

async function main([name, ...rest]: readonly string[]): Promise<void> {
  if (name === undefined || name === '--help') {
    process.stdout.write(await helpText());
    return;
  }
  if (name === 'all') {
    await runAll(rest);
    return;
  }
  const load = benches[name];
  if (load === undefined) throw new Usage(`there is no bench "${name}"; there are ${Object.keys(benches).join(', ')}`);
  const bench = await load();
  const figures = await runBench(bench, optionsOf(bench, rest));
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}

/** What the flags say; `--smoke` stands for the bench's smallest sizes, which other flags go before. */
function optionsOf(bench: AnyBench, argv: readonly string[]): Record<string, OptionValue> {
  const set: OptionSet = { ...bench.options, ...commonOptions, smoke: { byDefault: false, about: '' } };
  const options = Object.fromEntries(
    Object.entries(set).map(([name, { byDefault }]) => [
      flagOf(name),
      { type: typeof byDefault === 'boolean' ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  const flags = flagsOf(argv, options);
  const given: Record<string, OptionValue> = flags['smoke'] === true ? { rounds: 1, ...bench.smoke } : {};
  for (const [name, { byDefault }] of Object.entries(set)) {
    const value = flags[flagOf(name)];
    if (value === undefined || name === 'smoke') continue;
    given[name] = typeof byDefault === 'number' ? numberOf(name, value) : value;
  }
  return given;
}

function flagsOf(
  args: readonly string[],
  options: Record<string, { type: 'boolean' | 'string' }>,
): Record<string, string | boolean | undefined> {
  try {
    return parseArgs({ args: [...args], options, allowNegative: true }).values;
  } catch (error) {
    throw new Usage(error instanceof Error ? error.message : String(error));
  }
}

function numberOf(name: string, value: string | boolean): number {
  const number = Number(value);
  if (typeof value === 'string' && value !== '' && Number.isFinite(number) && number >= 0) return number;
  throw new Usage(`--${flagOf(name)} must be a number`);
}

/** `waitingBytesMax` as `waiting-bytes-max`. */
function flagOf(option: string): string {
  return option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

async function helpText(): Promise<string> {
  const lines = ['npm run bench -- NAME [options]     (--smoke: the smallest sizes)', ''];
  for (const load of Object.values(benches)) {
    const { name, about, options } = await load();
    lines.push(`  ${name.padEnd(10)} ${about}`);
    for (const [option, { byDefault, about: what }] of Object.entries(options))
      lines.push(`      --${flagOf(option)}  ${what} (${String(byDefault)})`);
  }
  lines.push(
    '  all        every bench that has a goal; renews the figures of bench/README.md',
    '',
    'Options of every bench:',
  );
  for (const [option, { byDefault, about }] of Object.entries(commonOptions))
    lines.push(`      --${flagOf(option)}  ${about} (${String(byDefault)})`);
  return `${lines.join('\n')}\n`;
}

// An exit ends the servers that were started; a signal alone would leave them.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

main(process.argv.slice(2)).catch((error: unknown) => {
  const isExpected = error instanceof Usage || isFault(error);
  const text = error instanceof Error ? (isExpected ? error.message : (error.stack ?? error.message)) : String(error);
  process.stderr.write(`bench: ${text}\n`);
  process.exitCode = error instanceof Usage ? 2 : 1;
});
