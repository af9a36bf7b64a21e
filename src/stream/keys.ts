/**
 * Names of everything in Redis. All keys of one carrier share its hash tag, so that scripts may touch
 * them together on Redis Cluster; the planner's keys share another. Pure.
 */
import type { Id, Lane } from '../handoff.ts';

/** Keys and channels of one carrier. */
export function carrierKeys(carrier: string) {
  const tag = `{${carrier}}`;
  return {
    /** Common start of all keys, for scripts that name keys of many campaigns. */
    prefix: tag,
    /** Sorted set of campaigns with batches to take, by the virtual time at which the next one ends. */
    schedule: (lane: Lane) => `${tag}:schedule:${lane}`,
    /** Hash lane → virtual time: the latest start tag of a batch that was taken. */
    clock: `${tag}:clock`,
    /** Stream of a campaign's batches. */
    campaign: (campaign: Id) => `${tag}:campaign:${campaign}`,
    /** Hash of a campaign's standing here: lane, weight, state, last batch number, start tag of its next batch. */
    meta: (campaign: Id) => `${tag}:meta:${campaign}`,
    /** A campaign's `CampaignContent` as JSON. */
    content: (campaign: Id) => `${tag}:content:${campaign}`,
    /** Sorted set of batches in workers' hands, `campaign/entry`, by the end of their lease. */
    held: `${tag}:held`,
    /** Hash of one held batch: owner, reserved frames, answered frames, flushes. */
    ledger: (campaign: Id, entry: string) => `${tag}:ledger:${campaign}/${entry}`,
    /** Bytes of packed recipients that wait or are in hand. */
    waiting: `${tag}:waiting`,
    /** Stream of answers, read by the recorder. */
    outcomes: `${tag}:outcomes`,
    /** Stream of receipts and inbound messages, read by the recorder. */
    receipts: `${tag}:receipts`,
    /** Stream of entries that could not be read or encoded, with the reason. */
    aside: `${tag}:aside`,
    /** Hash slot → owner, token and end of lease. */
    slots: `${tag}:slots`,
    /** Sorted set of live workers by the end of their registration. */
    workers: `${tag}:workers`,
    /** Counter of fencing tokens. */
    tokens: `${tag}:tokens`,
    /** Random name of the carrier's data; gone when they are gone. */
    epoch: `${tag}:epoch`,
    /** There while a worker has a bind of the carrier. */
    up: `${tag}:up`,
    /** The operator's word on the carrier, and since when, epoch ms. */
    pause: `${tag}:pause`,
    /** Counter that the recorder raises before it waits for a replica. */
    seen: `${tag}:seen`,
    /** Channel: something to take (`take`), `pause`, `resume`, `cancel` with a campaign, or look at the `standing`. */
    wake: `${tag}:wake`,
  };
}

/** Keys of one carrier, as `carrierKeys` gives them. */
export type CarrierKeys = ReturnType<typeof carrierKeys>;

/** Keys and channels of the planner. */
export const planKeys = {
  /** Common start of all keys. */
  prefix: '{plan}',
  /** Stream of commands: launch, pause, resume, cancel. */
  campaigns: '{plan}:campaigns',
  /** Consumer group of the planners. */
  group: 'planners',
  /** Channel of progress, one JSON object for each change. */
  progress: '{plan}:progress',
  /** Random name of this Redis's data, as it was before each carrier's had one; the last one that was given. */
  epoch: '{plan}:epoch',
  /** There once carriers' data have names of their own. */
  epochsByCarrier: '{plan}:epochs-by-carrier',
  /** Sorted set of live processes by the end of their word. */
  processes: '{plan}:processes',
  /** What a process tells of itself, JSON. */
  process: (name: string) => `{plan}:process:${name}`,
  /** What the operator wishes of a process. */
  wish: (name: string) => `{plan}:wish:${name}`,
} as const;
