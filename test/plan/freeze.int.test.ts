/** Freezing on real PostgreSQL: who is a recipient, in which order, batches and packed text. */
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { accountOf } from '../../src/account.ts';
import { type Reach, sampleAudience } from '../../src/db/audience.ts';
import { connect, type Database } from '../../src/db/client.ts';
import {
  carrierShares,
  claimCampaigns,
  countUnreached,
  type Cutting,
  fieldsOf,
  freeze,
  packedBatches,
} from '../../src/db/plan.ts';
import type { Id } from '../../src/handoff.ts';
import { silentLog } from '../../src/telemetry.ts';
import { type TestDatabase, testDatabase } from '../support/postgres.ts';
import { frozenRecipients } from '../support/recipients.ts';
import { addCampaign, addManyResidents, addOrganisation, addResidents, type TestCampaign } from '../support/town.ts';

let database: TestDatabase;
let owner: pg.Client;
let service: Database;
let api: Database;
let organisation: Id;

beforeAll(async () => {
  database = await testDatabase();
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  const options = { poolMax: 4, applicationName: 'test', statementTimeoutMs: 0, log: silentLog };
  service = connect({ url: database.serviceUrl, ...options });
  api = connect({ url: database.apiUrl, ...options });
});

beforeEach(async () => {
  await owner.query('delete from campaigns');
  organisation = await addOrganisation(owner);
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

const undivided = (account: string) => [account];

async function plan(campaign: TestCampaign = {}, cutting: Partial<Cutting> = {}) {
  const id = await addCampaign(owner, organisation, campaign);
  const claim = { planner: 'one', leaseMs: 60_000, nature: 'information' as const, limit: 10 };
  const [claimed] = await claimCampaigns(service.pool, claim);
  const fields = fieldsOf(claimed!.contents);
  const all = { routes, fields, batchRecipients: () => 500, shardsOf: undivided, ...cutting };
  const run = () => freeze(service, claimed!, all);
  const frozen = await run();
  await countUnreached(service.pool, claimed!);
  const { rows } = await owner.query<{ batches: number }>('select batches from campaigns where id = $1', [id]);
  const range = { from: 1, through: rows[0]!.batches, settleOnly: false };
  return { id, frozen, run, batches: await packedBatches(service.pool, claimed!, range) };
}

test('freeze - one message per address, to whoever is reachable; the others are counted by reason', async () => {
  await addResidents(owner, organisation, [
    { mobiles: ['+33600000001'] },
    { mobiles: ['+33600000001', '+33639980002'] },
    { mobiles: ['+33600000003'], optedOutMobiles: ['+33600000004'] },
    { optedOutMobiles: ['+33600000005'] },
    { mobiles: [] },
    { mobiles: ['+4915100000006'] },
  ]);
  await addResidents(owner, await addOrganisation(owner, 'Other'), [{ mobiles: ['+33600000009'] }]);
  const { id, frozen, batches } = await plan();
  expect(frozen).toEqual({ kind: 'frozen', recipients: 3 });
  expect(batches.map((batch) => [batch.language, batch.packed.toString()])).toEqual([
    ['fr', '33600000001\x1e33600000003'],
    ['fr', '33639980002'],
  ]);
  const { rows } = await owner.query(
    `select status, recipients, duplicates, unreachable, batches, planned_at is null as unplanned
      from campaigns where id = $1`,
    [id],
  );
  const unreachable = { noMobile: 1, optedOut: 1, noCarrier: 1 };
  expect(rows).toEqual([
    { status: 'sending', recipients: 3, duplicates: 1, unreachable, batches: 2, unplanned: false },
  ]);
});

test('freeze - ordinals run from 0 without gaps by carrier and language, and batches are ranges of them', async () => {
  await addManyResidents(owner, organisation, 103);
  const { id, batches } = await plan(
    { contents: { fr: 'Bonjour {{firstName}}', en: 'Hello {{firstName}}' } },
    { batchRecipients: () => 30, routes: [...routes, { prefix: '336399800', carrier: 'north' }] },
  );
  const rows = await frozenRecipients(owner, id);
  expect(rows.map((row) => row.ordinal)).toEqual(Array.from({ length: 103 }, (_, i) => i));
  let next = 0;
  for (const [at, batch] of batches.entries()) {
    expect(batch).toMatchObject({ number: at + 1, attempt: 1, firstOrdinal: next, campaign: id, organisation });
    expect(batch.recipients).toBeLessThanOrEqual(30);
    const frozen = rows.slice(next, next + batch.recipients);
    expect(batch.packed.toString().split('\x1e')).toEqual(frozen.map((row) => `${row.address}\x1f${row.fields}`));
    for (const { address, fields } of frozen) {
      const resident = Number(address.slice(-5)) - 80_000;
      expect(fields).toBe(`Resident${resident}`);
      expect(batch.language).toBe(resident % 4 === 3 ? 'en' : 'fr');
    }
    next += batch.recipients;
  }
  expect(next).toBe(103);
  const shares = await carrierShares(service.pool, id);
  expect(shares.map((share) => share.carrier)).toEqual(['north', 'south']);
  expect(shares[0]?.next).toBe(1);
  expect(shares[1]).toMatchObject({ next: shares[0]!.last + 1, last: batches.length });
});

test('freeze - a field cannot break the packing, and an empty one keeps its place', async () => {
  await addResidents(owner, organisation, [
    { firstName: 'A\x1eB\x1fC', lastName: '', mobiles: ['+33600000001'] },
    { firstName: 'Zoë 🙂\n', lastName: 'D’Été', mobiles: ['+33600000002'] },
  ]);
  const { batches } = await plan({ contents: { fr: '{{ lastName }} {{firstName|toi}}' } });
  expect(batches[0]?.packed.toString()).toBe('33600000001\x1fA B C\x1f\x1e33600000002\x1fZoë 🙂\n\x1fD’Été');
});

test('freeze - only members of the lists are reached, each once', async () => {
  const [first, second] = await addResidents(owner, organisation, [
    { mobiles: ['+33600000001'] },
    { mobiles: ['+33600000002'] },
    { mobiles: ['+33600000003'] },
  ]);
  const lists: Id[] = [];
  for (const name of ['a', 'b']) {
    const { rows } = await owner.query<{ id: Id }>(
      'insert into lists (organisation_id, name) values ($1, $2) returning id',
      [organisation, name],
    );
    lists.push(rows[0]!.id);
  }
  await owner.query('insert into list_members values ($1, $2, $4), ($1, $3, $4), ($1, $3, $5)', [
    organisation,
    ...lists,
    first,
    second,
  ]);
  const { frozen, batches } = await plan({ audience: { lists } });
  expect(frozen).toEqual({ kind: 'frozen', recipients: 2 });
  expect(batches[0]?.packed.toString()).toBe('33600000001\x1e33600000002');
});

test('freeze - doing it again, or after a pause or a cancellation, changes nothing', async () => {
  await addManyResidents(owner, organisation, 3);
  const { run } = await plan();
  expect(await run()).toEqual({ kind: 'skipped' });
  const { frozen } = await (async () => {
    const id = await addCampaign(owner, organisation);
    const claim = { planner: 'one', leaseMs: 60_000, nature: 'information' as const, limit: 1 };
    const [claimed] = await claimCampaigns(service.pool, claim);
    await owner.query("update campaigns set status = 'paused' where id = $1", [id]);
    const all = { routes, fields: [], batchRecipients: () => 500, shardsOf: undivided };
    return { frozen: await freeze(service, claimed!, all) };
  })();
  expect(frozen).toEqual({ kind: 'skipped' });
});

test('freeze - the preview, asked as the organisation, says what the freeze then does', async () => {
  await addManyResidents(owner, organisation, 41);
  await addResidents(owner, organisation, [
    { mobiles: ['+33639980001'] },
    { optedOutMobiles: ['+33600000001'] },
    {},
    { mobiles: ['+4915100000006'] },
  ]);
  const contents = { fr: 'Bonjour', en: 'Hello' };
  const reach: Reach = { organisation, audience: { all: true }, languages: ['fr', 'en'], fields: [], routes };
  const summary = await api.tenant(organisation, ({ client }) => sampleAudience(client, reach, 100));
  expect(summary).toEqual({
    recipients: 41,
    duplicates: 1,
    unreachable: { noMobile: 1, optedOut: 1, noCarrier: 1 },
    samples: expect.anything(),
    groups: [
      { carrier: 'south', language: 'fr', recipients: 31 },
      { carrier: 'south', language: 'en', recipients: 10 },
    ],
  });
  const { batches } = await plan({ contents });
  expect(batches.map((batch) => [batch.language, batch.recipients])).toEqual([
    ['fr', 31],
    ['en', 10],
  ]);
  const foreign = await addOrganisation(owner, 'Other');
  expect((await api.tenant(foreign, ({ client }) => sampleAudience(client, reach, 100))).recipients).toBe(0);
});

test('freeze - batches of an account are dealt evenly over its shards, in ranges; previews know accounts', async () => {
  await addManyResidents(owner, organisation, 403);
  const shards = ['south.0', 'south.1', 'south.2'];
  const contents = { fr: 'Bonjour', en: 'Hello' };
  const cutting = {
    batchRecipients: () => 10,
    shardsOf: (account: string) => (account === 'south' ? shards : [account]),
    routes: [...routes, { prefix: '3363998000', carrier: 'north' }],
  };
  const languages = ['fr', 'en'];
  const reach: Reach = { organisation, audience: { all: true }, languages, fields: [], routes: cutting.routes };
  const preview = await api.tenant(organisation, ({ client }) => sampleAudience(client, reach, 100));
  const { id, frozen, batches } = await plan({ contents }, cutting);
  expect(frozen).toEqual({ kind: 'frozen', recipients: preview.recipients });
  const { rows } = await owner.query<{ carrier: string; language: string; numbers: number[]; recipients: number }>(
    `select carrier, language, array_agg(number order by number) as numbers, sum(recipients)::int as recipients
      from batches where campaign_id = $1 group by 1, 2 order by min(number)`,
    [id],
  );
  for (const { carrier, language, recipients } of preview.groups) {
    const own = rows.filter((row) => accountOf(row.carrier) === carrier && row.language === language);
    expect(own.reduce((sum, row) => sum + row.recipients, 0)).toBe(recipients);
    const dealt = own.map(({ numbers }) => numbers.length);
    expect(Math.max(...dealt) - Math.min(...dealt)).toBeLessThanOrEqual(1);
  }
  // Numbers and ordinals run on over all of them, and a share is all batches from its first to its last.
  expect(rows.flatMap(({ numbers }) => numbers)).toEqual(batches.map(({ number }) => number));
  let next = 0;
  for (const { firstOrdinal, recipients } of batches) {
    expect(firstOrdinal).toBe(next);
    next += recipients;
  }
  const shares = await carrierShares(service.pool, id);
  expect(shares.map(({ carrier }) => carrier)).toEqual(['north', ...shards]);
  for (const { carrier, next: first, last } of shares)
    expect(rows.filter((row) => row.carrier === carrier).flatMap(({ numbers }) => numbers)).toEqual(
      Array.from({ length: last - first + 1 }, (_, at) => first + at),
    );
  const counted = await owner.query('select carrier from campaign_progress where campaign_id = $1 order by carrier', [
    id,
  ]);
  expect(counted.rows).toEqual([{ carrier: 'north' }, { carrier: 'south' }]);
});
