/**
 * A secret of the environment: in its variable, or in a file that the variable with `_FILE` at its end names, as
 * containers are given theirs. What goes wrong is told by the variable's name and the file's path, never by a value.
 */
import { readFileSync } from 'node:fs';

/** Variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A secret that was found, that is not set, or a sentence that says what is wrong. */
export type SecretReading = { readonly value?: string | undefined; readonly problem?: string | undefined };

/** Largest file that is taken for a secret: more is another file. */
const secretBytesMax = 16_384;

/** The secret of the variable `name`. An empty variable counts as one that is not set. */
export function readSecret(environment: Environment, name: string): SecretReading {
  const value = environment[name] ?? '';
  const path = environment[`${name}_FILE`] ?? '';
  if (path === '') return value === '' ? {} : { value };
  if (value !== '') return { problem: `${name}: is set, and so is ${name}_FILE; keep one of them` };
  const found = readSecretFile(path, `${name}_FILE`);
  return found.value === '' ? { problem: `${name}_FILE: ${path} is empty` } : found;
}

/** The secret in a file, without the line break at its end; `setting` is what named the file. */
export function readSecretFile(path: string, setting: string): SecretReading {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > secretBytesMax) return { problem: `${setting}: ${path} is too large for a secret` };
    return { value: bytes.toString('utf8').replace(/\r?\n$/u, '') };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'it cannot be read';
    return { problem: `${setting}: ${path} cannot be read (${code})` };
  }
}
