/** Group 8: the clock of one worker is an hour off, from its start or by a leap. */
import { preloaded } from '../child.ts';
import type { Stage } from '../stage.ts';
import type { FaultCase } from './case.ts';

const hourMs = 3_600_000;

/** What makes a process's clock lie; see clock-shift.ts. */
function shifted(ms: number): Record<string, string> {
  return { ...preloaded('clock-shift'), FAULTS_CLOCK_SHIFT_MS: String(ms) };
}

async function withClock(stage: Stage, ms: number, leaps: boolean): Promise<void> {
  const worker = stage.oneOf(stage.scene.names('worker'));
  await stage.scene.child(worker).terminate();
  await stage.scene.start(worker, { ...shifted(ms), FAULTS_CLOCK_LEAPS: leaps ? '1' : '' });
  // A validity of less than an hour: a worker that believed its own clock would let everything expire.
  await stage.launch('information', stage.size.information, 1_800);
  await stage.launch('alert', stage.size.alert, 1_800);
  await stage.somewhere(0.1, 0.4);
  if (leaps) stage.scene.child(worker).signal('SIGUSR2');
  stage.healed();
  await stage.settled();
  await stage.scene.child(worker).terminate();
  await stage.scene.start(worker);
}

export const clockCases: readonly FaultCase[] = [
  {
    name: 'clock-ahead',
    group: 8,
    about: 'the clock of one worker is an hour ahead',
    quick: true,
    run: (stage) => withClock(stage, hourMs, false),
  },
  {
    name: 'clock-behind',
    group: 8,
    about: 'the clock of one worker is an hour behind',
    quick: false,
    run: (stage) => withClock(stage, -hourMs, false),
  },
  {
    name: 'clock-leaps-back',
    group: 8,
    about: 'the clock of one worker leaps back by an hour while it sends',
    quick: false,
    run: (stage) => withClock(stage, -hourMs, true),
  },
];
