/**
 * Calls a Lua script by its digest and loads it where Redis does not know it (after a restart or a
 * failover). Runs in every process that talks to Redis.
 */
import { createHash } from 'node:crypto';
import type { RedisConnection } from './redis.ts';

/** An argument or a key of a script. */
export type ScriptArgument = string | number | Buffer;

/** A script on one connection: common start of its keys first, then arguments; strings in replies are Buffers. */
export type Script = (key: string, ...args: ScriptArgument[]) => Promise<unknown>;

/** ioredis has these, though its types do not list them. */
type BufferScripts = {
  evalshaBuffer(digest: string, keys: number, ...args: ScriptArgument[]): Promise<unknown>;
  evalBuffer(text: string, keys: number, ...args: ScriptArgument[]): Promise<unknown>;
};

/**
 * Binds the Lua `text` to `redis`.
 *
 * The key is the common start of all keys that the script names, and no key itself. A second one that is none either
 * goes with it: while a cluster moves the slot to another node, both nodes then answer that it is to be tried again,
 * in place of running the script over the half of the keys that is there.
 */
export function script(redis: RedisConnection, text: string): Script {
  const scripts = redis as unknown as BufferScripts;
  const digest = createHash('sha1').update(text).digest('hex');
  return async (key, ...args) => {
    try {
      return await scripts.evalshaBuffer(digest, 2, key, `${key}:none`, ...args);
    } catch (error) {
      if (!isNoScript(error)) throw error;
      return await scripts.evalBuffer(text, 2, key, `${key}:none`, ...args);
    }
  };
}

/** Redis names its errors by their first word; that word is the code. */
function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}
