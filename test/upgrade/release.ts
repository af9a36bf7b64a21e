/**
 * The last release as a program that can be run: compiled files that test/upgrade/keep.mjs has kept. They find their
 * packages in our node_modules, so a package whose new version they cannot work with is found out here too.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { packageFolder } from '../faults/child.ts';

/** The last release. */
export type Release = {
  readonly version: string;
  /** Folder with its cluster/, src/ and config/, compiled. */
  readonly program: string;
  /** Folder with its migrations: ours, up to its last one. */
  readonly migrations: string;
  /** Tag of its last migration. */
  readonly lastMigration: string;
};

type Kept = {
  readonly version: string;
  readonly lastMigration: string;
  readonly files: Readonly<Record<string, string>>;
};

/** Entries of drizzle's journal. */
export type Journal = {
  readonly entries: readonly { readonly idx: number; readonly when: number; readonly tag: string }[];
};

const root = packageFolder();

/** Our journal of migrations. */
export function readJournal(): Journal {
  return JSON.parse(readFileSync(join(root, 'src/db/migrations/meta/_journal.json'), 'utf8')) as Journal;
}

function kept(): Kept {
  const path = join(root, 'test', 'upgrade', 'release.br');
  return JSON.parse(brotliDecompressSync(readFileSync(path)).toString('utf8')) as Kept;
}

/** Tag of the last release's last migration, and its version. */
export function lastRelease(): Pick<Kept, 'version' | 'lastMigration'> {
  const { version, lastMigration } = kept();
  return { version, lastMigration };
}

/** Puts the last release into `name`, a new folder below .tocsin/, from where it finds its packages. */
export function unpackRelease(name: string): Release & { readonly folder: string } {
  const { version, lastMigration, files } = kept();
  const folder = join(root, '.tocsin', name);
  const program = join(folder, 'program');
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(program, path)), { recursive: true });
    writeFileSync(join(program, path), text);
  }
  writeFileSync(join(program, 'package.json'), '{ "type": "module" }');
  const migrations = join(folder, 'migrations');
  cpSync(join(root, 'src/db/migrations'), migrations, { recursive: true });
  const journal = readJournal();
  const through = journal.entries.findIndex(({ tag }) => tag === lastMigration);
  if (through < 0 || !existsSync(join(migrations, `${lastMigration}.sql`))) throw new Error(`${lastMigration} is gone`);
  const entries = journal.entries.slice(0, through + 1);
  writeFileSync(join(migrations, 'meta', '_journal.json'), JSON.stringify({ ...journal, entries }));
  return { version, lastMigration, folder, program, migrations };
}
