/**
 * Names of Redis's data. Each carrier's data has one, since on a cluster they can be lost one by one; PostgreSQL knows
 * which names are good. No name, or another one, means that the carrier's data is gone. While it is being restored
 * its name is `restoring:` and the new one. Runs in the recorder process.
 */
import type { Database } from '../db/client.ts';
import { carriersInUse, type RedisEpochs, readEpochs } from '../db/reconcile.ts';
import type { Conveyor } from '../handoff.ts';

/** What is asked for names. */
export type NameParts = {
  readonly database: Database;
  readonly conveyor: Conveyor;
  /** Carriers that are configured; those of open campaigns count too. */
  readonly carriers: readonly string[];
};

/** What one look found. */
export type Names = {
  readonly known: RedisEpochs;
  /** By carrier, its data's name; undefined when there is none. */
  readonly found: ReadonlyMap<string, string | undefined>;
  /** Carriers whose data is not what PostgreSQL knows. */
  readonly lost: readonly string[];
  /** Those of them that are being restored, or were, by whoever stopped in the middle. */
  readonly underWay: readonly string[];
};

const restoringMark = 'restoring:';

/** Looks at every carrier's name. */
export async function lookAtNames({ database, conveyor, carriers }: NameParts): Promise<Names> {
  const known = await readEpochs(database.pool);
  const names = [...new Set([...carriers, ...(await carriersInUse(database.pool))])];
  const found = new Map<string, string | undefined>();
  for (const carrier of names) found.set(carrier, await conveyor.epoch(carrier));
  const lost = names.filter((carrier) => !known.good.includes(found.get(carrier) ?? ''));
  const { restoring } = known;
  const marks = restoring === undefined ? [] : [restoring, restoringName(restoring)];
  return { known, found, lost, underWay: lost.filter((carrier) => marks.includes(found.get(carrier) ?? '')) };
}

/** The name of data that are being restored as `epoch`. */
export function restoringName(epoch: string): string {
  return restoringMark + epoch;
}

/** Names that are good once `restored` is a further one: those of the carriers that lost nothing, and it. */
export function goodNames({ found, lost }: Names, restored: string): readonly string[] {
  const kept = [...found].flatMap(([carrier, name]) => (name === undefined || lost.includes(carrier) ? [] : [name]));
  return [...new Set([...kept, restored])];
}
