/**
 * The wall clock of Redis, for processes whose own may be wrong: an hour ahead, a worker would let every message
 * expire. Asked now and then, and carried on by the monotonic clock in between and while Redis is away.
 */
import type { Clock } from '../clock.ts';
import type { Log } from '../telemetry.ts';
import { planKeys } from './keys.ts';
import { clockOf } from './owner.ts';
import type { RedisConnection } from './redis.ts';

/** How often Redis is asked. Monotonic clocks drift by less than a millisecond in that time. */
const askEveryMs = 10_000;
/** An answer that took longer says little: Redis may have read its clock at any moment of that time. */
const roundTripMsMax = 500;
/** A difference that people should know of: certificates and logs go by the machine's clock. */
const wrongMs = 5_000;

/** A clock with an end. */
export type RedisClock = Clock & { stop(): void };

/** A clock whose wall time is Redis's and whose monotonic time is `local`'s. Asks once before it resolves. */
export async function startRedisClock(redis: RedisConnection, local: Clock, log: Log): Promise<RedisClock> {
  let offsetMs: number | undefined;
  let cancel: () => void = () => undefined;
  const timeOf = clockOf(redis);
  const ask = async () => {
    const askedMs = local.monotonicMs();
    // Always of the same server of a cluster, so that all workers have the same time.
    const answerMs = await timeOf(planKeys.prefix);
    const answeredMs = local.monotonicMs();
    if (offsetMs !== undefined && answeredMs - askedMs > roundTripMsMax) return;
    offsetMs = answerMs - (askedMs + answeredMs) / 2;
  };
  const askAgain = () => {
    cancel = local.after(askEveryMs, () => {
      ask()
        .catch((error: unknown) => log.warn('clock.not-asked', {}, error))
        .finally(askAgain);
    });
  };
  await ask();
  const nowMs = () => Math.floor(local.monotonicMs() + (offsetMs ?? 0));
  const differenceMs = local.nowMs() - nowMs();
  if (Math.abs(differenceMs) > wrongMs) log.warn('clock.wrong', { differenceMs });
  askAgain();
  return {
    nowMs,
    monotonicMs: () => local.monotonicMs(),
    after: (delayMs, action) => local.after(delayMs, action),
    stop: () => cancel(),
  };
}
