/**
 * Which shards of an account batches go to. An account can be sent to while one of its shards can; what waits at one
 * that is away waits there, and nothing more is given to it meanwhile. Pure.
 */
import { byAccount } from '../account.ts';

/** How accounts stand, by how their shards do. */
export type Dealing = {
  /** Whether some shard of the account can be sent to. */
  readonly isUsable: (account: string) => boolean;
  /** The shards of the account that can be sent to; all of them when none can. */
  readonly shardsOf: (account: string) => readonly string[];
};

/** `shards`: those of every account, of which one that is not divided is its own. */
export function dealingOver(shards: readonly string[], isShardUsable: (shard: string) => boolean): Dealing {
  const accounts = byAccount(shards);
  const allOf = (account: string) => accounts.get(account) ?? [account];
  return {
    isUsable: (account) => allOf(account).some(isShardUsable),
    shardsOf(account) {
      const all = allOf(account);
      const usable = all.filter(isShardUsable);
      return usable.length > 0 ? usable : all;
    },
  };
}
