/** Group 4 on a cluster or under Sentinels: a primary dies, a carrier's keys move to another node. */
import type { Stage } from '../stage.ts';
import type { FaultCase } from './case.ts';

/** A replica that takes over may lack so much of the last moments, on a busy machine. */
const behindMs = 100;
/** Keys move in steps, with a pause in between, so that the slot is on its way for a while. */
const movePauseMs = 20;

/** Kills the server that has a key while campaigns are under way. Nothing that a replica lacks is known afterwards. */
export async function killPrimaryOf(stage: Stage, key: string): Promise<void> {
  const { scene } = stage;
  await stage.launchBoth();
  await stage.somewhere();
  for (const { plan } of scene.carriers) {
    stage.breaksCarrier(plan.name);
    stage.leavesUnanswered(Math.ceil((plan.ratePerSecond * behindMs) / 1_000));
  }
  // Receipts of that time are gone, though carriers saw them answered.
  stage.sent.add('submitted');
  await stage.within('a replica takes over', scene.redis.killPrimaryOf(key));
  stage.healed();
}

/** Moves the slot of a carrier to another primary, slowly, and back. */
async function moveThereAndBack(stage: Stage, carrier: string): Promise<void> {
  const { redis } = stage.scene;
  const key = `{${carrier}}`;
  const home = await redis.primaryOf(key);
  for (const target of [await redis.cluster?.otherThan(key), home]) {
    const move = target === undefined ? undefined : await redis.cluster?.move(key, target);
    while ((await move?.some()) === true) await stage.hold(movePauseMs);
    await move?.finish();
  }
}

export const failoverCases: readonly FaultCase[] = [
  {
    name: 'primary-killed',
    group: 4,
    about: 'kill -9 of the primary that has a carrier’s keys: its replica takes over by itself',
    quick: false,
    on: ['cluster', 'sentinel'],
    run: (stage) => killPrimaryOf(stage, `{${stage.oneOf(stage.scene.carriers).plan.name}}`),
  },
  {
    name: 'plan-primary-killed',
    group: 4,
    about: 'kill -9 of the primary that has the planner’s keys: launches go on',
    quick: false,
    on: ['cluster'],
    async run(stage) {
      await killPrimaryOf(stage, '{plan}');
      await stage.launch('alert');
    },
  },
  {
    name: 'primaries-killed-in-turn',
    group: 4,
    about: 'kill -9 of a carrier’s primary, started again as a replica, and of the one that took over from it',
    quick: false,
    on: ['cluster', 'sentinel'],
    async run(stage) {
      const key = `{${stage.oneOf(stage.scene.carriers).plan.name}}`;
      await killPrimaryOf(stage, key);
      await stage.within('it follows', stage.scene.redis.start());
      // A replica that was behind counts as none for five seconds: promoted then, it may double (README says so).
      await stage.hold(6_000);
      await killPrimaryOf(stage, key);
    },
  },
  {
    name: 'shard-lost',
    group: 4,
    about: 'a primary and its replica die and lose everything: the carriers, or the commands, that they had come back',
    quick: false,
    on: ['cluster'],
    async run(stage) {
      const { redis, carriers } = stage.scene;
      await stage.launchBoth();
      await stage.somewhere();
      for (const { plan } of carriers) stage.breaksCarrier(plan.name);
      stage.sent.add('submitted');
      stage.mayBeUnknown(stage.size.information);
      stage.leavesUnanswered(stage.size.alert);
      await redis.loseShardOf(stage.oneOf(['{plan}', ...carriers.map(({ plan }) => `{${plan.name}}`)]));
      await stage.within('the cluster is whole', redis.start());
      stage.healed();
    },
  },
  {
    name: 'slot-moves',
    group: 4,
    about: 'a carrier’s slot is moved to another primary key by key, and back, while it sends (MOVED, ASK, TRYAGAIN)',
    quick: false,
    on: ['cluster'],
    async run(stage) {
      const carrier = stage.oneOf(stage.scene.carriers).plan.name;
      await stage.launchBoth();
      await stage.somewhere(0.05, 0.3);
      stage.breaksCarrier(carrier);
      await stage.within('the slot has moved', moveThereAndBack(stage, carrier));
      stage.healed();
    },
  },
  {
    name: 'slot-moves-and-worker-killed',
    group: 4,
    about: 'as slot-moves, with a worker killed while the keys are on their way',
    quick: false,
    on: ['cluster'],
    async run(stage) {
      const carrier = stage.oneOf(stage.scene.carriers).plan.name;
      await stage.launchBoth();
      await stage.somewhere(0.05, 0.3);
      stage.breaksCarrier(carrier);
      const worker = stage.oneOf(stage.scene.names('worker'));
      await stage.crash(worker);
      await stage.within(
        'the slot has moved',
        Promise.all([moveThereAndBack(stage, carrier), stage.scene.kill(worker)]),
      );
      await stage.scene.start(worker);
      stage.healed();
    },
  },
];
