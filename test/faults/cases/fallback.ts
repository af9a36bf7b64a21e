/** Group 6: a carrier that dies, for good or for a while, where another one can carry its recipients. */
import { readFileSync } from 'node:fs';
import { addReplica, promote } from '../failover.ts';
import type { Stage } from '../stage.ts';
import type { FaultCase } from './case.ts';
import { killAt } from './control.ts';

/** Campaigns under way of which each carrier has its own share: the case before may have left one away. */
export async function midway(stage: Stage): Promise<void> {
  await stage.until('the planner knows every carrier back', () => awayCarriers(stage).size === 0);
  await stage.launchBoth();
  await stage.somewhere(0.1, 0.4);
}

/** Carriers that count as away, by what the planner said last of each. */
function awayCarriers(stage: Stage): ReadonlySet<string> {
  const away = new Set<string>();
  for (const line of readFileSync(stage.scene.logOf('planner'), 'utf8').split('\n')) {
    const said = /"carrier":"([^"]*)","msg":"carrier\.(away|back)"/.exec(line);
    if (line.includes('"process.started"')) away.clear();
    if (said?.[2] === 'away') away.add(said[1] ?? '');
    if (said?.[2] === 'back') away.delete(said[1] ?? '');
  }
  return away;
}

export const fallbackCases: readonly FaultCase[] = [
  {
    name: 'carrier-dies',
    group: 6,
    about: 'a carrier dies for good while another one can carry its recipients',
    quick: false,
    scene: 'fallback',
    async run(stage) {
      await midway(stage);
      const [carrier] = stage.scene.carriers;
      stage.breaksCarrier(carrier?.plan.name ?? '');
      await carrier?.behave({ bindStatus: 0x0d });
      await carrier?.disconnect();
      // Its last receipts went with it.
      stage.sent.add('submitted');
      stage.healed();
    },
  },
  {
    name: 'carrier-dies-for-a-while',
    group: 6,
    about: 'a carrier is away until what waits for it is given to another one, and comes back',
    quick: false,
    scene: 'fallback',
    async run(stage) {
      await midway(stage);
      const [carrier] = stage.scene.carriers;
      stage.breaksCarrier(carrier?.plan.name ?? '');
      await carrier?.behave({ bindStatus: 0x0d });
      await carrier?.disconnect();
      // It comes back while the other one is at it.
      await stage.somewhere(0.75, 0.9);
      await carrier?.behave({ bindStatus: 0 });
      stage.healed();
    },
  },
  {
    name: 'carrier-dies-with-others',
    group: 6,
    about: 'a carrier dies for good; recorder and planner are killed as they give what waits for it to another one',
    quick: false,
    scene: 'fallback',
    async run(stage) {
      await midway(stage);
      const [carrier] = stage.scene.carriers;
      stage.breaksCarrier(carrier?.plan.name ?? '');
      stage.sent.add('submitted');
      const noted = killAt(stage, 'recorder', 'postgres', 'reroute-add', stage.between(1, 3));
      const given = killAt(stage, 'planner', 'postgres', 'update reroutes set is_in', 1);
      await carrier?.behave({ bindStatus: 0x0d });
      await carrier?.disconnect();
      await Promise.all([noted, given]);
    },
  },
  {
    name: 'carrier-dies-with-redis',
    group: 6,
    about: 'a carrier dies for good, and Redis loses everything as its share goes to another one',
    quick: false,
    scene: 'fallback',
    async run(stage) {
      const { scene } = stage;
      await midway(stage);
      const [carrier] = scene.carriers;
      for (const { plan } of scene.carriers) stage.breaksCarrier(plan.name);
      stage.sent.add('submitted');
      stage.mayBeUnknown(stage.size.information);
      stage.leavesUnanswered(stage.size.alert);
      const given = stage.reaches('planner', 'postgres', 'update reroutes set is_in', stage.between(1, 2));
      await carrier?.behave({ bindStatus: 0x0d });
      await carrier?.disconnect();
      const { release } = await given;
      await scene.redis.kill();
      scene.redis.forget();
      release();
      await scene.redis.start();
      stage.healed();
    },
  },
  {
    name: 'carrier-dies-with-failover',
    group: 6,
    about: 'a carrier dies for good, and a replica takes over that lacks the last moments of giving its share away',
    quick: false,
    on: ['single'],
    scene: 'fallback',
    async run(stage) {
      const { scene } = stage;
      const replica = await addReplica(scene, true);
      await midway(stage);
      const [carrier] = scene.carriers;
      for (const { plan } of scene.carriers) stage.breaksCarrier(plan.name);
      stage.sent.add('submitted');
      const noted = stage.reaches('recorder', 'postgres', 'reroute-add', stage.between(1, 3));
      await carrier?.behave({ bindStatus: 0x0d });
      await carrier?.disconnect();
      const { release } = await noted;
      replica.line?.blackhole();
      release();
      const behindMs = stage.between(20, 60);
      await stage.hold(behindMs);
      for (const { plan } of scene.carriers) stage.leavesUnanswered(Math.ceil((plan.ratePerSecond * behindMs) / 1_000));
      await promote(scene, replica);
      stage.healed();
    },
  },
];
