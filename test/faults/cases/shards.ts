/** Groups 1, 2, 4, 6: a carrier whose account is divided into shards; its receipts come by any bind of the account. */
import type { Stage } from '../stage.ts';
import type { FaultCase } from './case.ts';
import { midway } from './fallback.ts';
import { killPrimaryOf } from './failover.ts';

/** A shard of the carrier that is divided. */
function oneShard(stage: Stage): string {
  return stage.oneOf(stage.scene.carriers.flatMap(({ parts }) => (parts.length > 1 ? parts : []))).name;
}

async function killWorker(stage: Stage): Promise<string> {
  const worker = stage.oneOf(stage.scene.names('worker'));
  await stage.crash(worker);
  await stage.scene.kill(worker);
  return worker;
}

/** Kills every process of ours, and starts them with the account divided into so many shards. */
async function divideInto(stage: Stage, shards: number): Promise<void> {
  const { scene } = stage;
  const workers = scene.names('worker');
  for (const worker of workers) await stage.crash(worker);
  const names = [...workers, 'recorder', 'planner', 'api'];
  await Promise.all(names.map((name) => scene.kill(name)));
  for (const carrier of scene.carriers) if (carrier.plan.shards !== undefined) carrier.shards = shards;
  for (const name of stage.shuffled(names)) await scene.start(name);
}

export const shardCases: readonly FaultCase[] = [
  {
    name: 'sharded-worker-killed',
    group: 1,
    about: 'kill -9 of a worker that has binds of several shards of an account',
    quick: true,
    scene: 'sharded',
    async run(stage) {
      await stage.launchBoth();
      await stage.somewhere();
      const worker = await killWorker(stage);
      stage.healed();
      await stage.scene.start(worker);
    },
  },
  {
    name: 'sharded-primary-killed',
    group: 4,
    about: 'kill -9 of the primary that has one shard of an account, and of a worker',
    quick: false,
    scene: 'sharded',
    on: ['cluster', 'sentinel'],
    async run(stage) {
      await killPrimaryOf(stage, `{${oneShard(stage)}}`);
      await stage.scene.start(await killWorker(stage));
      stage.healed();
    },
  },
  {
    name: 'sharded-stands-in',
    group: 6,
    about: 'a carrier dies for good, and the shards of another account carry its recipients',
    quick: false,
    scene: 'sharded',
    async run(stage) {
      await midway(stage);
      const [, carrier] = stage.scene.carriers;
      stage.breaksCarrier(carrier?.plan.name ?? '');
      await carrier?.behave({ bindStatus: 0x0d });
      await carrier?.disconnect();
      // Its last receipts went with it.
      stage.sent.add('submitted');
      stage.healed();
    },
  },
  {
    name: 'sharded-otherwise',
    group: 2,
    about: 'kill -9 of every process; they start with the account undivided, and again with two shards',
    quick: false,
    scene: 'sharded',
    async run(stage) {
      await stage.launchBoth();
      await stage.somewhere(0.1, 0.3);
      await divideInto(stage, 1);
      await stage.somewhere(0.5, 0.7);
      await divideInto(stage, 2);
      stage.healed();
    },
  },
];
