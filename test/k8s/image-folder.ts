/**
 * What k8s/Dockerfile puts into the image, made as a folder without Docker: the COPY lines are followed, the compiler
 * is run as the RUN line says, and the packages are those that npm would install by the lockfile.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const root = join(import.meta.dirname, '..', '..');
const dockerfile = readFileSync(join(root, 'k8s', 'Dockerfile'), 'utf8').replaceAll(/\\\n/g, '');
const ignored = readFileSync(join(root, 'k8s', 'Dockerfile.dockerignore'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));

/** One line of the Dockerfile. */
export type Instruction = { readonly stage: string; readonly word: string; readonly text: string };

/** Lines of the Dockerfile in order; the last stage is called `image`. */
export function instructions(): Instruction[] {
  let stage = '';
  return dockerfile.split('\n').flatMap((line) => {
    const [, word, text = ''] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
    if (word === 'FROM') stage = / AS (\w+)$/.exec(text)?.[1] ?? 'image';
    return word === undefined ? [] : [{ stage, word, text }];
  });
}

/** Whether the .dockerignore lets a file of the repository into the build: of the lines that match the last counts. */
function isLetIn(path: string): boolean {
  let isIn = true;
  for (const line of ignored) {
    const pattern = line.replace(/^!/, '');
    if (pattern === '*' || path === pattern || path.startsWith(`${pattern}/`)) isIn = line.startsWith('!');
  }
  return isIn;
}

/** Makes the image's /app in `folder`, and returns where it is. */
export function buildImage(folder: string): string {
  const stages = new Map<string, string>();
  for (const { stage, word, text } of instructions()) {
    const app = stages.get(stage) ?? join(folder, stage);
    stages.set(stage, app);
    mkdirSync(app, { recursive: true });
    if (word === 'COPY') copy(text, app, stages);
    if (word === 'RUN') run(text, app);
  }
  return stages.get('image') ?? folder;
}

function copy(text: string, app: string, stages: ReadonlyMap<string, string>): void {
  const parts = text.split(/ +/);
  const from = parts[0]?.startsWith('--from=') === true ? parts.shift()?.slice('--from='.length) : undefined;
  const target = parts.pop() ?? '.';
  for (const source of parts) {
    // A slash at the end: a folder that the source goes into; else the source's own new name.
    const to = target.endsWith('/') ? join(app, target, source) : join(app, target);
    const base = from === undefined ? root : (stages.get(from) ?? '');
    const path = from === undefined ? join(root, source) : join(base, relative('/app', source));
    if (!existsSync(path) || (from === undefined && !isLetIn(source))) throw new Error(`COPY: there is no ${source}`);
    const filter = (file: string) => from !== undefined || isLetIn(relative(root, file));
    cpSync(path, to, { recursive: true, filter, verbatimSymlinks: true });
  }
}

function run(text: string, app: string): void {
  if (text.startsWith('npm ci --ignore-scripts --omit=dev --omit=optional')) installProduction(app);
  else if (text.startsWith('npm ci')) symlinkSync(join(root, 'node_modules'), join(app, 'node_modules'));
  else if (text.startsWith('node_modules/.bin/tsc')) {
    const [program = '', ...args] = text.split(' ');
    execFileSync(join(app, program), args, { cwd: app, stdio: 'inherit' });
  } else if (!text.startsWith('rm -rf /')) throw new Error(`RUN: what does ${text} do?`);
}

/**
 * Packages without a mark of development or of being optional, as npm reads its lockfile. They are linked, which is
 * quicker than copies: run with `--preserve-symlinks`, or they would find what stands beside their originals.
 */
function installProduction(app: string): void {
  type Package = { dev?: boolean; optional?: boolean; devOptional?: boolean };
  const lock = JSON.parse(readFileSync(join(app, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Package>;
  };
  for (const [path, { dev, optional, devOptional }] of Object.entries(lock.packages)) {
    if (path === '' || dev === true || optional === true || devOptional === true) continue;
    // A package within another one comes with it.
    if (path.lastIndexOf('node_modules/') > 0) continue;
    mkdirSync(dirname(join(app, path)), { recursive: true });
    symlinkSync(join(root, path), join(app, path));
  }
}
