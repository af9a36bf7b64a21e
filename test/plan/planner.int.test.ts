/** The planner on real PostgreSQL and Redis: from a launched campaign to batches in streams, and to its end. */
import { expect, test } from 'vitest';
import { partitionedTables, weekOf } from '../../src/db/partitions.ts';
import type { Enqueue, Id } from '../../src/handoff.ts';
import { publishCommand } from '../../src/stream/commands.ts';
import { carrierKeys } from '../../src/stream/keys.ts';
import { addCampaign, addOrganisation, addResidents } from '../support/town.ts';
import {
  addressesOf,
  allAddresses,
  batchesOf,
  campaignOf,
  events,
  organisation,
  owner,
  preparePlanners,
  producer,
  recipients,
  redis,
  service,
  startPlanner,
  until,
} from './planner-scene.ts';

preparePlanners();

test('planner - a launched campaign is in its carriers’ streams, each address once and at its carrier', async () => {
  const id = await addCampaign(owner, organisation);
  await startPlanner('one');
  await publishCommand(redis, id, 'launch');
  await until(
    () => campaignOf(id),
    (campaign) => campaign.enqueued,
  );
  expect(await campaignOf(id)).toEqual({ status: 'sending', enqueued: true, planner: null });
  expect((await addressesOf(id)).sort()).toEqual(allAddresses);
  for (const batch of await batchesOf('south', id)) expect(batch.packed.toString()).toMatch(/^3363998010\d/);
  expect((await batchesOf('north', id)).map((batch) => batch.number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(events.at(-1)).toMatchObject({ campaign: id, progress: { planned: recipients, pending: recipients } });
});

test('planner - a draft whose week retention has dropped is launched all the same', async () => {
  const id = await addCampaign(owner, organisation);
  const week = weekOf(id);
  for (const table of partitionedTables) await owner.query(`drop table ${table}_w${week}`);
  await startPlanner('one', producer(), { sweepMs: 20 });
  await until(
    () => campaignOf(id),
    (campaign) => campaign.enqueued,
  );
  expect((await addressesOf(id)).sort()).toEqual(allAddresses);
  expect(weekOf(id)).toBe(week);
});

test('planner - a campaign whose command was lost is found all the same', async () => {
  const id = await addCampaign(owner, organisation);
  await startPlanner('one');
  await until(
    () => campaignOf(id),
    (campaign) => campaign.enqueued,
  );
  expect(await addressesOf(id)).toHaveLength(recipients);
});

test('planner - a campaign for nobody is completed, with the reasons counted', async () => {
  const nobody = await addOrganisation(owner, 'Nobody');
  await addResidents(owner, nobody, [{ mobiles: [] }, { optedOutMobiles: ['+33639980001'] }]);
  const id = await addCampaign(owner, nobody);
  await startPlanner('one');
  await until(
    () => campaignOf(id),
    (campaign) => campaign.status === 'completed',
  );
  const { rows } = await owner.query('select recipients, unreachable, duplicates from campaigns where id = $1', [id]);
  expect(rows).toEqual([{ recipients: 0, unreachable: { noMobile: 1, optedOut: 1, noCarrier: 0 }, duplicates: 0 }]);
});

test('planner - pause, resume and cancel reach the carriers, from the stream and from the outbox', async () => {
  const id = await addCampaign(owner, organisation);
  await startPlanner('one');
  await until(
    () => campaignOf(id),
    (campaign) => campaign.enqueued,
  );
  const stateAt = (carrier: string) => redis.hget(carrierKeys(carrier).meta(id), 'state');
  const states = async () => `${await stateAt('north')} ${await stateAt('south')}`;
  const move = (status: string) => owner.query('update campaigns set status = $2 where id = $1', [id, status]);
  await move('paused');
  await publishCommand(redis, id, 'pause');
  await until(states, (both) => both === 'paused paused');
  await move('sending');
  // A stale word about an older status: the row is the truth.
  await publishCommand(redis, id, 'pause');
  await until(states, (both) => both === 'active active');
  await move('cancelling');
  await owner.query(
    `insert into outbox (organisation_id, campaign_id, command, created_at)
      values ($1, $2, 'cancel', now() - interval '2 seconds')`,
    [organisation, id],
  );
  await until(states, (both) => both === 'cancelled cancelled');
  await until(
    async () => (await owner.query('select from outbox')).rowCount,
    (rows) => rows === 0,
  );
});

test('planner - a campaign that was paused or cancelled while it was planned reaches Redis as such', async () => {
  const paused = await addCampaign(owner, organisation);
  const real = producer();
  const slow: Enqueue = {
    open: (...args) => real.open(...args),
    control: (...args) => real.control(...args),
    close: (...args) => real.close(...args),
    async enqueue(carrier, content, batches, options) {
      await service.pool.query("update campaigns set status = 'paused' where id = $1 and status = 'sending'", [paused]);
      await publishCommand(redis, paused, 'pause');
      return real.enqueue(carrier, content, batches, options);
    },
  };
  await startPlanner('one', slow);
  await until(
    () => campaignOf(paused),
    (campaign) => campaign.enqueued,
  );
  await until(
    () => redis.hget(carrierKeys('north').meta(paused), 'state'),
    (state) => state === 'paused',
  );
  expect(await redis.zscore(carrierKeys('north').schedule('information'), paused)).toBeNull();
});

test('planner - information that waits for room blocks neither an alert nor another carrier', async () => {
  const full = await addCampaign(owner, organisation);
  const alert = await addCampaign(owner, organisation, { nature: 'alert' });
  await redis.set(carrierKeys('north').waiting, 1_000_000);
  await startPlanner('one', producer(1_000_000));
  await until(
    () => campaignOf(alert),
    (campaign) => campaign.enqueued,
  );
  await until(
    () => batchesOf('south', full),
    (batches) => batches.length > 0,
  );
  const other = await addOrganisation(owner, 'South');
  await addResidents(owner, other, [{ mobiles: ['+33639980101'] }]);
  const southern = await addCampaign(owner, other);
  await until(
    () => campaignOf(southern),
    (campaign) => campaign.enqueued,
  );
  expect(await batchesOf('north', full)).toHaveLength(0);
  expect((await campaignOf(full)).enqueued).toBe(false);
  await redis.set(carrierKeys('north').waiting, 0);
  await until(
    () => batchesOf('north', full),
    (batches) => batches.length > 0,
  );
});

test('planner - no alert waits for the count of whom another one does not reach', async () => {
  await owner.query(`create function counting() returns trigger language plpgsql as $$ begin
      if new.unreachable ? 'noMobile' then perform pg_advisory_xact_lock(1); end if;
      return new;
    end $$;
    create trigger counting before update on campaigns for each row execute function counting();
    select pg_advisory_lock(1)`);
  const counted = await addCampaign(owner, organisation, { nature: 'alert' });
  await startPlanner('one');
  const waiting = `select from pg_locks l join pg_database d on d.oid = l.database
    where d.datname = current_database() and l.locktype = 'advisory' and not l.granted`;
  await until(
    async () => (await owner.query(waiting)).rowCount,
    (count) => count === 1,
  );
  const next = await addCampaign(owner, organisation, { nature: 'alert' });
  await until(
    () => addressesOf(next),
    (addresses) => addresses.length === allAddresses.length,
  );
  expect((await campaignOf(counted)).enqueued).toBe(false);
  await owner.query('select pg_advisory_unlock(1)');
  await until(
    () => campaignOf(counted),
    (campaign) => campaign.enqueued,
  );
});

async function settle(id: Id, counts: string): Promise<void> {
  for (const carrier of ['north', 'south']) await redis.del(carrierKeys(carrier).campaign(id));
  await owner.query(`update campaign_progress set ${counts} where campaign_id = $1 and carrier = 'north'`, [id]);
}

test('planner - a campaign ends when every message has its outcome and receipt, and leaves Redis', async () => {
  const id = await addCampaign(owner, organisation);
  await startPlanner('one');
  await until(
    () => campaignOf(id),
    (campaign) => campaign.enqueued,
  );
  await settle(id, `submitted = ${recipients}, delivered = ${recipients - 1}, awaiting_receipt = 1`);
  const untouched = await addCampaign(owner, organisation);
  await until(
    () => campaignOf(untouched),
    (campaign) => campaign.enqueued,
  );
  expect((await campaignOf(id)).status).toBe('sending');
  await settle(id, `delivered = ${recipients}, awaiting_receipt = 0`);
  await until(
    () => campaignOf(id),
    (campaign) => campaign.status === 'completed',
  );
  expect(await redis.keys(`*${id}*`)).toEqual([]);
  await until(
    () => redis.ping(),
    () => events.some((event) => event.campaign === id && event.finished),
  );
});

test('planner - receipts that never come do not keep a campaign open for ever', async () => {
  const id = await addCampaign(owner, organisation);
  await startPlanner('one', producer(), { receiptWaitMs: 0 });
  await until(
    () => campaignOf(id),
    (campaign) => campaign.enqueued,
  );
  await settle(id, `awaiting_receipt = ${recipients}`);
  await until(
    () => campaignOf(id),
    (campaign) => campaign.status === 'completed',
  );
});

test('planner - a cancelled campaign ends as cancelled, also before it was planned', async () => {
  const unplanned = await addCampaign(owner, organisation, { status: 'cancelling' });
  const id = await addCampaign(owner, organisation);
  await startPlanner('one');
  await until(
    () => campaignOf(unplanned),
    (campaign) => campaign.status === 'cancelled',
  );
  await until(
    () => campaignOf(id),
    (campaign) => campaign.enqueued,
  );
  await owner.query("update campaigns set status = 'cancelling' where id = $1", [id]);
  await settle(id, `cancelled = ${recipients}`);
  await until(
    () => campaignOf(id),
    (campaign) => campaign.status === 'cancelled',
  );
});

test('planner - a paused campaign whose time is over goes on, so that the rest can expire', async () => {
  const id = await addCampaign(owner, organisation);
  await startPlanner('one');
  await until(
    () => campaignOf(id),
    (campaign) => campaign.enqueued,
  );
  await owner.query("update campaigns set status = 'paused', expires_at = now() - interval '1 second' where id = $1", [
    id,
  ]);
  await redis.hset(carrierKeys('north').meta(id), 'state', 'paused');
  await until(
    () => redis.hget(carrierKeys('north').meta(id), 'state'),
    (state) => state === 'active',
  );
});

test('planner - two planners share campaigns, and none is planned by both', async () => {
  const ids: Id[] = [];
  for (let i = 0; i < 12; i += 1) ids.push(await addCampaign(owner, organisation));
  await Promise.all([startPlanner('one'), startPlanner('two')]);
  for (const id of ids) {
    await until(
      () => campaignOf(id),
      (campaign) => campaign.enqueued,
    );
    expect((await addressesOf(id)).sort()).toEqual(allAddresses);
  }
  const planned = events.filter((event) => event.progress.pending === recipients).map((event) => event.campaign);
  expect(planned.sort()).toEqual([...ids].sort());
});
