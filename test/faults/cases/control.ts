/** Group 2: planner, recorder and API killed between two steps that belong together, or stopped beside a successor. */
import type { Stage } from '../stage.ts';
import type { FaultCase } from './case.ts';

/** Kills a process when the bytes of a statement are on its line to a server. */
export async function killAt(
  stage: Stage,
  name: string,
  to: 'postgres' | 'redis',
  bytes: string,
  nth: number,
): Promise<void> {
  const { release } = await stage.reaches(name, to, bytes, nth);
  await stage.scene.kill(name);
  release();
  stage.healed();
  await stage.scene.start(name);
}

/** The longest lease of planner and recorder in a scene. */
const leaseMs = 2_000;

/** Stops a process for longer than its lease while another of its role takes over, then lets it go on beside it. */
async function stopBesideAnother(
  stage: Stage,
  role: 'planner' | 'recorder',
  moment: () => Promise<void>,
): Promise<void> {
  const { scene } = stage;
  const [first = ''] = scene.names(role);
  const second = await scene.add(role);
  await stage.launchBoth();
  await moment();
  scene.child(first).pause();
  await stage.hold(1.5 * leaseMs);
  scene.child(first).resume();
  stage.healed();
  await stage.settled();
  await scene.child(second).terminate();
  await scene.forget(second);
}

export const controlCases: readonly FaultCase[] = [
  {
    name: 'kill-planner-freezing',
    group: 2,
    about: 'kill -9 of the planner as it freezes recipients',
    quick: false,
    async run(stage) {
      const killed = killAt(stage, 'planner', 'postgres', 'insert into recipients', 1);
      await stage.launchBoth();
      await killed;
    },
  },
  {
    name: 'kill-planner-enqueuing',
    group: 2,
    about: 'kill -9 of the planner between batches in Redis and the checkpoint in PostgreSQL',
    quick: true,
    async run(stage) {
      const killed = killAt(stage, 'planner', 'postgres', 'update campaign_carriers', stage.between(1, 4));
      await stage.launchBoth();
      await killed;
    },
  },
  {
    name: 'kill-recorder',
    group: 2,
    about: 'kill -9 of the recorder between its commit and the trimming of the streams',
    quick: true,
    async run(stage) {
      await stage.launchBoth();
      await stage.somewhere(0.05, 0.5);
      await killAt(stage, 'recorder', 'redis', 'xtrim', stage.between(1, 3));
    },
  },
  {
    name: 'kill-recorder-writing',
    group: 2,
    about: 'kill -9 of the recorder in the middle of a transaction',
    quick: false,
    async run(stage) {
      await stage.launchBoth();
      await stage.somewhere(0.05, 0.5);
      await killAt(stage, 'recorder', 'postgres', 'record-states', stage.between(1, 3));
    },
  },
  {
    name: 'stop-recorder',
    group: 2,
    about: 'SIGSTOP of a recorder past its lease beside a second one, then SIGCONT: fenced, it records nothing twice',
    quick: false,
    run: (stage) => stopBesideAnother(stage, 'recorder', () => stage.somewhere(0.05, 0.5)),
  },
  {
    name: 'stop-planner',
    group: 2,
    about: 'SIGSTOP of a planner past its lease beside a second one, then SIGCONT: nothing is planned twice',
    quick: false,
    run: (stage) => stopBesideAnother(stage, 'planner', () => stage.somewhere(0, 0.2)),
  },
  {
    name: 'kill-api',
    group: 2,
    about: 'kill -9 of the API between the commit of a launch and its command in Redis',
    quick: true,
    async run(stage) {
      const campaign = await stage.draft('information');
      await stage.launch('alert');
      const killed = killAt(stage, 'api', 'redis', 'xadd', 1);
      const launched = stage.scene.api('POST', `/campaigns/${campaign.id}/launch`).then(
        () => true,
        () => false,
      );
      await killed;
      if (await launched) stage.problems.push('a killed API answered the launch');
      // Whoever asked asks again: it is under way, or it is launched now, and never twice.
      await stage.scene.api('POST', `/campaigns/${campaign.id}/launch`).catch(() => undefined);
    },
  },
  {
    name: 'kill-everything',
    group: 2,
    about: 'kill -9 of every process, of Redis and of PostgreSQL at once in the middle; started in any order',
    quick: false,
    async run(stage) {
      const { scene } = stage;
      await stage.launchBoth();
      await stage.somewhere();
      const workers = scene.names('worker');
      for (const worker of workers) await stage.crash(worker);
      const names = [...workers, 'recorder', 'planner', 'api'];
      await Promise.all([...names.map((name) => scene.kill(name)), scene.redis.kill(), scene.postgres.kill()]);
      await Promise.all([scene.redis.start(), scene.postgres.start()]);
      stage.healed();
      for (const name of stage.shuffled(names)) await scene.start(name);
    },
  },
];
