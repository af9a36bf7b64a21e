/**
 * A simulated carrier of a fault scene: a process of its own with a log, on a port that stays the same when it is
 * killed and started again. Runs in the test's process.
 */
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { shardsOf } from '../../config/shards.ts';
import type { Behaviour } from '../../src/smsc/behaviour.ts';
import type { SmscStats } from '../../src/smsc/stats.ts';
import { Child } from './child.ts';

/** A carrier's contract, and how it behaves beside it. */
export type CarrierPlan = {
  readonly name: string;
  readonly prefixes: readonly string[];
  readonly binds: number;
  readonly window: number;
  readonly ratePerSecond: number;
  /** What its account is divided into at first; 1 when absent. */
  readonly shards?: number;
  readonly behaviour?: Partial<Behaviour>;
  /** Further entries of the carriers file. */
  readonly settings?: Readonly<Record<string, unknown>>;
};

/** The account of every simulated carrier. Not a secret: it lives on loopback, for one run. */
export const account = { systemId: 'tocsin', password: 'faults' };

/** Counts that add up over restarts. */
const summed = ['received', 'accepted', 'throttled', 'unanswered', 'bindsAccepted', 'bindsRefused'] as const;
/** Counts of which the highest matters. */
const highest = ['bindsPeak', 'windowPeak', 'perSecondPeak'] as const;

/** A simulated carrier. */
export class Simulator {
  readonly plan: CarrierPlan;
  /** What processes that start from now on divide its account into. */
  shards: number;
  readonly log: string;
  readonly #folder: string;
  #child: Child | undefined;
  #port = 0;
  #httpPort = 0;
  #before: SmscStats | undefined;
  #last: SmscStats | undefined;

  constructor(plan: CarrierPlan, folder: string) {
    this.plan = plan;
    this.shards = plan.shards ?? 1;
    this.#folder = folder;
    this.log = join(folder, `${plan.name}.log`);
  }

  /** Its name, or those of its shards, each with its binds. */
  get parts(): readonly { readonly name: string; readonly binds: number }[] {
    const { name, binds, ratePerSecond } = this.plan;
    return shardsOf({ name, binds, ratePerSecond, shards: this.shards });
  }

  get port(): number {
    return this.#port;
  }

  get isRunning(): boolean {
    return this.#child?.isRunning === true;
  }

  /** Starts it, on its port of last time. */
  async start(): Promise<void> {
    const { name, behaviour = {} } = this.plan;
    const file = join(this.#folder, `${name}.json`);
    const usual = { receiptRetryMs: 1_000, ...behaviour };
    const one = { port: this.#port, httpPort: 0, accounts: [account], seed: 1, behaviour: usual, log: this.log };
    writeFileSync(file, JSON.stringify([one]));
    const logFile = join(this.#folder, `smsc-${name}.txt`);
    this.#child = await Child.start({ module: 'smsc', environment: {}, logFile, args: ['--carriers', file] });
    const [listening] = this.#child.announced['servers'] as readonly { port: number; httpPort: number }[];
    this.#port = listening?.port ?? 0;
    this.#httpPort = listening?.httpPort ?? 0;
  }

  /** Kills it; what it counted so far stays counted. */
  async kill(): Promise<void> {
    await this.stats();
    this.#before = this.#last;
    await this.#child?.kill();
    this.#child = undefined;
  }

  /** What it counted since the scene began. */
  async stats(): Promise<SmscStats> {
    if (this.isRunning) {
      const response = await fetch(`http://127.0.0.1:${this.#httpPort}/stats`);
      this.#last = withBefore((await response.json()) as SmscStats, this.#before);
    }
    if (this.#last === undefined) throw new Error(`${this.plan.name} never ran`);
    return this.#last;
  }

  /** Changes how it behaves. */
  async behave(changes: Partial<Behaviour>): Promise<void> {
    const body = JSON.stringify(changes);
    const response = await fetch(`http://127.0.0.1:${this.#httpPort}/behaviour`, { method: 'POST', body });
    if (!response.ok) throw new Error(`${this.plan.name}: ${await response.text()}`);
  }

  /** Breaks every connection. */
  async disconnect(): Promise<void> {
    await fetch(`http://127.0.0.1:${this.#httpPort}/disconnect`, { method: 'POST' });
  }

  /** Octets of its log so far: what came later lies behind. */
  get logBytes(): number {
    return existsSync(this.log) ? statSync(this.log).size : 0;
  }
}

function withBefore(now: SmscStats, before: SmscStats | undefined): SmscStats {
  if (before === undefined) return now;
  const joined = { ...now };
  for (const name of summed) joined[name] += before[name];
  for (const name of highest) joined[name] = Math.max(joined[name], before[name]);
  return joined;
}
