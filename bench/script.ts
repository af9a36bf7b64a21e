/**
 * Scripts of benches: each measures one thing in a process of its own, so that no measurement finds the compiled
 * code, the heap or the connections of another. The task goes in as JSON, the answer comes back as a message.
 */
import { fork } from 'node:child_process';
import { join } from 'node:path';

/** What every script tells of its own process. */
export type OwnUse = { readonly cpuMicros: number; readonly peakMegabytes: number };

/** A script that runs. */
export type RunningScript = {
  /** Sends it a message. */
  tell(message: object): void;
  /** Resolves with its exit code or the signal that ended it. */
  readonly ended: Promise<number | string>;
};

/**
 * Starts `script` (a path under bench/ without ending) with `task`. `profile` is a folder for its CPU profile; empty
 * for none. It ends with this process at the latest.
 */
export function startScript(
  script: string,
  task: unknown,
  profile: string,
  onMessage: (message: unknown) => void,
): RunningScript {
  const child = fork(new URL(`./${script}.js`, import.meta.url), [JSON.stringify(task)], {
    env: { PATH: process.env['PATH'] },
    execArgv: profile === '' ? [] : ['--cpu-prof', `--cpu-prof-dir=${join(profile, script)}`],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  child.on('message', onMessage);
  const ended = new Promise<number | string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode, signal) => {
      process.off('exit', kill);
      resolve(signal ?? exitCode ?? 0);
    });
  });
  return { tell: (message) => child.send(message), ended };
}

/** Runs `script` and resolves with what it answered. Rejects when it ends without an answer. */
export async function runScript<Answer>(script: string, task: unknown, profile = ''): Promise<Answer> {
  let answer: { readonly value: Answer } | undefined;
  const running = startScript(script, task, profile, (message) => {
    answer = message as { readonly value: Answer };
  });
  const end = await running.ended;
  if (answer === undefined) throw new Error(`bench/${script} ended (${end}) without an answer`);
  return answer.value;
}

/** In a script: runs `work` with the task that was given, sends its answer and lets the process end. */
export function script<Task, Answer>(work: (task: Task) => Promise<Answer>): void {
  work(taskOfScript<Task>()).then(
    (value) => process.send?.({ value }, () => process.exit(0)),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      process.exit(1);
    },
  );
}

/** In a script: the task that it was given. */
export function taskOfScript<Task>(): Task {
  return JSON.parse(process.argv[2] ?? 'null') as Task;
}

/** In a script: CPU since `before` (a `process.cpuUsage()`), and the largest memory so far in MB (10^6 bytes). */
export function ownUse(before: NodeJS.CpuUsage): OwnUse {
  const { user, system } = process.cpuUsage(before);
  return { cpuMicros: user + system, peakMegabytes: Math.round((process.resourceUsage().maxRSS * 1024) / 1e6) };
}
