/**
 * Virtual time in whole milliseconds: what is due happens in order of its time, and of its making within one. Between
 * two milliseconds everybody's promises have their turn and Redis is asked what came up, so that one run is like
 * another.
 */
import assert from 'node:assert';
import type { Clock } from '../../src/clock.ts';

type Due = { action: (() => void) | undefined };

/** Wall clock at the beginning, always the same: a run must give the same result again. */
const epochMs = 1_800_000_000_000;

/** The time of everything in a simulation. */
export class VirtualTime {
  /** Milliseconds since the beginning. */
  ms = 0;
  readonly #due = new Map<number, Due[]>();

  /** Wall clock. */
  get epochMs(): number {
    return epochMs + this.ms;
  }

  /** Does `action` at `ms`, in this millisecond at the earliest; the returned function cancels it. */
  at(ms: number, action: () => void): () => void {
    const dueMs = Math.max(this.ms, Math.ceil(ms));
    const due: Due = { action };
    const others = this.#due.get(dueMs);
    if (others === undefined) this.#due.set(dueMs, [due]);
    else others.push(due);
    return () => {
      due.action = undefined;
    };
  }

  /** Goes on until `untilMs`; `between` is called when a millisecond's actions are done, and may ask for more. */
  async run(untilMs: number, between: () => Promise<void>): Promise<void> {
    for (; this.ms < untilMs; this.ms++) {
      this.#runDue();
      await settled();
      await between();
      assert(!this.#due.has(this.ms), 'nothing comes up that is due already');
    }
  }

  #runDue(): void {
    const due = this.#due.get(this.ms) ?? [];
    for (let index = 0; index < due.length; index++) (due[index] as Due).action?.();
    this.#due.delete(this.ms);
  }
}

/** Lets every promise that can go on do so. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** How a process fares: frozen as by SIGSTOP, dead as by SIGKILL. */
export type Fate = 'running' | 'frozen' | 'dead';

/** A process in virtual time: its clock, and the gate that everything that happens to it goes through. */
export class VirtualProcess implements Clock {
  readonly name: string;
  readonly #time: VirtualTime;
  fate: Fate = 'running';
  #timers: (() => void)[] = [];
  #events: (() => void)[] = [];

  constructor(name: string, time: VirtualTime) {
    this.name = name;
    this.#time = time;
  }

  nowMs(): number {
    return this.#time.epochMs;
  }

  monotonicMs(): number {
    return this.#time.ms;
  }

  /** As Node's timers: a millisecond at least, and whole ones. */
  after(delayMs: number, action: () => void): () => void {
    let isCancelled = false;
    const fire = () => {
      if (isCancelled) return;
      if (this.fate === 'running') action();
      else if (this.fate === 'frozen') this.#timers.push(fire);
    };
    const cancel = this.#time.at(this.#time.ms + Math.max(1, delayMs), fire);
    return () => {
      isCancelled = true;
      cancel();
    };
  }

  /** Something comes in from outside; it waits while the process is frozen. */
  deliver(event: () => void): void {
    if (this.fate === 'running') event();
    else if (this.fate === 'frozen') this.#events.push(event);
  }

  /** Goes on: first the timers that are late, then what came in, as an event loop does. */
  async thaw(): Promise<void> {
    assert(this.fate === 'frozen', 'only what is frozen thaws');
    this.fate = 'running';
    for (const action of [...this.#timers.splice(0), ...this.#events.splice(0)]) {
      action();
      await settled();
    }
  }
}
