/**
 * Whether a file that a setting names holds what TLS needs of it. Node takes a file without any certificate for an
 * empty list and then trusts nobody, which would only be seen when a connection fails. Never tells what a file holds.
 */
import { readFileSync } from 'node:fs';

const heads = {
  certificate: /^-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/mu,
  key: /^-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/mu,
} as const;

/** Why the file at `path` cannot be used, with `setting`, which named it, in front; undefined when it can. */
export function pemProblem(path: string, setting: string, what: keyof typeof heads): string | undefined {
  try {
    return heads[what].test(readFileSync(path, 'latin1')) ? undefined : `${setting}: ${path} holds no ${what} as PEM`;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'it cannot be read';
    return `${setting}: ${path} cannot be read (${code})`;
  }
}
