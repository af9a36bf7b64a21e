/**
 * Finds a Redis or Valkey server to run: on PATH, else a copy unpacked earlier, else one unpacked now
 * from the Debian or Ubuntu package, with neither root nor a prior update of the package lists.
 * Main thread. Never installs anything into the system.
 */
import { execFile } from 'node:child_process';
import { accessSync, chmodSync, constants, existsSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { Fault } from '../src/fault.ts';
import { reachable, type ServerUser } from './embedded-folder.ts';

/** A program to run and the folders of the libraries that came with it. */
export type RedisProgram = { readonly command: string; readonly libraries: readonly string[] };

/** We use commands of Redis 7.0 and no later ones. */
const majorMin = 7;
const fetchMsMax = 180_000;

const execute = promisify(execFile);

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false; // not there, or not ours to run
  }
}

/** What `name` stands for on `searchPath`. */
function onPath(name: string, searchPath: string): string | undefined {
  return searchPath
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isProgram);
}

function libraryEnvironment(libraries: readonly string[]): Record<string, string> {
  return libraries.length === 0 ? {} : { LD_LIBRARY_PATH: libraries.join(':') };
}

/** Environment for running `program`. */
export function redisEnvironment(program: RedisProgram): Record<string, string> {
  return { LC_ALL: 'C', TZ: 'UTC', ...libraryEnvironment(program.libraries) };
}

/** Why `program` cannot serve us, or undefined when it can. */
async function objection(program: RedisProgram): Promise<string | undefined> {
  try {
    const { stdout } = await execute(program.command, ['--version'], { env: redisEnvironment(program) });
    const version = /\bv=(\d+)[.\d]*/.exec(stdout);
    if (version !== null && Number(version[1]) >= majorMin) return undefined;
    return `${program.command} is not version ${majorMin} or later: ${stdout.trim()}`;
  } catch (error) {
    return `${program.command} cannot be run: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The server unpacked below `tree`, if there is one. */
function unpackedProgram(tree: string): RedisProgram | undefined {
  const command = join(tree, 'usr', 'bin', 'redis-server');
  if (!existsSync(command)) return undefined;
  const libraries = ['usr/lib', 'lib'].flatMap((folder) => {
    const path = join(tree, folder);
    if (!existsSync(path)) return [];
    const triplets = readdirSync(path).filter((name) => name.includes('-linux-'));
    return triplets.map((name) => join(path, name));
  });
  return { command, libraries };
}

/** apt settings: every folder is ours, the system's package sources are used, no hook of the system runs. */
function aptConfiguration(folder: string): string {
  const hooks = ['Update::Pre-Invoke', 'Update::Post-Invoke', 'Update::Post-Invoke-Success'];
  return [
    `Dir::State "${folder}/state";`,
    `Dir::State::lists "${folder}/lists";`,
    `Dir::State::status "/var/lib/dpkg/status";`,
    `Dir::Cache "${folder}/cache";`,
    `Dir::Cache::archives "${folder}/archives";`,
    `Dir::Log "${folder}";`,
    // apt run by root would fetch as a user who cannot write here.
    'APT::Sandbox::User "root";',
    'Debug::NoLocking "true";',
    'Acquire::Languages "none";',
    'Acquire::Retries "1";',
    'Acquire::http::Timeout "20";',
    'Acquire::https::Timeout "20";',
    ...hooks.map((hook) => `#clear APT::${hook};`),
    '',
  ].join('\n');
}

/** Fetches the server's package and every library of it that this system lacks, and unpacks them below `tree`. */
async function fetchPackage(tree: string, searchPath: string): Promise<void> {
  const apt = join(tree, 'apt');
  for (const folder of ['state', 'lists/partial', 'cache', 'archives/partial']) {
    mkdirSync(join(apt, folder), { recursive: true });
  }
  const configuration = join(apt, 'apt.conf');
  writeFileSync(configuration, aptConfiguration(apt));
  // The proxy settings of the environment are for apt too.
  const options = { env: { ...process.env, PATH: searchPath, LC_ALL: 'C' }, timeout: fetchMsMax };
  const aptGet = (...args: string[]) =>
    execute('apt-get', ['--quiet', '--config-file', configuration, ...args], options);
  // One package source of many that cannot be reached fails the update; what it did fetch may be enough.
  const update: unknown = await aptGet('update').catch((error: unknown) => error);
  try {
    const install = ['--download-only', '--reinstall', '--yes', '--no-install-recommends'];
    await aptGet('install', ...install, 'redis-server', 'redis-tools');
    for (const name of readdirSync(join(apt, 'archives')).filter((file) => file.endsWith('.deb'))) {
      await execute('dpkg-deb', ['--extract', join(apt, 'archives', name), tree], options);
    }
  } catch (cause) {
    const details = [update, cause].filter((error) => error instanceof Error).map((error) => error.message.trim());
    throw new Fault('start', 'The package of Redis could not be fetched.', { cause, details });
  }
  rmSync(apt, { recursive: true });
}

/** Puts the unpacked package at `tree` in one step; of two processes that do so at once, the first wins. */
async function unpackPackage(tree: string, searchPath: string): Promise<void> {
  const partial = mkdtempSync(`${tree}-partial-`);
  chmodSync(partial, 0o755);
  try {
    await fetchPackage(partial, searchPath);
    if (!existsSync(tree)) renameSync(partial, tree);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

const remedies = [
  'Debian, Ubuntu: apt-get install redis-server',
  'Fedora: dnf install valkey',
  'Alpine: apk add valkey',
  'macOS: brew install redis',
  'or set REDIS_URL to a server of version 7 or later',
];

/**
 * A server that `user` can run: from `searchPath`, else from `cache`, else unpacked into `cache`.
 * Faults: `start`, which says what to install and in `details` why each way failed.
 */
export async function findRedis(
  cache: string,
  searchPath: string,
  user: ServerUser | undefined,
): Promise<RedisProgram> {
  const objections: string[] = [];
  const tree = join(cache, 'unpacked');
  const tries: (() => Promise<RedisProgram | undefined>)[] = [
    ...['redis-server', 'valkey-server'].map((name) => async () => {
      const command = onPath(name, searchPath);
      if (command === undefined) return undefined;
      return reachable(realpathSync(command), user) ? { command, libraries: [] } : undefined;
    }),
    async () => unpackedProgram(tree),
    async () => {
      if (onPath('apt-get', searchPath) === undefined || onPath('dpkg-deb', searchPath) === undefined) return undefined;
      await unpackPackage(tree, searchPath);
      return unpackedProgram(tree);
    },
  ];
  for (const attempt of tries) {
    const program = await attempt().catch((error: unknown) => {
      if (!(error instanceof Fault)) throw error;
      objections.push(error.message, ...error.details);
      return undefined;
    });
    if (program === undefined) continue;
    const problem = await objection(program);
    if (problem === undefined) return program;
    objections.push(problem);
  }
  throw new Fault('start', `No Redis or Valkey server is to be had here. ${remedies.join('; ')}.`, {
    details: objections,
  });
}
