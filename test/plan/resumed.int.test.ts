/** What planners that died or stood still left, on real PostgreSQL and Redis: others finish it, nothing is in twice. */
import { expect, test } from 'vitest';
import type { Enqueue } from '../../src/handoff.ts';
import { carrierKeys, planKeys } from '../../src/stream/keys.ts';
import { standingEnqueue } from '../support/standing-enqueue.ts';
import { addCampaign } from '../support/town.ts';
import {
  addressesOf,
  allAddresses,
  campaignOf,
  carriers,
  organisation,
  owner,
  planners,
  preparePlanners,
  producer,
  redis,
  startPlanner,
  until,
} from './planner-scene.ts';

preparePlanners();

test('planner - what was frozen and not counted by a planner that died is counted by the next', async () => {
  const id = await addCampaign(owner, organisation);
  const real = producer();
  await startPlanner('one', {
    open: (...args) => real.open(...args),
    control: (...args) => real.control(...args),
    close: (...args) => real.close(...args),
    enqueue: () => Promise.reject(new Error('Redis is away')),
  });
  const frozen = async () => (await owner.query('select 1 from campaigns where planned_at is not null')).rowCount;
  await until(frozen, (count) => count === 1);
  await planners.splice(0)[0]?.stop();
  await owner.query(`update campaigns set planner = null, unreachable = '{"noCarrier": 0}' where id = $1`, [id]);
  await startPlanner('two');
  await until(
    () => campaignOf(id),
    (campaign) => campaign.enqueued,
  );
  const { rows } = await owner.query('select unreachable from campaigns where id = $1', [id]);
  expect(rows).toEqual([{ unreachable: { noMobile: 0, optedOut: 0, noCarrier: 0 } }]);
});

test('planner - where one share of a campaign fails another that waits for room is given up with it', async () => {
  await addCampaign(owner, organisation);
  const real = producer();
  let givenUp: () => void = () => undefined;
  let waits: () => void = () => undefined;
  const isWaiting = new Promise<void>((resolve) => (waits = resolve));
  const ended = new Promise<void>((resolve) => (givenUp = resolve));
  await startPlanner('one', {
    open: (...args) => real.open(...args),
    control: (...args) => real.control(...args),
    close: (...args) => real.close(...args),
    async enqueue(carrier, _content, _batches, signal) {
      if (carrier === 'north') {
        await isWaiting;
        throw new Error('Redis lost its data');
      }
      waits();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      givenUp();
      return 0;
    },
  });
  await ended;
});

test('planner - what one planner left half done another finishes, and nothing is in twice', async () => {
  const id = await addCampaign(owner, organisation);
  const real = producer();
  let added = 0;
  const dies: Enqueue = {
    open: (...args) => real.open(...args),
    control: (...args) => real.control(...args),
    close: (...args) => real.close(...args),
    async enqueue(carrier, content, batches, options) {
      await real.enqueue(carrier, content, batches.slice(0, 3), options);
      added += 1;
      throw new Error('the planner died here');
    },
  };
  const first = await startPlanner('one', dies);
  await until(
    () => redis.ping(),
    () => added >= 2,
  );
  await first.stop();
  await startPlanner('two');
  await until(
    () => campaignOf(id),
    (campaign) => campaign.enqueued,
  );
  expect((await addressesOf(id)).sort()).toEqual(allAddresses);
});

test.each(['open', 'enqueue'] as const)(
  'planner - one that stood still before %s adds nothing to a campaign that is over',
  async (step) => {
    const id = await addCampaign(owner, organisation);
    const still = standingEnqueue(producer(), step);
    const late = await startPlanner('one', still.enqueue, { leaseMs: 600_000, sweepMs: 600_000 });
    await still.reached;
    await owner.query("update campaigns set planner_until = '-infinity'");
    await startPlanner('two');
    await until(
      () => campaignOf(id),
      (campaign) => campaign.enqueued,
    );
    // Everything is sent, and the campaign closed.
    for (const { name } of carriers) {
      await redis.xtrim(carrierKeys(name).campaign(id), 'MAXLEN', 0);
      expect(await producer().close(name, id)).toBe(true);
    }
    await owner.query("update campaigns set status = 'completed', finished_at = now() where id = $1", [id]);
    still.goOn();
    await until(
      () => redis.ping(),
      () => late.campaigns === 0,
    );
    expect(await addressesOf(id)).toEqual([]);
    for (const { name } of carriers) expect(await redis.exists(carrierKeys(name).meta(id))).toBe(0);
  },
);

test('planner - nothing goes into a Redis whose data are gone and not restored yet', async () => {
  await owner.query("insert into settings values ('redis-epoch', 'one')");
  const id = await addCampaign(owner, organisation);
  await startPlanner('one');
  // Opened a second time: the first time nothing could be put in.
  const close = () => redis.del(carrierKeys('south').content(id));
  for (const _ of [1, 2]) await until(close, (wasOpen) => wasOpen === 1);
  expect(await addressesOf(id)).toEqual([]);
  await redis.set(planKeys.epoch, 'one');
  await until(
    () => campaignOf(id),
    (campaign) => campaign.enqueued,
  );
  expect((await addressesOf(id)).sort()).toEqual(allAddresses);
});
