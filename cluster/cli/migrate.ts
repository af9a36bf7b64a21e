/** `tocsin migrate`: the database to the present schema. */
import { migrateAsSet, waitingText } from '../migration.ts';
import type { Command } from './command.ts';

/** See the head of this file. */
export const migrateCommand: Command = {
  name: 'migrate',
  takes: [],
  summary: 'bring the database to the present schema',
  help: `
DATABASE_URL must name the owner of the database. It waits for whoever holds a lock that it needs, for ten minutes at
most, and says who that is. Where TOCSIN_API_DATABASE_PASSWORD and
TOCSIN_SERVICE_DATABASE_PASSWORD are set (or their _FILE), the two roles get them. Running it twice changes nothing.
JSON: {"migrated": true, "passwords": boolean}`,
  options: {},
  async run(_args, { environment, say }) {
    const { passwords } = await migrateAsSet(environment, (waiting) => say(waitingText(waiting)));
    say(
      passwords
        ? 'the schema is the present one, and both roles have their passwords'
        : 'the schema is the present one',
    );
    return { exitCode: 0, json: { migrated: true, passwords } };
  },
};
