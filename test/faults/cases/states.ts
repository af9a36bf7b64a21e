/** Group 11: campaigns paused, resumed and cancelled while processes are killed; a power cut of everything. */
import type { Launched, Stage } from '../stage.ts';
import type { FaultCase } from './case.ts';

/** A worker may take so long to hear of a pause, or of a cancellation, by a signal or at its next look. */
const heardMs = 2_500;

async function tell(stage: Stage, { id }: Launched, verb: 'pause' | 'resume' | 'cancel'): Promise<void> {
  await stage.scene.api('POST', `/campaigns/${id}/${verb}`);
}

async function killAndStart(stage: Stage, names: readonly string[]): Promise<void> {
  await Promise.all(names.map((name) => stage.scene.kill(name)));
  await Promise.all(names.map((name) => stage.scene.start(name)));
}

export const stateCases: readonly FaultCase[] = [
  {
    name: 'cancel-and-kill',
    group: 11,
    about: 'an information campaign is cancelled in the middle, and a worker and the planner are killed with it',
    quick: false,
    async run(stage) {
      const information = await stage.launch('information');
      await stage.launch('alert');
      await stage.somewhere(0.1, 0.4);
      // Of a message in two parts one may have gone, which is then all that anybody knows.
      stage.unsent.add('cancelled');
      const worker = stage.oneOf(stage.scene.names('worker'));
      await stage.crash(worker);
      const told = tell(stage, information, 'cancel');
      await stage.scene.kill(worker);
      await told;
      await killAndStart(stage, ['planner']);
      stage.healed();
      await stage.scene.start(worker);
    },
  },
  {
    name: 'pause-and-kill',
    group: 11,
    about: 'an information campaign is paused, everything is killed and started, nothing of it goes; resumed, all does',
    quick: false,
    async run(stage) {
      const information = await stage.launch('information');
      await stage.somewhere(0.1, 0.4);
      await tell(stage, information, 'pause');
      const workers = stage.scene.names('worker');
      for (const worker of workers) await stage.crash(worker);
      await killAndStart(stage, [...workers, 'planner', 'recorder']);
      await stage.hold(heardMs);
      const before = await stage.receivedNow();
      await stage.hold(1_500);
      if ((await stage.receivedNow()) !== before) stage.problems.push('something of a paused campaign was sent');
      await tell(stage, information, 'resume');
      stage.healed();
    },
  },
  {
    name: 'kill-everything',
    group: 11,
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
