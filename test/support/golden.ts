/**
 * Golden frames: PDUs put together by hand from the field tables of SMPP 3.4, one field a line, in test/golden/*.hex.
 * They are the judge, so no code of ours may ever write them.
 */

import { readdirSync, readFileSync } from 'node:fs';

const folder = new URL('../golden/', import.meta.url);

/** Names of all golden frames, without `.hex`. */
export function goldenNames(): string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.hex'))
    .map((file) => file.slice(0, -'.hex'.length))
    .sort();
}

/** The bytes of a golden frame; `#` begins a comment. */
export function golden(name: string): Buffer {
  const text = readFileSync(new URL(`${name}.hex`, folder), 'utf8');
  const digits = text.replace(/#.*$/gm, '').replace(/\s+/g, '');
  const bytes = Buffer.from(digits, 'hex');
  if (bytes.length * 2 !== digits.length) throw new Error(`${name}.hex holds something that is not hexadecimal`);
  return bytes;
}
