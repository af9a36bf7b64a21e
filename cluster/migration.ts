/**
 * The migration as the environment describes it: the owner's DATABASE_URL, and where they are set the passwords of the
 * two roles. Shared by `npm run migrate` and `npx tocsin migrate`. Never prints a password.
 */
import { readSecret } from '../config/secret.ts';
import { untrustedDatabase } from '../config/transport.ts';
import { type Busy, ensureRolePasswords, migrate } from '../src/db/migrate.ts';
import { Fault } from '../src/fault.ts';

/** Pause between lines that say the same. */
const sayEveryMs = 10_000;

/** What a migration waits for, for a person. */
export type Waiting = { readonly attempt: number; readonly waitedSeconds: number; readonly holders: string };

/** Passes on what is new, and what lasts now and then. */
export function seldom(onWaiting: (waiting: Waiting) => void): (busy: Busy) => void {
  let last = { waitedMs: Number.NEGATIVE_INFINITY, pids: '' };
  return ({ attempt, waitedMs, holders }) => {
    const pids = holders.map(({ pid }) => pid).join(' ');
    const isNew = pids !== last.pids || waitedMs < last.waitedMs;
    if (!isNew && waitedMs - last.waitedMs < sayEveryMs) return;
    last = { waitedMs, pids };
    const told = holders.map(
      ({ pid, role, application, state, forMs }) =>
        `process ${pid} (${[application, role, state].filter((part) => part !== '').join(', ')}) ` +
        `for ${Math.round(forMs / 1000)} s`,
    );
    onWaiting({ attempt, waitedSeconds: Math.round(waitedMs / 1000), holders: told.join('; ') || 'somebody' });
  };
}

/** The same as a sentence. */
export function waitingText({ waitedSeconds, holders }: Waiting): string {
  return `waits for a lock, since ${waitedSeconds} s; it is held by ${holders}`;
}

/**
 * Brings the database to the present schema; running it twice changes nothing. Says whether it set passwords.
 * `onWaiting` hears now and then what it waits for.
 * @throws Fault `config`, `postgres`.
 */
export async function migrateAsSet(
  environment: NodeJS.ProcessEnv,
  onWaiting: (waiting: Waiting) => void,
): Promise<{ passwords: boolean }> {
  const secret = (name: string) => {
    const { value, problem } = readSecret(environment, name);
    if (problem !== undefined) throw new Fault('config', problem);
    return value;
  };
  const ownerUrl = secret('DATABASE_URL');
  if (ownerUrl === undefined)
    throw new Fault('config', 'DATABASE_URL is not set: it must name the database and its owner');
  // What `new URL` throws carries its input, password and all.
  if (!URL.canParse(ownerUrl))
    throw new Fault('config', 'DATABASE_URL must be a URL such as postgresql://user:password@host:5432/database');
  const untrusted = untrustedDatabase(ownerUrl);
  if (untrusted !== undefined && environment['TOCSIN_DATABASE_TLS'] !== 'any')
    throw new Fault('config', `DATABASE_URL: PostgreSQL ${untrusted}; or say TOCSIN_DATABASE_TLS=any`);
  const [api, service] = [secret('TOCSIN_API_DATABASE_PASSWORD'), secret('TOCSIN_SERVICE_DATABASE_PASSWORD')];
  await migrate(ownerUrl, { onBusy: seldom(onWaiting) });
  if (api === undefined || service === undefined) return { passwords: false };
  await ensureRolePasswords(ownerUrl, { api, service });
  return { passwords: true };
}
