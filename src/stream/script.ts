/**
 * Calls a Lua script by its digest and loads it where Redis does not know it (after a restart or a
 * failover). Runs in every process that talks to Redis.
 */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';

/** An argument or a key of a script. */
export type ScriptArgument = string | number | Buffer;

/** A script on one connection: key first, then arguments; strings in replies are Buffers. */
export type Script = (key: string, ...args: ScriptArgument[]) => Promise<unknown>;

/** Binds the Lua `text` to `redis`. */
export function script(redis: Redis, text: string): Script {
  const digest = createHash('sha1').update(text).digest('hex');
  return async (key, ...args) => {
    try {
      return await redis.callBuffer('EVALSHA', digest, '1', key, ...args);
    } catch (error) {
      if (!isNoScript(error)) throw error;
      return await redis.callBuffer('EVAL', text, '1', key, ...args);
    }
  };
}

/** Redis names its errors by their first word; that word is the code. */
function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}
