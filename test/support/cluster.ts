/**
 * The cluster as a person starts it: `dist/cluster/all.js` as a process with a home of its own, its lines as they come,
 * and who of it is still alive. Needs `npm run build` before. Linux: who lives is read from /proc.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { tocsinHome } from '../../cluster/embedded.ts';

const root = join(import.meta.dirname, '..', '..');

/** How a process ended, and everything it printed. */
export type Ended = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
};

/** A process of ours that runs. */
export type Running = {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves with the first line of standard output that matches, already printed or not. Rejects when it ends. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  /** Processes that it started, or their children, or it itself, that are alive, by command line. */
  alive(): string[];
};

/** What a process is run with; variables that would reach out of the test are left out of its environment. */
export type RunOptions = {
  readonly home: string;
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
};

/**
 * A home for a cluster in `folder`, with the Redis program that this machine has found before, so that not every test
 * fetches it anew.
 */
export function newHome(folder: string, name: string): string {
  const home = join(folder, name);
  mkdirSync(home);
  const programs = join(tocsinHome(), 'redis-programs');
  if (existsSync(programs)) symlinkSync(programs, join(home, 'redis-programs'));
  return home;
}

/** Starts `dist/cluster/<module>.js`. */
export function startProcess(module: string, { home, args = [], environment = {} }: RunOptions): Running {
  const mark = `TEST_MARK=${randomUUID()}`;
  const [name = '', value = ''] = mark.split('=');
  const child = spawn(process.execPath, [join(root, 'dist', 'cluster', `${module}.js`), ...args], {
    cwd: root,
    env: { PATH: process.env['PATH'], TOCSIN_HOME: home, PORT: '0', ...environment, [name]: value },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  const waiting = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    for (const look of waiting) look();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, out, err }));
  });
  return {
    child,
    ended,
    alive: () => aliveOf(mark, home),
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          for (const line of out.split('\n').slice(0, -1)) {
            const match = pattern.exec(line);
            if (match === null) continue;
            waiting.delete(look);
            return resolve(match);
          }
        };
        waiting.add(look);
        look();
        void ended.then(() => reject(new Error(`it ended before it printed ${pattern}:\n${out}\n${err}`)));
      }),
  };
}

/** Starts the cluster. */
export function startAll(options: RunOptions): Running {
  return startProcess('all', options);
}

/** Command lines of processes with `mark` in their environment, and of embedded servers (no mark) in `home`. */
function aliveOf(mark: string, home: string): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    const command = readOf(pid, 'cmdline').replaceAll('\0', ' ').trim();
    const isOurs = command.includes(`${home}/`) || readOf(pid, 'environ').split('\0').includes(mark);
    // A process that has ended and was not waited for yet has no command line.
    return isOurs && command !== '' ? [`${pid} ${command}`] : [];
  });
}

function readOf(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return ''; // it has just ended, or is another user's and so none of ours
  }
}
