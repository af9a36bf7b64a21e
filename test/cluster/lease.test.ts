/** Slots of a carrier in a worker, in virtual time: when they are believed, opened, drained and given back. */
import { beforeEach, expect, test } from 'vitest';
import { type Leases, type SlotBinds, SlotHolder } from '../../cluster/lease.ts';
import type { Slot, SlotsHeld } from '../../src/stream/slots.ts';
import { silentLog } from '../../src/telemetry.ts';
import { HandClock, settled } from '../support/hand-clock.ts';

const leaseMs = 1_000;

/** Redis as a test wills: every question waits until it is answered. */
class Answers implements Leases {
  readonly asked: { leaving: boolean; answer: (held: SlotsHeld) => void; fail: (error: Error) => void }[] = [];
  readonly released: Slot[] = [];
  /** Resolves releases; undefined lets them through. */
  holdRelease: Promise<void> | undefined;

  renew(leaving: boolean): Promise<SlotsHeld> {
    return new Promise((answer, fail) => this.asked.push({ leaving, answer, fail }));
  }

  async release(slot: Slot): Promise<void> {
    await this.holdRelease;
    this.released.push(slot);
  }

  /** Answers the oldest question. */
  async answer(held: readonly Slot[], excess: readonly number[] = []): Promise<void> {
    const question = this.asked.shift();
    if (question === undefined) throw new Error('nothing was asked');
    question.answer({ held, excess });
    await settled();
  }
}

/** Binds that note what is done with them; a drain ends when the test says so. */
class Binds implements SlotBinds {
  readonly open_: Set<number> = new Set();
  readonly done: string[] = [];
  readonly drains = new Map<number, () => void>();
  trustedUntilMs = 0;

  trust(untilMs: number): void {
    this.trustedUntilMs = untilMs;
  }

  open(slot: number): void {
    expect(this.open_.has(slot), 'a slot is opened once').toBe(false);
    this.open_.add(slot);
    this.done.push(`open ${slot}`);
  }

  close(slot: number, _deadlineMs: number): Promise<void> {
    this.done.push(`drain ${slot}`);
    return new Promise((resolve) => this.drains.set(slot, () => this.#ended(slot, resolve)));
  }

  abandon(slot: number): void {
    this.done.push(`abandon ${slot}`);
    this.open_.delete(slot);
    this.drains.get(slot)?.();
  }

  #ended(slot: number, resolve: () => void): void {
    this.drains.delete(slot);
    this.open_.delete(slot);
    resolve();
  }
}

const slotOf = (number: number, token = `${number + 1}`): Slot => ({ number, token });

let clock: HandClock;
let answers: Answers;
let binds: Binds;
let holder: SlotHolder;
beforeEach(() => {
  clock = new HandClock();
  answers = new Answers();
  binds = new Binds();
  holder = new SlotHolder(answers, binds, leaseMs, clock, silentLog);
});

async function started(...held: Slot[]): Promise<void> {
  const start = holder.start();
  await answers.answer(held);
  await start;
}

test('holder - opens what it is given and keeps asking, four times in a lease', async () => {
  await started(slotOf(0), slotOf(2));
  expect(binds.done).toEqual(['open 0', 'open 2']);
  for (let turn = 0; turn < 8; turn++) {
    await clock.advance(leaseMs / 4);
    await answers.answer([slotOf(0), slotOf(2)]);
  }
  expect(binds.done).toEqual(['open 0', 'open 2']);
});

test('holder - believes in a lease for 0.8 of it from before it asked, however long the answer took', async () => {
  const start = holder.start();
  const askedMs = clock.monotonicMs();
  await clock.advance(300);
  await answers.answer([slotOf(0)]);
  await start;
  expect(binds.trustedUntilMs).toBe(askedMs + 800);
  await clock.advance(499);
  expect(binds.open_.size).toBe(1);
  await clock.advance(1);
  expect(binds.done).toEqual(['open 0', 'abandon 0']);
});

test.each(['unanswered', 'failing'])(
  'holder - with Redis %s every bind is closed in time, and opened when it is back',
  async (how) => {
    await started(slotOf(0), slotOf(1));
    for (let waitedMs = 0; waitedMs < 799; waitedMs += 17) {
      await clock.advance(Math.min(17, 799 - waitedMs));
      if (how === 'failing') for (const question of answers.asked.splice(0)) question.fail(new Error('away'));
      await settled();
    }
    expect(binds.open_.size).toBe(2);
    await clock.advance(1);
    expect(binds.open_.size).toBe(0);
    if (how === 'failing') await clock.advance(leaseMs);
    // An answer to an old question, or one that leaves a carrier no time to see that the binds are gone, opens nothing.
    else await answers.answer([slotOf(0, '7'), slotOf(1, '8')]);
    if (how === 'unanswered') {
      expect(binds.open_.size).toBe(0);
      await clock.advance(leaseMs / 4);
    }
    await answers.answer([slotOf(0, '7'), slotOf(1, '8')]);
    expect([...binds.open_]).toEqual([0, 1]);
    expect(answers.released).toEqual([]);
  },
);

test('holder - binds that were closed for want of a lease come back no sooner than those of a successor', async () => {
  await started(slotOf(0));
  await clock.advance(750);
  const [question] = answers.asked.splice(0);
  await clock.advance(50);
  expect(binds.done).toEqual(['open 0', 'abandon 0']);
  question?.answer({ held: [slotOf(0)], excess: [] });
  await settled();
  expect(binds.open_.size).toBe(0);
  await clock.advance(leaseMs / 4);
  await answers.answer([slotOf(0)]);
  expect(binds.done).toEqual(['open 0', 'abandon 0', 'open 0']);
});

test('holder - a slot above its share is given back without a bind', async () => {
  await started();
  await clock.advance(leaseMs / 4);
  await answers.answer([slotOf(0), slotOf(1)], [1]);
  expect(binds.done).toEqual(['open 0']);
  expect(answers.released).toEqual([slotOf(1)]);
});

test('holder - one that was stopped and goes on closes everything before anything else that is due later', async () => {
  await started(slotOf(0));
  const trustedUntilMs = binds.trustedUntilMs;
  await clock.jump(60_000);
  expect(clock.monotonicMs()).toBeGreaterThan(trustedUntilMs);
  expect(binds.open_.size).toBe(0);
});

test('holder - a slot that is given back while it looks is looked for once more, however often told', async () => {
  await started(slotOf(0));
  const looks = [holder.renew(), holder.renew(), holder.renew()];
  await answers.answer([slotOf(0)]);
  await answers.answer([slotOf(0), slotOf(1)]);
  await Promise.all(looks);
  expect(binds.done).toEqual(['open 0', 'open 1']);
  expect(answers.asked).toEqual([]);
});

test('holder - a slot with another token is another lease: the old bind is closed at once', async () => {
  await started(slotOf(0, '1'));
  await clock.advance(leaseMs / 4);
  await answers.answer([slotOf(0, '9')]);
  expect(binds.done).toEqual(['open 0', 'abandon 0', 'open 0']);
  await clock.advance(leaseMs / 4);
  await answers.answer([]);
  expect(binds.done.at(-1)).toBe('abandon 0');
});

test('holder - what is above its share is drained first, given back once, and never opened meanwhile', async () => {
  await started(slotOf(0), slotOf(1));
  let letGo = () => undefined as void;
  answers.holdRelease = new Promise((resolve) => (letGo = resolve));
  await clock.advance(leaseMs / 4);
  await answers.answer([slotOf(0), slotOf(1)], [1]);
  await clock.advance(leaseMs / 4);
  await answers.answer([slotOf(0), slotOf(1)], [1]);
  expect(binds.done).toEqual(['open 0', 'open 1', 'drain 1']);
  // The drain ends while a renewal is on its way that still names the slot, and the release is not answered yet.
  await clock.advance(leaseMs / 4);
  binds.drains.get(1)?.();
  await settled();
  await answers.answer([slotOf(0), slotOf(1)], [1]);
  expect([...binds.open_]).toEqual([0]);
  letGo();
  await settled();
  expect(answers.released).toEqual([slotOf(1)]);
  await clock.advance(leaseMs / 4);
  await answers.answer([slotOf(0), slotOf(1, '12')]);
  expect([...binds.open_]).toEqual([0, 1]);
});

test('stop - drains all slots, keeps their leases meanwhile, and gives each back once', async () => {
  await started(slotOf(0), slotOf(1));
  await clock.advance(leaseMs / 4);
  await answers.answer([slotOf(0), slotOf(1)], [1]);
  let isStopped = false;
  const stop = holder.stop(clock.monotonicMs() + 5_000).then(() => (isStopped = true));
  await settled();
  expect(binds.done.slice(2).toSorted()).toEqual(['drain 0', 'drain 1']);
  for (let turn = 0; turn < 6; turn++) {
    expect(answers.asked.map(({ leaving }) => leaving)).toEqual([true]);
    await answers.answer([slotOf(0), slotOf(1)], [0, 1]);
    await clock.advance(leaseMs / 4);
  }
  await answers.answer([slotOf(0), slotOf(1)], [0, 1]);
  binds.drains.get(0)?.();
  await settled();
  expect(isStopped).toBe(false);
  binds.drains.get(1)?.();
  await stop;
  expect(answers.released).toEqual([slotOf(0), slotOf(1)]);
});

test('stop - what is not drained in time is closed', async () => {
  await started(slotOf(0), slotOf(1));
  await clock.advance(leaseMs / 4);
  await answers.answer([slotOf(0), slotOf(1)], [1]);
  const stop = holder.stop(clock.monotonicMs() + 100);
  await settled();
  await answers.answer([slotOf(0), slotOf(1)]);
  await clock.advance(100);
  await stop;
  expect(binds.open_.size).toBe(0);
  expect(answers.released).toHaveLength(2);
});

test('stop - nothing is asked and no timer runs afterwards, and a second stop changes nothing', async () => {
  await started();
  const stop = holder.stop(clock.monotonicMs());
  await settled();
  expect(answers.asked.map(({ leaving }) => leaving)).toEqual([true]);
  await answers.answer([]);
  await stop;
  await holder.stop(clock.monotonicMs());
  await holder.renew();
  await clock.advance(10 * leaseMs);
  expect(answers.asked).toEqual([]);
  expect(clock.armed).toBe(0);
});

test('stop - slots that Redis gives while it leaves are given back unopened', async () => {
  const start = holder.start();
  const stop = holder.stop(clock.monotonicMs() + 1_000);
  await answers.answer([slotOf(0)]);
  await answers.answer([]);
  await Promise.all([start, stop]);
  expect(binds.done).toEqual([]);
  expect(answers.released).toEqual([slotOf(0)]);
});
