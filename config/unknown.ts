/**
 * Variables that begin like a setting and are none, each with the name that may have been meant. They are told and stop
 * nothing: while a release is rolled out or back they may be settings of the other one. Pure.
 */
import { environmentName, secretSettings, settingsSchema } from './schema.ts';

/** A variable that nothing reads, and the known name that is most like it, where one is. */
export type UnknownVariable = { readonly variable: string; readonly nearest: string | undefined };

const prefix = 'TOCSIN_';

/** Passwords that `migrate` gives to the two roles. */
export const rolePasswords = ['TOCSIN_API_DATABASE_PASSWORD', 'TOCSIN_SERVICE_DATABASE_PASSWORD'] as const;

/** Every name that processes of the cluster read, but for those of carriers' passwords. */
export const knownVariables: ReadonlySet<string> = new Set([
  ...Object.keys(settingsSchema.shape).map(environmentName),
  ...rolePasswords,
  ...[...secretSettings.map(environmentName), ...rolePasswords].map((name) => `${name}_FILE`),
]);

/** Those among `names`; `also` are known too. An empty list when there are none. */
export function unknownVariables(names: readonly string[], also: readonly string[] = []): UnknownVariable[] {
  return names
    .filter((name) => name.startsWith(prefix) && !knownVariables.has(name) && !also.includes(name))
    .map((variable) => ({ variable, nearest: nearestOf(variable) }));
}

/** What a person is told of it. */
export function tellUnknown({ variable, nearest }: UnknownVariable): string {
  return `${variable} is no setting and does nothing${nearest === undefined ? '' : `; is it ${nearest}?`}`;
}

function nearestOf(variable: string): string | undefined {
  const bare = variable.slice(prefix.length);
  if (knownVariables.has(bare)) return bare;
  let nearest: string | undefined;
  // With more that differs than is alike it is another word.
  let least = Math.floor(bare.length / 2);
  for (const known of knownVariables) {
    const edits = distance(variable, known);
    if (edits > least) continue;
    [nearest, least] = [known, edits - 1];
  }
  return nearest;
}

/** Letters to put in, leave out, replace or swap with their neighbour to make `a` of `b` (optimal string alignment). */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = at(row, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwapped ? at(before, j - 2) + 1 : replaced;
      next.push(Math.min(replaced, swapped, at(row, j) + 1, at(next, j - 1) + 1));
    }
    [before, row] = [row, next];
  }
  return at(row, b.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
