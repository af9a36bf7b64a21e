/**
 * What a simulated carrier remembers over a restart, as a real one does: receipts that are still to be delivered, and
 * how far its message ids have come. Read once at the start and written once at an orderly end.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Fault } from '../fault.ts';

/** The content of the file. */
export type Memory = {
  /** Epoch milliseconds of the first start, which its message ids are made from. */
  readonly startedAtMs: number;
  /** Number of the last message taken. */
  readonly counter: number;
  /** Records of receipts in base64, by system_id. */
  readonly receipts: Readonly<Record<string, string>>;
};

/** Reads and removes the file at `path`, so that a run that is killed is not followed by one that repeats itself. */
export function recall(path: string | undefined): Memory | undefined {
  if (path === undefined || !existsSync(path)) return undefined;
  try {
    const memory = JSON.parse(readFileSync(path, 'utf8')) as Memory;
    rmSync(path);
    return memory;
  } catch (cause) {
    throw new Fault('start', `the simulator's memory ${path} cannot be read; remove it`, { cause });
  }
}

/** Writes the file at `path`. */
export function remember(path: string, memory: Memory): void {
  try {
    writeFileSync(path, JSON.stringify(memory), { mode: 0o600 });
  } catch (cause) {
    throw new Fault('start', `the simulator's memory ${path} cannot be written`, { cause });
  }
}
