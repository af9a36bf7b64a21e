/**
 * What of one carrier stands in Redis at a moment, for people: lanes, slots, and what waits to be recorded. Read by the
 * operator's command; several commands, so that the parts may be some milliseconds apart.
 */
import type { Lane } from '../handoff.ts';
import { BacklogReader, type StreamBacklog } from './backlog.ts';
import { carrierKeys, planKeys } from './keys.ts';
import { clockOf } from './owner.ts';
import type { RedisConnection } from './redis.ts';
import { askPauses, notPaused, type PauseWord } from './standing.ts';

/** What waits in a lane. */
export type LaneOverview = {
  /** Campaigns with something to take; paused ones do not count. */
  readonly campaigns: number;
  /** Batches of theirs that wait or are in hand. */
  readonly batches: number;
  /** Age of the oldest of them; 0 when there is none. */
  readonly oldestMs: number;
};

/** A slot that a worker holds. */
export type SlotOverview = { readonly slot: number; readonly worker: string; readonly leaseMs: number };

/** See the head of this file. */
export type CarrierOverview = {
  readonly carrier: string;
  readonly pause: PauseWord;
  readonly lanes: Readonly<Record<Lane, LaneOverview>>;
  /** Packed bytes of recipients that wait or are in hand. */
  readonly waitingBytes: number;
  /** Batches in workers' hands. */
  readonly batchesHeld: number;
  /** By number, without those whose lease is over. */
  readonly slots: readonly SlotOverview[];
  /** Entries that no recorder has committed. */
  readonly unrecorded: { readonly outcomes: StreamBacklog; readonly receipts: StreamBacklog };
  /** Entries that nobody can read. */
  readonly setAside: number;
};

/** Campaigns of a lane whose batches are counted; those behind them count as none. */
const campaignsMax = 500;

/** The overview of `carrier` now. */
export async function readCarrierOverview(redis: RedisConnection, carrier: string): Promise<CarrierOverview> {
  const keys = carrierKeys(carrier);
  const [backlog, alert, information, pauses, slots, nowMs] = await Promise.all([
    new BacklogReader(redis).read(carrier),
    readLane(redis, carrier, 'alert'),
    readLane(redis, carrier, 'information'),
    askPauses(redis, [carrier]),
    redis.hgetall(keys.slots),
    clockOf(redis)(keys.prefix),
  ]);
  const batchesHeld = await redis.zcard(keys.held);
  const withAge = (lane: Lane, counts: Omit<LaneOverview, 'oldestMs'>) => ({
    ...counts,
    oldestMs: backlog.oldestMs[lane],
  });
  return {
    carrier,
    pause: pauses.get(carrier) ?? notPaused,
    lanes: { alert: withAge('alert', alert), information: withAge('information', information) },
    waitingBytes: backlog.bytes,
    batchesHeld,
    slots: slotsOf(slots, nowMs),
    unrecorded: { outcomes: backlog.outcomes, receipts: backlog.receipts },
    setAside: backlog.aside,
  };
}

/** Commands that no planner has taken yet. */
export async function readCommandsWaiting(redis: RedisConnection): Promise<number> {
  return await redis.xlen(planKeys.campaigns);
}

async function readLane(redis: RedisConnection, carrier: string, lane: Lane): Promise<Omit<LaneOverview, 'oldestMs'>> {
  const keys = carrierKeys(carrier);
  const schedule = keys.schedule(lane);
  const campaigns = await redis.zcard(schedule);
  const first = await redis.zrange(schedule, '0', String(campaignsMax - 1));
  const lengths = await Promise.all(first.map((campaign) => redis.xlen(keys.campaign(campaign))));
  return { campaigns, batches: lengths.reduce((sum, length) => sum + length, 0) };
}

function slotsOf(slots: Readonly<Record<string, string>>, nowMs: number): SlotOverview[] {
  return Object.entries(slots)
    .flatMap(([slot, value]): SlotOverview[] => {
      const [, worker, expiry] = /^(.*)\|\d+\|(\d+)$/.exec(value) ?? [];
      const leaseMs = Number(expiry) - nowMs;
      return worker !== undefined && leaseMs > 0 ? [{ slot: Number(slot), worker, leaseMs }] : [];
    })
    .toSorted((a, b) => a.slot - b.slot);
}
