/** Group 1: everything that runs on a node, or in a zone of two nodes, is gone at once, and the other nodes go on. */
import type { Stage } from '../stage.ts';
import type { FaultCase } from './case.ts';

/** What a node has beside its worker. */
const others = ['recorder', 'planner', 'api'] as const;

/** A node: the names of its worker, recorder, planner and API. */
type Node = readonly string[];

/** Three nodes. Which recorder and planner is on which is chance; the API that the case talks to is on the last. */
async function threeNodes(stage: Stage): Promise<readonly [Node, Node, Node]> {
  const { scene } = stage;
  const columns: string[][] = [scene.names('worker')];
  for (const role of others) {
    while (scene.names(role).length < 3) await scene.add(role);
    columns.push(role === 'api' ? scene.names(role).toReversed() : stage.shuffled(scene.names(role)));
  }
  const node = (index: number): Node => columns.map((column) => column[index] ?? '');
  return [node(0), node(1), node(2)];
}

/** Kills everything on `lost` at once; whatever is left takes a further alert and ends all campaigns alone. */
async function lose(stage: Stage, lost: readonly Node[], left: readonly Node[]): Promise<void> {
  const { scene } = stage;
  await stage.launchBoth();
  await stage.somewhere(0.05, 0.5);
  for (const [worker = ''] of lost) await stage.crash(worker);
  await Promise.all(lost.flat().map((name) => scene.kill(name)));
  stage.healed();
  await stage.launch('alert');
  await stage.settled();
  // The scene has one of each again.
  const usual = new Set(others.flatMap((role) => scene.names(role).slice(0, 1)));
  const isFurther = (name: string) => !name.startsWith('worker') && !usual.has(name);
  for (const name of left.flat().filter(isFurther)) await scene.child(name).terminate();
  for (const name of [...lost, ...left].flat().filter(isFurther)) await scene.forget(name);
}

export const nodeCases: readonly FaultCase[] = [
  {
    name: 'node-lost',
    group: 1,
    about: 'kill -9 of all processes of one node of three at once: worker, recorder, planner, API',
    quick: false,
    async run(stage) {
      const [first, ...rest] = await threeNodes(stage);
      await lose(stage, [first], rest);
    },
  },
  {
    name: 'zone-lost',
    group: 1,
    about: 'kill -9 of all processes of two nodes of three at once; the third takes an alert and ends everything alone',
    quick: true,
    async run(stage) {
      const [first, second, third] = await threeNodes(stage);
      await lose(stage, [first, second], [third]);
    },
  },
];
