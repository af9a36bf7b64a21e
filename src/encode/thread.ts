/**
 * The one function that runs in a Piscina thread: encodes a whole batch and moves the buffer to the caller
 * without a copy; `readFrames` reads it there. Holds no state and no open handle. A fault crosses as a plain error.
 */

import { move } from 'piscina';
import type { EncodeTask } from '../handoff.ts';
import { encodeBatch } from './encode.ts';

/** Encodes one batch; the ArrayBuffer is for `readFrames`. */
export default function encode(task: EncodeTask): ReturnType<typeof move> {
  return move(encodeBatch(task));
}
