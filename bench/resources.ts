/**
 * CPU time and memory of the processes that a bench started, by role, from /proc. Linux only: elsewhere there are no
 * figures. A process that started others counts for those that have ended, so PostgreSQL's backends are never lost.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** What the processes of one role have used. */
export type Usage = {
  /** User and system time since each process began, ended children included. */
  readonly cpuMicros: number;
  /** Resident memory: the largest of the role's processes; of PostgreSQL all of them, shared memory once. */
  readonly residentBytes: number;
};

/** Usage by role. */
export type Usages = Readonly<Record<string, Usage>>;

/** Which role a process plays, if any: from its command line, or its parent's role. */
export type RoleOf = (process: { readonly pid: number; readonly command: string }) => string | undefined;

/** USER_HZ is 100 on every Linux that Node runs on (proc(5)). */
const microsPerTick = 10_000;

type Stat = { readonly pid: number; readonly parent: number; readonly ticks: number };

/** Usage of this process's descendants at this moment. */
export function usages(roleOf: RoleOf): Usages {
  const roles = new Map<number, string>();
  const found = new Map<string, { cpuMicros: number; anonymous: number; shared: number; peak: number }>();
  for (const stat of descendants()) {
    const role = roles.get(stat.parent) ?? roleOf({ pid: stat.pid, command: read(stat.pid, 'cmdline') });
    if (role === undefined) continue;
    roles.set(stat.pid, role);
    const memory = memoryOf(stat.pid);
    const sum = found.get(role) ?? { cpuMicros: 0, anonymous: 0, shared: 0, peak: 0 };
    found.set(role, {
      cpuMicros: sum.cpuMicros + stat.ticks * microsPerTick,
      anonymous: sum.anonymous + memory.anonymous,
      shared: Math.max(sum.shared, memory.shared),
      peak: Math.max(sum.peak, memory.peak),
    });
  }
  return Object.fromEntries(
    [...found].map(([role, { cpuMicros, anonymous, shared, peak }]) => [
      role,
      { cpuMicros, residentBytes: Math.max(peak, anonymous + shared) },
    ]),
  );
}

/** Descendants of this process, parents first. */
function descendants(): Stat[] {
  const children = new Map<number, Stat[]>();
  for (const stat of processIds().map(statOf)) {
    if (stat === undefined) continue;
    const siblings = children.get(stat.parent);
    if (siblings === undefined) children.set(stat.parent, [stat]);
    else siblings.push(stat);
  }
  const found: Stat[] = [];
  let generation: readonly number[] = [process.pid];
  while (generation.length > 0) {
    const next = generation.flatMap((pid) => children.get(pid) ?? []);
    found.push(...next);
    generation = next.map(({ pid }) => pid);
  }
  return found;
}

function processIds(): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid));
}

/** proc(5): fields 4 (ppid) and 14 to 17 (utime, stime, cutime, cstime), counted after the name in parentheses. */
function statOf(pid: number): Stat | undefined {
  const text = read(pid, 'stat');
  if (text === '') return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [, parent] = fields;
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return { pid, parent: Number(parent), ticks };
}

function memoryOf(pid: number): { anonymous: number; shared: number; peak: number } {
  const text = read(pid, 'status');
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return { anonymous: bytes('RssAnon'), shared: bytes('RssShmem'), peak: bytes('VmHWM') };
}

/** A file of a process; empty when the process has ended. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES') return '';
    throw error;
  }
}

/** Follows the usage of processes from `start` on; memory is sampled, and peaks are kept. */
export class UsageMeter {
  readonly #roleOf: RoleOf;
  readonly #before: Usages;
  readonly #peaks = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(roleOf: RoleOf, sampleMs = 500) {
    this.#roleOf = roleOf;
    this.#before = this.#sample();
    this.#timer = setInterval(() => this.#sample(), sampleMs).unref();
  }

  #sample(): Usages {
    const now = usages(this.#roleOf);
    for (const [role, { residentBytes }] of Object.entries(now))
      this.#peaks.set(role, Math.max(this.#peaks.get(role) ?? 0, residentBytes));
    return now;
  }

  /** CPU seconds since the beginning and peak memory in megabytes (10^6 bytes), by role. */
  stop(): { readonly cpuSeconds: Record<string, number>; readonly peakMegabytes: Record<string, number> } {
    clearInterval(this.#timer);
    const cpuSeconds: Record<string, number> = {};
    const peakMegabytes: Record<string, number> = {};
    for (const [role, { cpuMicros }] of Object.entries(this.#sample())) {
      cpuSeconds[role] = (cpuMicros - (this.#before[role]?.cpuMicros ?? 0)) / 1e6;
      peakMegabytes[role] = Math.round((this.#peaks.get(role) ?? 0) / 1e6);
    }
    return { cpuSeconds, peakMegabytes };
  }
}
