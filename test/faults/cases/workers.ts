/** Groups 1 and 3: workers that are killed, and workers that are stopped for longer than their leases and go on. */
import { createHash } from 'node:crypto';
import { reserveScript, settleScript, takeScript } from '../../../src/stream/scripts.ts';
import { preloaded } from '../child.ts';
import type { Stage } from '../stage.ts';
import type { FaultCase } from './case.ts';

async function killAll(stage: Stage, workers: readonly string[]): Promise<void> {
  for (const worker of workers) await stage.crash(worker);
  await Promise.all(workers.map((worker) => stage.scene.kill(worker)));
}

async function startAll(stage: Stage, workers: readonly string[]): Promise<void> {
  stage.healed();
  await Promise.all(workers.map((worker) => stage.scene.start(worker)));
}

function digestOf(script: string): string {
  return createHash('sha1').update(script).digest('hex');
}

/** Kills a worker when a script of it is on its way to Redis, or its answer on the way back. */
async function killAtScript(stage: Stage, script: string): Promise<void> {
  await stage.launchBoth();
  await stage.somewhere(0.05, 0.4);
  const worker = stage.oneOf(stage.scene.names('worker'));
  // The reply carries no digest: where the script must have arrived, it is let through, and nothing comes back.
  const arrives = stage.chance.next() < 0.5;
  const { release } = await stage.reaches(worker, 'redis', digestOf(script), stage.between(1, 5));
  await stage.crash(worker);
  if (arrives) {
    release();
    await stage.hold(stage.between(0, 3));
  }
  await stage.scene.kill(worker);
  release();
  await startAll(stage, [worker]);
}

/** Stops a worker for a share of the longest lease, then lets it go on beside its successor. */
async function pauseFor(stage: Stage, leases: number): Promise<void> {
  // A stopped worker's connections stay open; only the carrier itself can refuse a successor's bind meanwhile.
  for (const carrier of stage.scene.carriers) await carrier.behave({ bindsMax: carrier.plan.binds });
  await stage.launchBoth();
  await stage.somewhere(0.05, 0.4);
  const worker = stage.oneOf(stage.scene.names('worker'));
  if (leases >= 1) await stage.crash(worker);
  stage.scene.child(worker).pause();
  await stage.hold(leases * leaseMs);
  stage.scene.child(worker).resume();
  stage.healed();
}

/** The longest lease of a scene's workers. */
const leaseMs = 2_500;

export const workerCases: readonly FaultCase[] = [
  {
    name: 'kill-worker',
    group: 1,
    about: 'kill -9 of one worker of three in the middle of its windows',
    quick: true,
    async run(stage) {
      await stage.launchBoth();
      await stage.somewhere();
      const worker = stage.oneOf(stage.scene.names('worker'));
      await killAll(stage, [worker]);
      await startAll(stage, [worker]);
    },
  },
  {
    name: 'kill-two-of-three',
    group: 1,
    about: 'kill -9 of two workers of three at once; the third goes on alone for a while',
    quick: false,
    async run(stage) {
      await stage.launchBoth();
      await stage.somewhere();
      const [first, ...others] = stage.scene.names('worker');
      const killed = stage.chance.next() < 0.5 ? others.slice(0, 2) : [first ?? '', others[0] ?? ''];
      await killAll(stage, killed);
      stage.healed();
      await stage.settled();
      await startAll(stage, killed);
    },
  },
  {
    name: 'kill-all-workers',
    group: 1,
    about: 'kill -9 of every worker, then start',
    quick: false,
    async run(stage) {
      await stage.launchBoth();
      await stage.somewhere();
      const all = stage.scene.names('worker');
      await killAll(stage, all);
      await startAll(stage, all);
    },
  },
  {
    name: 'kill-same-worker',
    group: 1,
    about: 'kill -9 of the same worker again and again, which comes back under its own name',
    quick: false,
    async run(stage) {
      await stage.launchBoth();
      const worker = stage.oneOf(stage.scene.names('worker'));
      for (const share of [0.1, 0.3, 0.5]) {
        await stage.somewhere(share, share + 0.15);
        await killAll(stage, [worker]);
        await startAll(stage, [worker]);
      }
    },
  },
  {
    name: 'kill-at-take',
    group: 1,
    about: 'kill -9 of a worker as it takes batches',
    quick: false,
    run: (stage) => killAtScript(stage, takeScript),
  },
  {
    name: 'kill-at-reserve',
    group: 1,
    about: 'kill -9 of a worker as it reserves segments',
    quick: false,
    run: (stage) => killAtScript(stage, reserveScript),
  },
  {
    name: 'kill-at-settle',
    group: 1,
    about: 'kill -9 of a worker as it records outcomes',
    quick: false,
    run: (stage) => killAtScript(stage, settleScript),
  },
  {
    name: 'stop-past-lease',
    group: 3,
    about: 'SIGSTOP of a worker for longer than its leases, then SIGCONT: fenced, it sends nothing',
    quick: true,
    run: (stage) => pauseFor(stage, 1.4),
  },
  {
    name: 'stop-within-lease',
    group: 3,
    about: 'SIGSTOP of a worker for a part of its leases: nothing is lost, doubled or unknown',
    quick: false,
    run: (stage) => pauseFor(stage, 0.25),
  },
  {
    name: 'worker-blocked',
    group: 3,
    about: 'the event loop of a worker stands still for longer than its leases: fenced, it sends nothing',
    quick: false,
    async run(stage) {
      const { scene } = stage;
      for (const carrier of scene.carriers) await carrier.behave({ bindsMax: carrier.plan.binds });
      const worker = stage.oneOf(scene.names('worker'));
      await scene.child(worker).terminate();
      const blockMs = Math.ceil(1.4 * leaseMs);
      await scene.start(worker, { ...preloaded('block'), FAULTS_BLOCK_MS: String(blockMs) });
      await stage.launchBoth();
      await stage.somewhere(0.05, 0.4);
      await stage.crash(worker);
      scene.child(worker).signal('SIGUSR2');
      await stage.hold(blockMs);
      stage.healed();
      await stage.settled();
      await scene.child(worker).terminate();
      await scene.start(worker);
    },
  },
  {
    name: 'scale',
    group: 3,
    about: 'three workers become five and then one during a campaign: never a bind too many',
    quick: false,
    async run(stage) {
      await stage.launchBoth();
      await stage.somewhere(0.05, 0.2);
      const more = [await stage.scene.add('worker'), await stage.scene.add('worker')];
      await stage.somewhere(0.3, 0.5);
      const [, ...leaving] = stage.scene.names('worker');
      await Promise.all(leaving.map((worker) => stage.scene.child(worker).terminate()));
      for (const worker of more) await stage.scene.forget(worker);
      stage.healed();
    },
  },
];
