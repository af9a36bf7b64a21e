/** A pool's rate while its binds come and go, by a clock that the test moves, over real sockets. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Pool } from '../../src/carrier/pool.ts';
import type { Bind } from '../../src/carrier/bind.ts';
import { commandStatus } from '../../src/smpp/command-status.ts';
import { silentLog } from '../../src/telemetry.ts';
import { framesOf, taskOf } from '../encode/batch.ts';
import { HandClock } from '../support/hand-clock.ts';
import { bindSettings } from './bound.ts';
import { polite, RawCarrier } from './raw-carrier.ts';

const ratePerSecond = 100;
const frames = framesOf(taskOf(Array.from({ length: 2_000 }, (_, i) => [`3363998${String(i).padStart(4, '0')}`, 'A'])));

let carrier: RawCarrier;
let clock: HandClock;
let pool: Pool;
let next = 0;
let throttled = 0;
let waiting: { holds: () => boolean; resolve: () => void }[] = [];
const changed = () => {
  for (const { resolve } of waiting.filter(({ holds }) => holds())) resolve();
  waiting = waiting.filter(({ holds }) => !holds());
};
const until = (holds: () => boolean) =>
  holds() ? Promise.resolve() : new Promise<void>((resolve) => waiting.push({ holds, resolve }));

beforeEach(async () => {
  carrier = await RawCarrier.start();
  clock = new HandClock();
  next = 0;
  throttled = 0;
  const source = {
    next: ({ paced }: { paced: number }) => {
      const from = next;
      next = Math.min(frames.recipient.length, from + paced);
      return from === next ? undefined : { ...frames, from, to: next, ticketBase: 0 };
    },
  };
  const handlers = {
    answered: (bind: Bind, _ticket: number, status: number) => {
      if (status === commandStatus.ESME_RTHROTTLED) {
        throttled++;
        bind.pace.throttled(clock.monotonicMs());
      }
      changed();
    },
    lost: changed,
    overdue: () => () => undefined,
    delivered: () => undefined,
    bound: () => {
      pool.pump();
      changed();
    },
  };
  const settings = bindSettings(carrier.port, { window: 1_000, ratePerSecond });
  pool = new Pool(settings, 0, source, handlers, clock, silentLog);
});
afterEach(async () => {
  for (const slot of pool.slots) pool.abandon(slot);
  await carrier.stop();
});

/** What is submitted in a second of the clock. */
async function inSecond(): Promise<number> {
  const before = next;
  for (let ms = 0; ms < 1_000; ms += 5) await clock.advance(5);
  return next - before;
}

/** As many slots, give or take a tick of the clock and the hundredth that a second may be above its rate. */
function expectRateOf(slots: number, submitted: number): void {
  expect(submitted).toBeLessThanOrEqual(slots * ratePerSecond * 1.01);
  expect(submitted).toBeGreaterThanOrEqual(slots * ratePerSecond * 0.97);
}

/** Opens slots 0 and 1, of which the carrier lets the second wait for its bind. */
async function openWithOneBound(): Promise<void> {
  carrier.onPdu = (peer, pdu) => {
    if (peer === carrier.peers[0]) polite(peer, pdu);
  };
  pool.open(0);
  await until(() => pool.boundCount === 1);
  pool.open(1);
  await (await carrier.peer(1)).untilReceived('bind_transceiver', 1);
}

test('pool - the rate of a slot that is not bound yet is used by the others, and no more once it is', async () => {
  await openWithOneBound();
  expectRateOf(2, await inSecond());
  carrier.onPdu = polite;
  const second = await carrier.peer(1);
  for (const pdu of second.of('bind_transceiver')) polite(second, pdu);
  await until(() => pool.boundCount === 2);
  expectRateOf(2, await inSecond());
  await second.until(() => second.of('submit_sm').length >= 0.97 * ratePerSecond);
});

test('pool - a slot that is given up leaves its rate to the others until it is closed, and no longer', async () => {
  carrier.onPdu = polite;
  pool.open(0);
  pool.open(1);
  await until(() => pool.boundCount === 2);
  expectRateOf(2, await inSecond());
  const closing = pool.close(1, clock.monotonicMs() + 20_000);
  expectRateOf(2, await inSecond());
  for (const peer of carrier.peers) for (const { sequence } of peer.of('submit_sm')) peer.answer(sequence);
  await closing;
  expectRateOf(1, await inSecond());
});

test('pool - a bind that is throttled slows down, whatever rate is left over', async () => {
  await openWithOneBound();
  expectRateOf(2, await inSecond());
  const first = await carrier.peer(0);
  const [submit] = await first.untilReceived('submit_sm', 1);
  first.answer(submit?.sequence ?? 0, commandStatus.ESME_RTHROTTLED);
  await until(() => throttled > 0);
  expect(await inSecond()).toBeLessThanOrEqual(0.6 * ratePerSecond);
});
