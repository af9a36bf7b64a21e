/** Group 10: SIGTERM under load, and a restart of every process one by one. */
import type { Stage } from '../stage.ts';
import type { FaultCase } from './case.ts';

/** The scene's setting of `graceMs`. */
const graceMs = 9_000;

/** Ends a process in order, under load. */
async function end(stage: Stage, name: string): Promise<void> {
  const { code, signal, ms } = await stage.scene.child(name).terminate();
  if (code !== 0) stage.problems.push(`${name} ended with ${signal ?? code ?? 'nothing'}`);
  if (ms > graceMs) stage.problems.push(`${name} took ${Math.round(ms)} ms to end`);
}

/** Ends a process in order, under load, and starts it again. */
async function restart(stage: Stage, name: string): Promise<void> {
  await end(stage, name);
  await stage.scene.start(name);
}

export const drainCases: readonly FaultCase[] = [
  {
    name: 'drain-workers',
    group: 10,
    about: 'SIGTERM to every worker, one after another, under load: nothing doubled, nothing unknown',
    quick: false,
    async run(stage) {
      await stage.launchBoth();
      await stage.somewhere(0.05, 0.2);
      for (const worker of stage.scene.names('worker')) await restart(stage, worker);
      stage.healed();
    },
  },
  {
    name: 'drain-all-workers',
    group: 10,
    about: 'SIGTERM to all workers at once, under load, then start',
    quick: false,
    async run(stage) {
      await stage.launchBoth();
      await stage.somewhere(0.05, 0.5);
      await Promise.all(stage.scene.names('worker').map((worker) => restart(stage, worker)));
      stage.healed();
    },
  },
  {
    name: 'rolling-restart',
    group: 10,
    about: 'every process is restarted in order, one by one, during one campaign',
    quick: true,
    async run(stage) {
      const { scene } = stage;
      await stage.launchBoth();
      for (const name of ['planner', 'recorder', ...scene.names('worker'), 'api']) await restart(stage, name);
      stage.healed();
    },
  },
  {
    name: 'rolling-update',
    group: 10,
    about: 'as an orchestrator updates: a new planner, recorder and API before the old one ends, workers one by one',
    quick: false,
    async run(stage) {
      const { scene } = stage;
      await stage.launchBoth();
      for (const role of ['planner', 'recorder', 'api'] as const) {
        const surge = await scene.add(role);
        await restart(stage, role);
        await end(stage, surge);
        await scene.forget(surge);
      }
      for (const worker of scene.names('worker')) await restart(stage, worker);
      stage.healed();
    },
  },
];
