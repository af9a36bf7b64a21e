/**
 * `npm run migrate`: brings the database of DATABASE_URL to the present schema, as its owner, and ends. Where
 * TOCSIN_API_DATABASE_PASSWORD and TOCSIN_SERVICE_DATABASE_PASSWORD are set, the two roles get them. Run it
 * before a new version starts; running it twice changes nothing. Never prints a password.
 */
import { ensureRolePasswords, migrate } from '../src/db/migrate.ts';
import { Fault } from '../src/fault.ts';
import { createLog } from '../src/telemetry.ts';

const log = createLog('migrate', 'info');

async function main(): Promise<void> {
  const ownerUrl = process.env['DATABASE_URL'];
  if (ownerUrl === undefined || ownerUrl === '')
    throw new Fault('config', 'DATABASE_URL is not set: it must name the database and its owner');
  await migrate(ownerUrl);
  const api = process.env['TOCSIN_API_DATABASE_PASSWORD'];
  const service = process.env['TOCSIN_SERVICE_DATABASE_PASSWORD'];
  if (api !== undefined && service !== undefined) await ensureRolePasswords(ownerUrl, { api, service });
  log.info('migrate.done', { passwords: api !== undefined && service !== undefined });
}

try {
  await main();
} catch (error) {
  log.error('migrate.failed', {}, error);
  process.exitCode = 1;
}
