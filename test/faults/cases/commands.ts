/** A pause and a cancellation, while what carries them out is killed: nothing more of the campaign may be sent. */
import type { Stage } from '../stage.ts';
import type { FaultCase } from './case.ts';

/** Twice the longest lease of a scene: whoever takes over has begun by then. */
const takeoverMs = 5_000;

function everyBindMayBreak(stage: Stage): void {
  for (const { plan } of stage.scene.carriers) stage.breaksCarrier(plan.name);
}

async function restart(stage: Stage, names: readonly string[]): Promise<void> {
  for (const name of names) if (name.startsWith('worker')) await stage.crash(name);
  await Promise.all(names.map((name) => stage.scene.kill(name)));
  await Promise.all(names.map((name) => stage.scene.start(name)));
}

/** As when Redis is lost in the middle of a campaign: what was not recorded for long can all have been taken. */
async function loseRedis(stage: Stage): Promise<void> {
  everyBindMayBreak(stage);
  stage.sent.add('submitted');
  stage.mayBeUnknown(stage.size.information);
  stage.leavesUnanswered(stage.size.alert);
  await stage.scene.redis.kill();
  stage.scene.redis.forget();
  await stage.scene.redis.start();
}

const damages: readonly ((stage: Stage) => Promise<void>)[] = [
  (stage) => restart(stage, [stage.oneOf(stage.scene.names('worker'))]),
  (stage) => restart(stage, stage.scene.names('worker')),
  (stage) => restart(stage, ['planner', 'recorder']),
  async (stage) => {
    everyBindMayBreak(stage);
    await stage.scene.redis.kill();
    await stage.scene.redis.start();
  },
  loseRedis,
];

/**
 * Gives a command to the information campaign while the alert goes on, and does damage once nothing of it is sent. What
 * it gives is the campaign, and whether Redis's data were lost.
 */
async function commandThenDamage(
  stage: Stage,
  command: 'pause' | 'cancel',
): Promise<{ readonly id: string; readonly isLost: boolean }> {
  const campaign = await stage.launch('information');
  await stage.launch('alert');
  await stage.somewhere(0.1, 0.4);
  await stage.scene.api('POST', `/campaigns/${campaign.id}/${command}`);
  const quietMicros = await stage.quiet(campaign);
  const done = [stage.oneOf(damages), stage.oneOf(damages)];
  for (const damage of done) await damage(stage);
  await stage.hold(takeoverMs);
  const late = await stage.sentAfter(campaign, quietMicros);
  if (late > 0) stage.problems.push(`${late} segments were sent in spite of the ${command}`);
  return { id: campaign.id, isLost: done.includes(loseRedis) };
}

export const commandCases: readonly FaultCase[] = [
  {
    name: 'pause-holds',
    group: 2,
    about:
      'workers, planner, recorder or Redis are killed while a campaign is paused: nothing of it is sent until resumed',
    quick: true,
    async run(stage) {
      const { id, isLost } = await commandThenDamage(stage, 'pause');
      const { status } = await stage.scene.api<{ status: string }>('GET', `/campaigns/${id}`);
      if (status === 'paused') await stage.scene.api('POST', `/campaigns/${id}/resume`);
      // Without Redis's data all that waited may be unknown, and with that it is over.
      else if (!isLost) stage.problems.push(`the paused campaign is ${status}`);
      stage.healed();
    },
  },
  {
    name: 'cancel-holds',
    group: 2,
    about: 'the same once a campaign was cancelled: nothing more is sent, and every recipient has an outcome',
    quick: false,
    async run(stage) {
      stage.unsent.add('cancelled');
      await commandThenDamage(stage, 'cancel');
      stage.healed();
    },
  },
];
