/**
 * The migration as the environment describes it: the owner's DATABASE_URL, and where they are set the passwords of the
 * two roles. Shared by `npm run migrate` and `npx tocsin migrate`. Never prints a password.
 */
import { readSecret } from '../config/secret.ts';
import { untrustedDatabase } from '../config/transport.ts';
import { ensureRolePasswords, migrate } from '../src/db/migrate.ts';
import { Fault } from '../src/fault.ts';

/**
 * Brings the database to the present schema; running it twice changes nothing. Says whether it set passwords.
 * @throws Fault `config`, `postgres`.
 */
export async function migrateAsSet(environment: NodeJS.ProcessEnv = process.env): Promise<{ passwords: boolean }> {
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
  await migrate(ownerUrl);
  if (api === undefined || service === undefined) return { passwords: false };
  await ensureRolePasswords(ownerUrl, { api, service });
  return { passwords: true };
}
