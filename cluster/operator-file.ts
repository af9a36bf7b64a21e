/**
 * Settings for the operator's command of an installation that `npm start` made, as a file that a shell can read. It
 * holds a password, so it is its owner's alone. Used by `all.ts`.
 */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** `text` as one word of a shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Writes the file into `home`; returns its path. */
export function writeOperatorFile(home: string, settings: Readonly<Record<string, string | undefined>>): string {
  const path = join(home, 'operator.env');
  const lines = Object.entries(settings).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${quoted(value)}\n`],
  );
  writeFileSync(path, lines.join(''), { mode: 0o600 });
  chmodSync(path, 0o600);
  return path;
}
