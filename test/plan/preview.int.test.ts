/** What a preview promises is what the freeze then does, on random towns: counts by reason, carrier and language. */
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Reach, sampleAudience } from '../../src/db/audience.ts';
import { connect, type Database } from '../../src/db/client.ts';
import { claimCampaigns, countUnreached, fieldsOf, freeze } from '../../src/db/plan.ts';
import { silentLog } from '../../src/telemetry.ts';
import { type TestDatabase, testDatabase } from '../support/postgres.ts';
import { addCampaign, addOrganisation, addResidents } from '../support/town.ts';

let database: TestDatabase;
let owner: pg.Client;
let service: Database;
let api: Database;

beforeAll(async () => {
  database = await testDatabase();
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  const options = { poolMax: 4, applicationName: 'test', statementTimeoutMs: 0, log: silentLog };
  service = connect({ url: database.serviceUrl, ...options });
  api = connect({ url: database.apiUrl, ...options });
});

afterAll(async () => {
  await service.close();
  await api.close();
  await owner.end();
  await database.drop();
});

const routes = [
  { prefix: '336', carrier: 'north' },
  { prefix: '3363998', carrier: 'south' },
];

// Few numbers, so that many have the same; the last two are of no carrier.
const number = fc.constantFrom(
  '+33600000001',
  '+33600000002',
  '+33639980003',
  '+33639980004',
  '+49151005',
  '+49151006',
);
const resident = fc
  .record({
    language: fc.constantFrom('fr', 'en', 'de', ''),
    numbers: fc.uniqueArray(number, { maxLength: 3 }),
    optedOut: fc.nat(7),
    /** On each of three lists. */
    lists: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
  })
  .map(({ language, numbers, optedOut, lists }) => ({
    language,
    mobiles: numbers.filter((_, at) => ((optedOut >> at) & 1) === 0),
    optedOutMobiles: numbers.filter((_, at) => ((optedOut >> at) & 1) === 1),
    lists,
  }));
const towns = fc.array(fc.array(resident, { maxLength: 12 }), { minLength: 2, maxLength: 2 });
const audiences = fc.constantFrom<readonly number[] | undefined>(undefined, [0], [1, 2], [0, 1, 2]);
const texts = fc.constantFrom<Record<string, string>>({ fr: 'Bonjour' }, { fr: 'Bonjour {{firstName}}', en: 'Hello' });

type Town = readonly (typeof resident extends fc.Arbitrary<infer Each> ? Each : never)[];

/** Its organisation, and its three lists. */
async function settle(town: Town) {
  const organisation = await addOrganisation(owner);
  const { rows } = await owner.query<{ id: string }>(
    "insert into lists (organisation_id, name) select $1, 'list ' || i from generate_series(1, 3) i returning id",
    [organisation],
  );
  const lists = rows.map(({ id }) => id);
  const residents = await addResidents(owner, organisation, town);
  const members = town.flatMap((each, at) =>
    lists.filter((_, list) => each.lists[list]).map((list) => [list, residents[at]]),
  );
  await owner.query(
    `insert into list_members (organisation_id, list_id, resident_id)
      select $1, l, r from unnest($2::bigint[], $3::bigint[]) as m (l, r)`,
    [organisation, members.map(([list]) => list), members.map(([, one]) => one)],
  );
  return { organisation, lists };
}

test('preview - its counts are those of the freeze that follows, whoever is on which list', async () => {
  await fc.assert(
    fc.asyncProperty(towns, audiences, texts, async ([town = [], neighbours = []], chosen, contents) => {
      await owner.query('delete from campaigns');
      await settle(neighbours);
      const { organisation, lists } = await settle(town);
      const audience = chosen === undefined ? { all: true as const } : { lists: chosen.map((at) => lists[at] ?? '') };
      const fields = fieldsOf(contents);
      const reach: Reach = { organisation, audience, languages: Object.keys(contents), fields, routes };
      const preview = await api.tenant(organisation, ({ client }) => sampleAudience(client, reach, 100));
      const id = await addCampaign(owner, organisation, { audience, contents });
      const claim = { planner: 'one', leaseMs: 60_000, nature: 'information' as const, limit: 10 };
      const [claimed] = await claimCampaigns(service.pool, claim);
      const cutting = { routes, fields, batchRecipients: () => 500, shardsOf: (account: string) => [account] };
      await freeze(service, claimed!, cutting);
      await countUnreached(service.pool, claimed!);
      const counts = await owner.query('select recipients, duplicates, unreachable from campaigns where id = $1', [id]);
      const { recipients, duplicates, unreachable, groups } = preview;
      expect({ recipients, duplicates, unreachable }).toEqual(counts.rows[0]);
      const batches = await owner.query(
        `select carrier, language, sum(recipients)::int as recipients from batches where campaign_id = $1
          group by carrier, language`,
        [id],
      );
      expect(new Set(batches.rows.map((row) => JSON.stringify(row)))).toEqual(
        new Set(groups.map((group) => JSON.stringify(group))),
      );
    }),
    { numRuns: 60 },
  );
});
