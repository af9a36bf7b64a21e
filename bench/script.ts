/**
 * Scripts of benches: each measures one thing in a process of its own, so that no measurement finds the compiled
 * code, the heap or the connections of another. The task goes in as JSON, the answer comes back as a message.
 */
import { fork } from 'node:child_process';
import { join } from 'node:path';

/** What every script tells of its own process. */
export type OwnUse = { readonly cpuMicros: number; readonly peakMegabytes: number };

/**
 * Runs `script` (a path under bench/ without ending) with `task` and resolves with what it answered. `profile` is a
 * folder for its CPU profile; empty for none. Rejects when the script ends without an answer.
 */
export async function runScript<Answer>(script: string, task: unknown, profile = ''): Promise<Answer> {
  const flags = profile === '' ? [] : ['--cpu-prof', `--cpu-prof-dir=${join(profile, script)}`];
  const child = fork(new URL(`./${script}.js`, import.meta.url), [JSON.stringify(task)], {
    env: { PATH: process.env['PATH'] },
    execArgv: flags,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const killed = () => child.kill('SIGKILL');
  process.once('exit', killed);
  let answer: { readonly value: Answer } | undefined;
  child.once('message', (message) => {
    answer = message as { readonly value: Answer };
  });
  const code = await new Promise<number | string | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode, signal) => resolve(signal ?? exitCode));
  });
  process.off('exit', killed);
  if (answer === undefined) throw new Error(`bench/${script} ended (${code}) without an answer`);
  return answer.value;
}

/** In a script: runs `work` with the task that was given, sends its answer and lets the process end. */
export function script<Task, Answer>(work: (task: Task) => Promise<Answer>): void {
  const task = JSON.parse(process.argv[2] ?? 'null') as Task;
  work(task).then(
    (value) => process.send?.({ value }, () => process.exit(0)),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      process.exit(1);
    },
  );
}

/** In a script: CPU since `before` (a `process.cpuUsage()`), and the largest memory so far in megabytes (10^6 bytes). */
export function ownUse(before: NodeJS.CpuUsage): OwnUse {
  const { user, system } = process.cpuUsage(before);
  return { cpuMicros: user + system, peakMegabytes: Math.round((process.resourceUsage().maxRSS * 1024) / 1e6) };
}
