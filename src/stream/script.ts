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

/** ioredis has these, though its types do not list them. */
type BufferScripts = {
  evalshaBuffer(digest: string, keys: number, ...args: ScriptArgument[]): Promise<unknown>;
  evalBuffer(text: string, keys: number, ...args: ScriptArgument[]): Promise<unknown>;
};

/** Binds the Lua `text` to `redis`. */
export function script(redis: Redis, text: string): Script {
  const scripts = redis as unknown as BufferScripts;
  const digest = createHash('sha1').update(text).digest('hex');
  return async (key, ...args) => {
    try {
      return await scripts.evalshaBuffer(digest, 1, key, ...args);
    } catch (error) {
      if (!isNoScript(error)) throw error;
      return await scripts.evalBuffer(text, 1, key, ...args);
    }
  };
}

/** Redis names its errors by their first word; that word is the code. */
function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}
