/** Group 4: Redis restarted, lost, full, frozen, cut off, out of disk, replaced by its replica, robbed of entries. */
import { addReplica, promote, promoteBySentinel, startSentinel } from '../failover.ts';
import { canMount } from '../servers.ts';
import type { Stage } from '../stage.ts';
import type { FaultCase } from './case.ts';

/** Leases may end while Redis is away, and with them every bind. */
function everyBindMayBreak(stage: Stage): void {
  for (const { plan } of stage.scene.carriers) stage.breaksCarrier(plan.name);
}

/** The scene's setting. */
const batchRecipientsMax = 100;

async function midway(stage: Stage): Promise<void> {
  await stage.launchBoth();
  await stage.somewhere();
}

/** Promotes a replica that is `behindMs` behind. */
async function failover(stage: Stage, behindMs: number): Promise<void> {
  const { scene } = stage;
  const replica = await addReplica(scene, true);
  await midway(stage);
  everyBindMayBreak(stage);
  if (behindMs > 0) {
    replica.line?.blackhole();
    await stage.hold(behindMs);
    // Outcomes and receipts of that time are gone, though carriers saw them answered.
    stage.sent.add('submitted');
    for (const { plan } of scene.carriers) stage.leavesUnanswered(Math.ceil((plan.ratePerSecond * behindMs) / 1_000));
  } else await scene.redis.client.wait(1, 1_000);
  await promote(scene, replica);
  stage.healed();
}

export const redisCases: readonly FaultCase[] = [
  {
    name: 'redis-restart',
    group: 4,
    about: 'kill -9 of Redis, started again over its append-only file',
    quick: true,
    async run(stage) {
      await midway(stage);
      everyBindMayBreak(stage);
      await stage.scene.redis.kill();
      await stage.scene.redis.start();
      stage.healed();
    },
  },
  {
    name: 'redis-power-cut',
    group: 4,
    about: 'the host of Redis loses its power: the last moments of its append-only file are gone',
    quick: false,
    // Others come back later than the short leases of these runs end, a fifth of which is less than what is lost here.
    on: ['single'],
    async run(stage) {
      const { redis, carriers } = stage.scene;
      await midway(stage);
      everyBindMayBreak(stage);
      // Outcomes and receipts of that time are gone; takes and reservations too, and with them who was sent to.
      stage.sent.add('submitted');
      const fromMs = performance.now();
      await redis.remember();
      await stage.hold(stage.between(200, 800));
      await redis.kill();
      const seconds = (performance.now() - fromMs) / 1_000;
      for (const { plan } of carriers) {
        stage.everythingMayDouble(Math.ceil(plan.ratePerSecond * seconds));
        stage.mayBeUnknown(Math.ceil(plan.ratePerSecond * seconds));
      }
      redis.fallBack();
      await redis.start();
      stage.healed();
    },
  },
  {
    name: 'redis-lost',
    group: 4,
    about: 'Redis killed and all of its data gone: rebuilt from PostgreSQL',
    quick: true,
    async run(stage) {
      await midway(stage);
      everyBindMayBreak(stage);
      // What was answered and not recorded yet went with Redis, and so did receipts that a carrier saw answered.
      stage.sent.add('submitted');
      stage.mayBeUnknown(stage.size.information);
      stage.leavesUnanswered(stage.size.alert);
      await stage.scene.redis.kill();
      stage.scene.redis.forget();
      await stage.scene.redis.start();
      stage.healed();
    },
  },
  {
    name: 'redis-failover',
    group: 4,
    about: 'Redis dies and its replica, which has everything, takes over its address',
    quick: false,
    on: ['single'],
    run: (stage) => failover(stage, 0),
  },
  {
    name: 'redis-failover-behind',
    group: 4,
    about: 'Redis dies and its replica, which lacks the last moments, takes over its address',
    quick: false,
    on: ['single'],
    async run(stage) {
      await failover(stage, stage.between(20, 60));
    },
  },
  {
    name: 'redis-sentinel',
    group: 4,
    about: 'Redis dies, and a Sentinel that notices it promotes the replica, which gets its address',
    quick: false,
    on: ['single'],
    async run(stage) {
      const { scene } = stage;
      const replica = await addReplica(scene, false);
      const sentinel = await startSentinel(scene);
      await midway(stage);
      everyBindMayBreak(stage);
      await stage.within('promoted by Sentinel', promoteBySentinel(scene, sentinel, replica));
      stage.healed();
    },
  },
  {
    name: 'redis-disk-full',
    group: 4,
    about: 'the disk of Redis is full for longer than the leases: it takes no write, and goes on when there is room',
    quick: false,
    scene: 'small-redis-disk',
    on: ['single'],
    unable: () => (canMount() ? undefined : 'only root may mount a small file system'),
    async run(stage) {
      const { disk, redis } = stage.scene;
      await midway(stage);
      everyBindMayBreak(stage);
      await disk?.fill();
      await stage.hold(stage.between(3_000, 4_000));
      disk?.free();
      await redis.start();
      stage.healed();
    },
  },
  {
    name: 'redis-entries-gone',
    group: 4,
    about: 'entries are deleted from the streams by hand, and consumers with what they hold: found out, and made good',
    quick: false,
    async run(stage) {
      const { redis, carriers } = stage.scene;
      await midway(stage);
      everyBindMayBreak(stage);
      for (const { plan } of carriers) {
        for (const { id } of stage.launched) {
          const key = `{${plan.name}}:campaign:${id}`;
          const entries = (await redis.client.xrange(key, '-', '+')).map(([entry]) => entry);
          const gone = entries.filter(() => stage.chance.next() < 0.05);
          if (gone.length > 0) await redis.client.xdel(key, ...gone);
          // What waited in them nobody has any more.
          stage.mayBeUnknown(gone.length * batchRecipientsMax);
          if (entries.length > 0)
            await redis.client.xgroup('DELCONSUMER', key, 'workers', stage.scene.names('worker')[0] ?? '');
        }
      }
      stage.healed();
    },
  },
  {
    name: 'redis-full',
    group: 4,
    about: 'Redis at maxmemory with noeviction for a while: workers still get rid of work and keep their leases',
    quick: true,
    async run(stage) {
      await midway(stage);
      await stage.scene.redis.everywhere((node) => node.config('SET', 'maxmemory', '1mb'));
      await stage.hold(stage.between(500, 1_500));
      await stage.scene.redis.everywhere((node) => node.config('SET', 'maxmemory', '0'));
      stage.healed();
    },
  },
  {
    name: 'redis-frozen',
    group: 4,
    about: 'Redis answers nobody for longer than the leases, and goes on',
    quick: false,
    async run(stage) {
      await midway(stage);
      everyBindMayBreak(stage);
      stage.scene.redis.freeze();
      await stage.hold(stage.between(3_000, 4_000));
      stage.scene.redis.thaw();
      stage.healed();
    },
  },
  {
    name: 'redis-reset',
    group: 4,
    about: 'every connection to Redis reset in the middle of pipelines, several times, and all scripts forgotten',
    quick: true,
    async run(stage) {
      await stage.launchBoth();
      for (const share of [0.1, 0.25, 0.4]) {
        await stage.somewhere(share, share + 0.1);
        for (const line of stage.scene.lines('redis')) line.reset();
        await stage.scene.redis.everywhere((node) => node.script('FLUSH'));
      }
      stage.healed();
    },
  },
  {
    name: 'redis-cut-from-worker',
    group: 4,
    about: 'one worker is cut off from Redis for longer than its leases: it lets its binds go, and comes back',
    quick: false,
    async run(stage) {
      await midway(stage);
      const worker = stage.oneOf(stage.scene.names('worker'));
      await stage.crash(worker);
      const line = stage.scene.line(worker, 'redis');
      line.blackhole();
      await stage.hold(stage.between(3_000, 3_500));
      line.heal();
      stage.healed();
    },
  },
  {
    name: 'worker-cut-off',
    group: 4,
    about: 'one worker is cut off from Redis and from every carrier for longer than its leases, and comes back',
    quick: false,
    async run(stage) {
      // Nobody is told that its connections are gone; only the carrier can keep its successors out meanwhile.
      for (const carrier of stage.scene.carriers) await carrier.behave({ bindsMax: carrier.plan.binds });
      await midway(stage);
      const worker = stage.oneOf(stage.scene.names('worker'));
      await stage.crash(worker);
      const lines = ['redis', ...stage.scene.carriers.map(({ plan }) => plan.name)].map((to) =>
        stage.scene.line(worker, to),
      );
      for (const line of lines) line.blackhole();
      await stage.hold(stage.between(3_000, 3_500));
      for (const line of lines) line.heal();
      stage.healed();
    },
  },
];
