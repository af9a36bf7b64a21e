/**
 * Binds that workers gave up because they had not run for as long as their leases are trusted. Where no case stopped
 * them the machine did, and what was open on those binds is open all the same. Read from the workers' logs. Runs in the
 * test's process.
 */
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Binds of a carrier that were given up. */
export type GivenUp = { readonly carrier: string; readonly binds: number };

/** Where the workers' logs of a folder stand, to be read on from. */
export class WorkerLogs {
  readonly #folder: string;
  readonly #from: ReadonlyMap<string, number>;

  constructor(folder: string) {
    this.#folder = folder;
    this.#from = new Map(this.#paths().map((path) => [path, statSync(path).size]));
  }

  /** What was given up since. */
  givenUp(): GivenUp[] {
    return this.#paths().flatMap((path) => {
      const lines = behind(path, this.#from.get(path) ?? 0).split('\n');
      return lines.filter((line) => line.includes('"slots.distrusted"')).map(readLine);
    });
  }

  #paths(): string[] {
    const logs = readdirSync(this.#folder).filter((name) => /^worker-\d+\.txt$/.test(name));
    return logs.map((name) => join(this.#folder, name));
  }
}

function readLine(line: string): GivenUp {
  const { carrier, slots } = JSON.parse(line) as { carrier: string; slots: number };
  return { carrier, binds: slots };
}

function behind(path: string, from: number): string {
  const file = openSync(path, 'r');
  try {
    const rest = Buffer.alloc(Math.max(0, statSync(path).size - from));
    return rest.toString('utf8', 0, readSync(file, rest, 0, rest.length, from));
  } finally {
    closeSync(file);
  }
}
