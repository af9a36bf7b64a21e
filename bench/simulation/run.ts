/**
 * Plays a plan in virtual time, with real workers' code on a real Redis, and gives what the judge saw.
 */
import { settingsSchema } from '../../config/schema.ts';
import { type Batch, recordSeparator } from '../../src/handoff.ts';
import { batchRecipients } from '../../src/plan/capacity.ts';
import { Chance } from '../../src/smsc/behaviour.ts';
import { carrierKeys } from '../../src/stream/keys.ts';
import { Producer } from '../../src/stream/producer.ts';
import { silentLog } from '../../src/telemetry.ts';
import { addressPrefix, sender, VirtualCarrier } from './carrier.ts';
import { Judge } from './judge.ts';
import { type Plan, type Share, sharesOf } from './plan.ts';
import { type ScriptName, VirtualRedis } from './redis.ts';
import { VirtualProcess, VirtualTime } from './time.ts';
import { type Surroundings, VirtualWorker } from './worker.ts';

/** How slots are spread at one moment. */
export type Spread = {
  readonly atMs: number;
  readonly workers: number;
  /** Slots of all carriers that one worker has. */
  readonly least: number;
  readonly most: number;
  /** Slots that nobody has. */
  readonly free: number;
};

/** What a simulation gives. */
export type Played = {
  readonly plan: Plan;
  readonly carriers: readonly VirtualCarrier[];
  readonly judge: Judge;
  readonly shares: readonly Share[];
  readonly spreads: readonly Spread[];
  /** Slots held of each carrier, every `sampleMs`. */
  readonly slotsHeld: readonly (readonly number[])[];
  /** Scripts by name in each second. */
  readonly scriptsPerSecond: readonly Partial<Record<ScriptName, number>>[];
  readonly signals: number;
  readonly events: ReadonlyMap<string, number>;
  /** CPU of Redis, seconds; differs from run to run. */
  readonly redisCpuSeconds: number;
};

/** Milliseconds between samples of slots. */
export const sampleMs = 100;
/** A restarted worker is there again so long after it ended; one in place of a killed one as long as leases later. */
const restartMs = 1_000;
const hourMs = 3_600_000;

/** Plays `plan` with the chances of `seed` on the Redis at `url`; `onSecond` hears of each virtual second. */
export async function play(plan: Plan, seed: number, url: string, onSecond: (ms: number) => void): Promise<Played> {
  const simulation = new Simulation(plan, seed, url);
  try {
    return await simulation.play(onSecond);
  } finally {
    simulation.end();
  }
}

class Simulation {
  readonly #plan: Plan;
  readonly #time = new VirtualTime();
  readonly #chance: Chance;
  readonly #shares: readonly Share[];
  readonly #batch: number;
  readonly #judge: Judge;
  readonly #redis: VirtualRedis;
  readonly #carriers: readonly VirtualCarrier[];
  readonly #surroundings: Surroundings;
  readonly #planner: Producer;
  readonly #events = new Map<string, number>();
  #workers: VirtualWorker[] = [];
  #born = 0;
  /** Carriers of which a bind was opened in this millisecond. */
  readonly #opened = new Set<number>();
  /** What is done between two milliseconds, by time. */
  readonly #steps = new Map<number, (() => void | Promise<void>)[]>();

  constructor(plan: Plan, seed: number, url: string) {
    const settings = { ...settingsSchema.parse({}), ...plan.leases };
    const { contracts, timeline } = plan;
    const sizes = contracts.map((contract) => batchRecipients(contract, settings));
    this.#batch = Math.min(...sizes);
    this.#plan = plan;
    this.#chance = new Chance(seed);
    this.#shares = sharesOf(plan, this.#batch);
    const names = contracts.map(({ name }) => name);
    this.#judge = new Judge(this.#time, this.#shares, this.#batch, names, timeline.endMs);
    this.#redis = new VirtualRedis(url, this.#time, (run) => this.#judge.ran(run));
    this.#carriers = contracts.map(
      (contract) =>
        new VirtualCarrier(contract, timeline.endMs, this.#time, (process, first, count) =>
          this.#judge.submitted(process, first, count),
        ),
    );
    this.#surroundings = {
      time: this.#time,
      redis: this.#redis,
      carriers: this.#carriers,
      settings,
      random: () => this.#chance.next(),
      // After this moment's work: the pool counts a bind once it is made.
      opens: (carrier) => this.#opened.add(carrier),
      events: this.#events,
    };
    const process = new VirtualProcess('planner', this.#time);
    this.#planner = new Producer(this.#redis.connection(process), Number.MAX_SAFE_INTEGER, process, silentLog);
  }

  async play(onSecond: (ms: number) => void): Promise<Played> {
    const { timeline } = this.#plan;
    await this.#redis.start();
    this.#arrange();
    const spreads: Spread[] = [];
    const { killAtMs, freezeAtMs, alertAtMs, endMs } = timeline;
    for (const atMs of [killAtMs, freezeAtMs, alertAtMs, endMs])
      this.#step(atMs - 1, () => void spreads.push(this.#spread()));
    const slotsHeld: number[][] = [];
    const scriptsPerSecond: Partial<Record<ScriptName, number>>[] = [];
    const cpuBefore = await this.#redis.cpuSeconds();
    let before: Partial<Record<ScriptName, number>> = {};
    await this.#time.run(endMs, async () => {
      const { ms } = this.#time;
      for (const step of this.#steps.get(ms) ?? []) await step();
      for (const carrier of this.#opened)
        this.#judge.opened(this.#carriers[carrier] as VirtualCarrier, this.#held(carrier));
      this.#opened.clear();
      await this.#redis.flush();
      if (ms % sampleMs === 0) slotsHeld.push(this.#carriers.map((_, carrier) => this.#held(carrier)));
      if (ms % 1000 !== 999) return;
      scriptsPerSecond.push(difference(this.#redis.runs, before));
      before = { ...this.#redis.runs };
      await this.#redis.trim(this.#plan.contracts.map(({ name }) => carrierKeys(name).outcomes));
      onSecond(ms + 1);
    });
    return {
      plan: this.#plan,
      carriers: this.#carriers,
      judge: this.#judge,
      shares: this.#shares,
      spreads,
      slotsHeld,
      scriptsPerSecond,
      signals: this.#redis.signals,
      events: this.#events,
      redisCpuSeconds: (await this.#redis.cpuSeconds()) - cpuBefore,
    };
  }

  /** Closes the connections. */
  end(): void {
    this.#redis.end();
  }

  #step(ms: number, action: () => void | Promise<void>): void {
    this.#steps.set(ms, [...(this.#steps.get(ms) ?? []), action]);
  }

  /** Who does what when. */
  #arrange(): void {
    const { workers, killed, frozen, timeline, leases } = this.#plan;
    this.#step(0, () => this.#launch((share) => !share.isAlert));
    this.#step(timeline.alertAtMs, () => this.#launch((share) => share.isAlert));
    for (let number = 0; number < workers; number++)
      this.#step(timeline.joinFromMs + Math.floor((number * timeline.joinForMs) / workers), () => this.#begin());
    this.#step(timeline.killAtMs, () => {
      for (const worker of this.#some(killed)) worker.kill();
    });
    for (let number = 0; number < killed; number++)
      this.#step(timeline.killAtMs + leases.slotLeaseMs + leases.batchLeaseMs / 4, () => this.#begin());
    let asleep: VirtualWorker[] = [];
    this.#step(timeline.freezeAtMs, () => {
      asleep = this.#some(frozen);
      for (const { process } of asleep) process.fate = 'frozen';
    });
    this.#step(timeline.thawAtMs, async () => {
      for (const { process } of asleep) await process.thaw();
    });
    this.#arrangeRoll();
  }

  /** Every worker is restarted, some at a time. */
  #arrangeRoll(): void {
    const { workers, rolledTogether, timeline } = this.#plan;
    let old: VirtualWorker[] = [];
    this.#step(timeline.rollFromMs, () => {
      old = this.#some(workers);
    });
    for (let group = 0; group * rolledTogether < workers; group++)
      this.#step(timeline.rollFromMs + 1 + group * timeline.rollEveryMs, () => {
        for (const worker of old.slice(group * rolledTogether, (group + 1) * rolledTogether))
          void this.#restart(worker);
      });
  }

  #begin(): void {
    const number = this.#born++;
    const suffix = Math.floor(this.#chance.next() * 0x100000000)
      .toString(16)
      .padStart(8, '0');
    const worker = new VirtualWorker(`worker-${number}-${suffix}`, number, this.#surroundings);
    this.#workers.push(worker);
    void worker.start();
  }

  async #restart(worker: VirtualWorker): Promise<void> {
    await worker.stop();
    this.#step(this.#time.ms + restartMs, () => this.#begin());
  }

  /** Up to `count` workers that run, by chance. */
  #some(count: number): VirtualWorker[] {
    this.#workers = this.#workers.filter(({ process }) => process.fate !== 'dead');
    const drawn = this.#workers
      .filter((worker) => !worker.isStopping)
      .map((worker) => ({ worker, chance: this.#chance.next() }));
    return drawn
      .toSorted((a, b) => a.chance - b.chance)
      .slice(0, count)
      .map(({ worker }) => worker);
  }

  /** Puts shares into the carriers' streams: one after another at each carrier, as a planner does. */
  #launch(which: (share: Share) => boolean): void {
    for (const [carrier, { name }] of this.#plan.contracts.entries()) {
      const shares = this.#shares.filter((share) => share.carrier === carrier && which(share));
      void this.#enqueue(name, shares);
    }
  }

  async #enqueue(carrier: string, shares: readonly Share[]): Promise<void> {
    const signal = new AbortController().signal;
    for (const share of shares) {
      const content = {
        campaign: share.campaign,
        organisation: String(share.organisation),
        nature: share.isAlert ? ('alert' as const) : ('information' as const),
        sender,
        contents: { fr: 'Vigilance orange crue de la Lys. Infos en mairie.' },
        defaultLanguage: 'fr',
        fields: [],
        expiresAtMs: this.#time.epochMs + hourMs,
        weight: share.weight,
      };
      await this.#planner.open(carrier, content);
      await this.#planner.enqueue(carrier, content, batchesOf(share, this.#batch), signal);
    }
  }

  /** Slots of a carrier that workers have which run. */
  #held(carrier: number): number {
    let held = 0;
    for (const worker of this.#workers) if (worker.process.fate === 'running') held += worker.slots(carrier);
    return held;
  }

  #spread(): Spread {
    const running = this.#workers.filter(({ process, isStopping }) => process.fate === 'running' && !isStopping);
    const slots = running.map((worker) => this.#carriers.reduce((sum, _, carrier) => sum + worker.slots(carrier), 0));
    const binds = this.#plan.contracts.reduce((sum, contract) => sum + contract.binds, 0);
    const held = slots.reduce((sum, one) => sum + one, 0);
    return {
      atMs: this.#time.ms + 1,
      workers: running.length,
      least: Math.min(...slots),
      most: Math.max(...slots),
      free: binds - held,
    };
  }
}

function batchesOf(share: Share, size: number): Batch[] {
  return Array.from({ length: share.count / size }, (_, index) => {
    const first = share.first + index * size;
    const addresses = Array.from({ length: size }, (__, i) => `${addressPrefix}${String(first + i).padStart(8, '0')}`);
    return {
      campaign: share.campaign,
      organisation: String(share.organisation),
      number: index + 1,
      attempt: 1,
      firstOrdinal: index * size,
      recipients: size,
      language: 'fr',
      packed: Buffer.from(addresses.join(recordSeparator)),
    };
  });
}

function difference(
  now: Readonly<Partial<Record<ScriptName, number>>>,
  before: Readonly<Partial<Record<ScriptName, number>>>,
): Partial<Record<ScriptName, number>> {
  return Object.fromEntries(
    Object.entries(now).map(([name, count]) => [name, count - (before[name as ScriptName] ?? 0)]),
  );
}
