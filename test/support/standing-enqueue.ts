/** An enqueuer that stands still in the middle, as a planner does that is stopped. */
import type { Enqueue } from '../../src/handoff.ts';

/** Where it can stand still: before that step. */
export type StandingStep = 'open' | 'enqueue';

/** Stands still before every `step` of `real` until `goOn`; `reached` resolves when it first does. */
export function standingEnqueue(
  real: Enqueue,
  step: StandingStep,
): { readonly enqueue: Enqueue; readonly reached: Promise<void>; readonly goOn: () => void } {
  let [reach, goOn] = [(): void => undefined, (): void => undefined];
  const reached = new Promise<void>((resolve) => (reach = resolve));
  const released = new Promise<void>((resolve) => (goOn = resolve));
  const wait = async (at: StandingStep) => {
    if (at !== step) return;
    reach();
    await released;
  };
  const enqueue: Enqueue = {
    control: (...args) => real.control(...args),
    close: (...args) => real.close(...args),
    async open(...args) {
      await wait('open');
      return await real.open(...args);
    },
    async enqueue(...args) {
      await wait('enqueue');
      return await real.enqueue(...args);
    },
  };
  return { enqueue, reached, goOn };
}
