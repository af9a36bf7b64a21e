/** Group 2: planner, recorder and API killed between two steps that belong together. */
import type { Stage } from '../stage.ts';
import type { FaultCase } from './case.ts';

/** Kills a process when the bytes of a statement are on its line to a server. */
async function killAt(stage: Stage, name: string, to: 'postgres' | 'redis', bytes: string, nth: number): Promise<void> {
  const { release } = await stage.reaches(name, to, bytes, nth);
  await stage.scene.kill(name);
  release();
  stage.healed();
  await stage.scene.start(name);
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
    },
  },
];
