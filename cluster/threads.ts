/**
 * The encoder of a worker: a Piscina pool that encodes whole batches, or the main thread for batches too small to
 * be worth the way. Every option is explicit: by default Piscina drops idle threads and bounds nothing.
 */
import { Piscina } from 'piscina';
import { encodeInPlace } from '../src/encode/encode.ts';
import { readFrames } from '../src/encode/frames.ts';
import type { Encode, EncodeTask } from '../src/handoff.ts';

/** Threads, and from which size on they are used. */
export type ThreadOptions = {
  /** 0: everything on the main thread. */
  readonly threads: number;
  readonly inPlaceBelow: number;
};

/** An encoder and its end. */
export type Threads = { readonly encode: Encode; close(): Promise<void> };

/** Recipients of a constant text up to which a thread does not pay. */
const constantInPlaceMax = 1_000;
/** Tasks that wait for a thread at most; the sender holds fewer batches than that. */
const queueMax = 8_192;

/** Starts the threads. */
export function startThreads({ threads, inPlaceBelow }: ThreadOptions): Threads {
  if (threads === 0) return { encode: encodeInPlace, close: async () => undefined };
  const pool = new Piscina({
    filename: new URL('../src/encode/thread.js', import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
    idleTimeout: Number.POSITIVE_INFINITY,
    maxQueue: queueMax,
    concurrentTasksPerWorker: 2,
    recordTiming: false,
  });
  return {
    async encode(task) {
      if (task.recipients < inPlaceBelow || isCheap(task)) return await encodeInPlace(task);
      // A copy of its own: what came from Redis is a piece of a larger buffer, all of which would be cloned.
      const packed = new Uint8Array(task.packed);
      try {
        return readFrames((await pool.run({ ...task, packed }, { transferList: [packed.buffer] })) as ArrayBuffer);
      } catch {
        // A thread that ended is not the batch's fault. If the batch is at fault after all, it fails here as well.
        return await encodeInPlace(task);
      }
    },
    close: () => pool.close(),
  };
}

/**
 * A text without placeholders is encoded once and copied, which takes 0.1 µs a recipient; the way to a thread and back
 * takes about 150 µs. See `npm run bench -- encode`.
 */
function isCheap({ content, recipients }: EncodeTask): boolean {
  return content.fields.length === 0 && recipients <= constantInPlaceMax;
}
