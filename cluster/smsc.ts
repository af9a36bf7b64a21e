/**
 * The carrier simulator as a process: flags in, one JSON line on standard output when it listens. `--help` says what
 * there is. Ends with status 0 on SIGINT or SIGTERM, 2 for wrong flags, 1 when it cannot start.
 */
import { isFault } from '../src/fault.ts';
import { type Smsc, startSmsc } from '../src/smsc/server.ts';
import { smscFlags, smscHelp } from './smsc-flags.ts';

async function main(argv: string[]): Promise<void> {
  const asked = smscFlags(argv);
  if ('help' in asked) {
    process.stdout.write(smscHelp);
    return;
  }
  const started: Smsc[] = [];
  const stop = async () => {
    await Promise.all(started.map((smsc) => smsc.stop()));
  };
  try {
    for (const carrier of asked.carriers) started.push(await startSmsc(carrier));
  } catch (error) {
    await stop();
    throw error;
  }
  const servers = started.map(({ port, httpPort }) => ({ port, httpPort }));
  process.stdout.write(`${JSON.stringify({ ready: true, ...servers[0], servers })}\n`);
  process.send?.({ ready: true, servers });
  if (process.send !== undefined) process.once('disconnect', () => void stop().then(() => process.exit(0), fail));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      stop().then(() => process.exit(0), fail);
    });
  }
}

function fail(error: unknown): void {
  if (!isFault(error)) throw error;
  process.stderr.write(`smsc: ${error.message}\n`);
  process.send?.({ failed: error.message });
  if (error.code === 'input') process.stderr.write('smsc: --help shows every flag\n');
  process.exit(error.code === 'input' ? 2 : 1);
}

main(process.argv.slice(2)).catch(fail);
