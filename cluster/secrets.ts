/**
 * Secrets of an embedded installation: made at the first start, kept in one file of mode 0600 in its folder, never
 * printed but for the platform key that the first user needs. Used by `all.ts` alone.
 */
import { randomBytes } from 'node:crypto';
import { accessSync, chmodSync, constants, existsSync, mkdirSync } from 'node:fs';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '../src/fault.ts';

/** What an installation must remember. */
export type Secrets = {
  readonly platformKey: string;
  readonly apiPassword: string;
  readonly servicePassword: string;
  /** Password of the simulated carriers' accounts; SMPP allows eight characters. */
  readonly carrierPassword: string;
  /** The demonstration's organisation, once it exists. */
  readonly demo?: { readonly organisation: string; readonly key: string };
};

/**
 * The installation's secrets; new ones where there are none.
 * @throws Fault `start` when the file cannot be read or written.
 */
export function loadSecrets(home: string): Secrets {
  requireWritable(home);
  const path = pathIn(home);
  try {
    if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as Secrets;
  } catch (cause) {
    throw new Fault('start', `${path} cannot be read; restore it, or remove the folder to begin anew`, { cause });
  }
  const secret = (bytes: number) => randomBytes(bytes).toString('base64url');
  const secrets: Secrets = {
    platformKey: `tocsin-platform-${secret(24)}`,
    apiPassword: secret(24),
    servicePassword: secret(24),
    carrierPassword: secret(6),
  };
  saveSecrets(home, secrets);
  return secrets;
}

/** Replaces the installation's secrets, whole or not at all. */
export function saveSecrets(home: string, secrets: Secrets): void {
  try {
    const draft = `${pathIn(home)}.new`;
    writeFileSync(draft, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
    chmodSync(draft, 0o600);
    renameSync(draft, pathIn(home));
  } catch (cause) {
    throw unwritable(home, cause);
  }
}

function requireWritable(home: string): void {
  try {
    mkdirSync(home, { recursive: true });
    accessSync(home, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw unwritable(home, cause);
  }
}

function unwritable(home: string, cause: unknown): Fault {
  return new Fault('start', `${home} cannot be written; set TOCSIN_HOME to a folder that can`, { cause });
}

function pathIn(home: string): string {
  return join(home, 'secrets.json');
}
