/**
 * A carrier's account and its shards. To the carrier it is one account, to us one carrier or, where its rate outgrows
 * one Redis node, several (`orange.0`, `orange.1`), each with lanes, slots and streams of its own. What the carrier
 * knows (message ids, receipts, counts) goes by the account's name, what lies in Redis by the shard's. Pure.
 */
import type { Id } from './handoff.ts';

/** Most shards of one account. */
export const shardsMax = 16;

const shardEnd = /\.[0-9]+$/;

/** The account of a carrier or shard. Carriers of the file never end in a dot and digits, so a name says it alone. */
export function accountOf(carrier: string): string {
  return carrier.replace(shardEnd, '');
}

/** `accountOf` of a column or expression, in SQL. */
export function accountSql(carrier: string): string {
  return `regexp_replace(${carrier}, '\\.[0-9]+$', '')`;
}

/** Whether it is a shard's name, and so no account's. */
export function isShard(carrier: string): boolean {
  return shardEnd.test(carrier);
}

/** Names of an account's shards; the account itself where it is not divided. */
export function shardNames(account: string, shards: number): string[] {
  return shards === 1 ? [account] : Array.from({ length: shards }, (_, index) => `${account}.${index}`);
}

/** Every name under which something of an account may lie in Redis, however it is or was divided. */
export function everyName(account: string): string[] {
  return [account, ...shardNames(account, shardsMax)];
}

/** Names that an account's shards would have, were it divided otherwise than into `current`, or not at all. */
export function otherNames(account: string, current: readonly string[]): string[] {
  return everyName(account).filter((name) => !current.includes(name));
}

/** Names by account, in their order. */
export function byAccount(carriers: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const accounts = new Map<string, string[]>();
  for (const carrier of carriers) {
    const account = accountOf(carrier);
    const shards = accounts.get(account);
    if (shards === undefined) accounts.set(account, [carrier]);
    else shards.push(carrier);
  }
  return accounts;
}

/** Ids have zeros at their end for hours; a prime looks at all of their bits. */
const prime = 65_521n;

/**
 * Where a campaign begins to deal its batches over the shards of an account: they are taken in turn from there on.
 * Another place for each campaign, or all small ones would go to the first shard. Below 65,521.
 */
export function dealStart(campaign: Id): number {
  return Number(BigInt(campaign) % prime);
}

/** Whose turn a batch is. */
export function dealt(shards: readonly string[], campaign: Id, batch: number): string | undefined {
  return shards[(dealStart(campaign) + batch) % shards.length];
}
