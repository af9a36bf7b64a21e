/**
 * `npm run migrate`: brings the database of DATABASE_URL to the present schema, as its owner, and ends. Where
 * TOCSIN_API_DATABASE_PASSWORD and TOCSIN_SERVICE_DATABASE_PASSWORD are set, the two roles get them. Run it
 * before a new version starts; running it twice changes nothing. Never prints a password.
 */
import { unknownSettings } from '../config/load.ts';
import { createLog } from '../src/telemetry.ts';
import { migrateAsSet } from './migration.ts';

const log = createLog('migrate', 'info');

for (const unknown of unknownSettings({ carriers: process.env['TOCSIN_CARRIERS'] }))
  log.warn('settings.unknown', unknown);

try {
  const done = await migrateAsSet(process.env, (waiting) => log.warn('migrate.waiting', waiting));
  log.info('migrate.done', done);
} catch (error) {
  log.error('migrate.failed', {}, error);
  process.exitCode = 1;
}
