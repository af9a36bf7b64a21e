#!/usr/bin/env node
/**
 * `npx tocsin`: starts the operator's command of this clone, which `npm run build` makes. Plain JavaScript, because it
 * must be there before the build. Main process.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const main = join(import.meta.dirname, '..', '..', 'dist', 'cluster', 'cli', 'main.js');
if (existsSync(main)) await import(pathToFileURL(main).href);
else {
  process.stderr.write('tocsin: it is not built yet; run npm ci && npm run build first\n');
  process.exitCode = 1;
}
