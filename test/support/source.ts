/**
 * Reads our own sources as text for test/tidy.test.ts: files, imports, headers. Works on formatted code
 * (the format check comes first), so plain patterns are enough.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';

/** One source file. Paths are relative to the repository, with forward slashes. */
export type Source = { readonly path: string; readonly text: string };

/** One import of a file. */
export type Import = {
  /** Path of ours such as `src/fault.ts`, or a package's name such as `drizzle-orm` or `node:net`. */
  readonly target: string;
  readonly isOurs: boolean;
  /** True when nothing of it is left at run time. */
  readonly isType: boolean;
};

const root = join(import.meta.dirname, '..', '..');

/** Every TypeScript and .mjs file below those of `folders` that exist. */
export function sourcesOf(folders: readonly string[]): Source[] {
  const existing = folders.filter((folder) => existsSync(join(root, folder)));
  return existing.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(tsx?|mjs)$/.test(name))
      .map((name) => join(folder, name).split(sep).join('/'))
      .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') })),
  );
}

/** `text` without comments. A `//` in a string takes the rest of its line along, which these checks can bear. */
export function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/\/\/.*$/gm, '');
}

/** `@scope/name/path` → `@scope/name`; `name/path` → `name`; `node:` names stay whole. */
function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier;
  const parts = specifier.split('/');
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

/** What a file imports, re-exports, or loads dynamically by a fixed name. */
export function importsOf({ path, text }: Source): Import[] {
  const code = withoutComments(text);
  const pattern = /^(?:import|export)\b([^;'"]*?)from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm;
  return [...code.matchAll(pattern)].map(([, clause = '', from, bare, dynamic]) => {
    const specifier = from ?? bare ?? dynamic ?? '';
    const names =
      /\{([^}]*)\}/
        .exec(clause)?.[1]
        ?.split(',')
        .map((name) => name.trim()) ?? [];
    const onlyTypes = names.length > 0 && names.every((name) => name === '' || name.startsWith('type '));
    const isType = /^\s*type\b/.test(clause) || (onlyTypes && /^\s*\{/.test(clause));
    const isOurs = specifier.startsWith('.');
    const target = isOurs
      ? normalize(join(dirname(path), specifier))
          .split(sep)
          .join('/')
      : packageOf(specifier);
    return { target, isOurs, isType };
  });
}

/** The comment that a file opens with, or undefined. */
export function headerOf(text: string): string | undefined {
  return /^(?:#!.*\n)?(\/\*\*[\s\S]*?\*\/|(?:\/\/.*\n)+)/.exec(text)?.[1];
}

/** Names of exported declarations that no doc comment stands before. */
export function undocumentedExports(text: string): string[] {
  const pattern = /^export (?:default )?(?:async )?(?:abstract )?(?:function|class|const|type|interface) (\w+)/gm;
  return [...text.matchAll(pattern)]
    .filter(({ index }) => !text.slice(0, index).trimEnd().endsWith('*/') && !isOverload(text.slice(0, index)))
    .map(([, name = '']) => name);
}

/** A second signature of an overloaded function needs no second comment. */
function isOverload(before: string): boolean {
  return /^export (?:async )?function [^\n{]*;\s*$/m.test(before.trimEnd().split('\n').at(-1) ?? '');
}
