/** `npm run size`: see size-command.ts. Ends with status 2 for wrong flags. */
import { isFault } from '../src/fault.ts';
import { sizeCommand } from './size-command.ts';

try {
  process.stdout.write(sizeCommand(process.argv.slice(2)));
} catch (error) {
  if (!isFault(error, 'input')) throw error;
  process.stderr.write(`size: ${error.message}\nsize: --help shows every flag\n`);
  process.exitCode = 2;
}
