/**
 * Divides carriers of the file into their shards: each has its part of the rate and of the binds, so that all of them
 * together are what the contract allows. Pure.
 */
import { isShard, shardNames } from '../src/account.ts';
import type { CarrierSettings } from './carriers.ts';

/** Most binds of one shard, which are dealt to workers in one step. */
export const shardBindsMax = 64;

/** Segments a second that the least part of a contract has. */
export const shardRateMin = 0.1;

type Divisible = Pick<CarrierSettings, 'name' | 'shards' | 'binds' | 'ratePerSecond'>;

/** The shards of a carrier, each a carrier of its own; one that is not divided stays as it is. */
export function shardsOf<Carrier extends Divisible>(carrier: Carrier): Carrier[] {
  const { name, shards, binds, ratePerSecond } = carrier;
  if (shards === 1) return [carrier];
  return shardNames(name, shards).map((shard, index) => ({
    ...carrier,
    name: shard,
    shards: 1,
    // What is over goes to the first ones.
    binds: Math.floor(binds / shards) + (index < binds % shards ? 1 : 0),
    ratePerSecond: ratePerSecond / shards,
  }));
}

/** What keeps a carrier from being divided into so many shards; by field. */
export function divisionProblems({ name, shards, binds, ratePerSecond }: CarrierSettings): [string, string][] {
  const problems: [string, string][] = [];
  if (isShard(name)) problems.push(['name', `"${name}" ends as the name of a shard; see shards`]);
  if (binds < shards) problems.push(['binds', `${binds} cannot be dealt to ${shards} shards`]);
  else if (binds > shards * shardBindsMax)
    problems.push(['binds', `must be ${shards * shardBindsMax} or less: ${shardBindsMax} for each of shards`]);
  if (ratePerSecond / shards < shardRateMin)
    problems.push(['ratePerSecond', `must be ${shardRateMin} or more for each of ${shards} shards`]);
  return problems;
}
