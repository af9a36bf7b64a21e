/**
 * Which licences packages may have: those that ask for no more than to be named in what is shipped, and for tools that
 * are not shipped those that also ask for their own changes. Pure.
 */

/** A package of package-lock.json, as far as this looks at it. */
export type LockedPackage = { readonly version?: string; readonly license?: string; readonly dev?: boolean };

/** A package whose licence is not allowed, or not known. */
export type LicenceProblem = { readonly name: string; readonly licence: string };

/** By their SPDX identifiers. */
const allowed: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
  'MIT-0',
]);
const allowedForTools: ReadonlySet<string> = new Set([...allowed, 'MPL-2.0', 'Zlib']);

/**
 * What is wrong with `packages`, by their paths in node_modules. `licenceOf` reads the licence of an installed package
 * where the lock file has none; undefined for one that is not installed here, which is for another platform.
 */
export function licenceProblems(
  packages: Readonly<Record<string, LockedPackage>>,
  licenceOf: (path: string) => string | undefined,
): LicenceProblem[] {
  return Object.entries(packages).flatMap(([path, { version, license, dev }]) => {
    if (path === '') return [];
    const licence = license ?? licenceOf(path);
    const list = dev === true ? allowedForTools : allowed;
    if (licence === undefined || isAllowed(licence, list)) return [];
    return [{ name: `${path.replace(/^.*node_modules\//, '')}@${version ?? '?'}`, licence }];
  });
}

/** An SPDX expression of AND and OR without nesting: of OR one is enough, of AND all are needed. */
function isAllowed(expression: string, list: ReadonlySet<string>): boolean {
  const parts = expression.replace(/^\((.*)\)$/, '$1').split(/ OR /);
  return parts.some((part) => part.split(/ AND /).every((licence) => list.has(licence.replace(/[()]/g, '').trim())));
}
