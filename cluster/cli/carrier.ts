/** `tocsin carrier pause|resume NAME`: whether workers submit to a carrier, or to one shard of it. */
import { byAccount, otherNames } from '../../src/account.ts';
import { askPauses, type CarrierPause, notPaused, tellPause } from '../../src/stream/standing.ts';
import type { RedisConnection } from '../../src/stream/redis.ts';
import { requiredShards } from '../required.ts';
import { type Arguments, type Command, usage } from './command.ts';
import { withRedis } from './connections.ts';

/** See the head of this file. */
export const carrierCommand: Command = {
  name: 'carrier',
  takes: ['pause|resume', 'NAME'],
  summary: 'stop submitting to a carrier, or go on',
  help: `
pause     Workers submit nothing more to the carrier, alerts neither. What was written is answered and its receipts are
          taken; binds stay up. What waits for it waits on, also beyond a restart of workers; what expires or is
          cancelled meanwhile is settled once it is resumed.
  --reroute  What waits, and what is planned, goes to the carriers that serve the same numbers, where others serve all
             of them. Without it nothing is given away, even if no bind is up.
resume    Workers go on.

NAME is a carrier, with all of its shards, or one shard such as orange.1. What waits for one shard is given to no other,
but what is planned meanwhile goes to the others when it is paused with --reroute. The word on a carrier holds however
it is divided, before and afterwards; that on one shard is of this name alone.

The word is kept in Redis. Workers and planners that know of a pause tell a Redis that lost its data again; only when
all of them end at the same moment as Redis loses it is it forgotten. tocsin status and the metric
tocsin_carrier_paused show it. Needs REDIS_URL and TOCSIN_CARRIERS.
JSON: {"carrier", "shards", "pause": "none" | "wait" | "reroute", "sinceMs", "changed": boolean}`,
  options: { reroute: { type: 'boolean' } },
  async run(args, surroundings) {
    const [, name = ''] = args.positionals;
    const pause = pauseOf(args);
    const known = requiredShards(surroundings.settings).map((shard) => shard.name);
    const accounts = byAccount(known);
    const shards = accounts.get(name) ?? (known.includes(name) ? [name] : []);
    if (shards.length === 0)
      throw usage(`there is no carrier ${name}; there are ${[...new Set([...accounts.keys(), ...known])].join(', ')}`);
    return await withRedis(surroundings, async (redis) => {
      const before = await askPauses(redis, shards);
      let [changed, sinceMs] = [false, 0];
      for (const shard of shards) {
        const wordBefore = before.get(shard) ?? notPaused;
        const isChanged = wordBefore.pause !== pause;
        const word = isChanged ? await tellPause(redis, shard, pause) : wordBefore;
        [changed, sinceMs] = [changed || isChanged, Math.max(sinceMs, word.sinceMs)];
      }
      const untold = accounts.has(name) ? await tellOthers(redis, otherNames(name, shards), pause) : [];
      if (untold.length > 0)
        surroundings.say(`${untold.join(', ')} could not be told; say it again before ${name} is divided so`);
      surroundings.say(`${name} ${changed ? 'is' : 'was already'} ${told[pause]}`);
      return { exitCode: 0, json: { carrier: name, shards, pause, sinceMs, changed } };
    });
  },
};

/**
 * Tells the names that the account has if it is divided otherwise: a pause must not end with a new carriers file, and
 * workers with the file of before go by theirs. Returns those that could not be told, whose node may be another one.
 */
async function tellOthers(redis: RedisConnection, names: readonly string[], pause: CarrierPause): Promise<string[]> {
  const tries = await Promise.allSettled(names.map((name) => tellPause(redis, name, pause)));
  return names.filter((_, at) => tries[at]?.status === 'rejected');
}

const told: Readonly<Record<CarrierPause, string>> = {
  none: 'sent to',
  wait: 'paused; what waits for it waits',
  reroute: 'paused; what waits for it goes to others, where they serve all its numbers',
};

function pauseOf({ positionals: [verb], values }: Arguments): CarrierPause {
  const isRerouted = values['reroute'] === true;
  if (verb === 'pause') return isRerouted ? 'reroute' : 'wait';
  if (verb !== 'resume') throw usage(`${verb} is neither pause nor resume`);
  if (isRerouted) throw usage('--reroute goes with pause only');
  return 'none';
}
