/**
 * What a fault case works with: campaigns under way, random moments of a seed that are bound to what the carriers
 * have received, and the verdict at the end. Runs in the test's process.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { accountOf } from '../../src/account.ts';
import type { MessageState, Nature } from '../../src/handoff.ts';
import { Chance } from '../../src/smsc/behaviour.ts';
import type { SmscStats } from '../../src/smsc/stats.ts';
import { readBooks } from './books.ts';
import { WorkerLogs } from './given-up.ts';
import { judge, type Verdict } from './judge.ts';
import { addList, contents, segmentsOf } from './population.ts';
import type { Tripped } from './proxy.ts';
import type { Scene } from './scene.ts';
import type { CarrierPlan } from './simulator.ts';
import { busiestSecond, type LogPart, readSightings, sentAfter } from './sightings.ts';

/** How many recipients the campaigns of a case have. */
export type Size = { readonly information: number; readonly alert: number };

/** A campaign that was launched. */
export type Launched = {
  readonly id: string;
  readonly nature: Nature;
  readonly source: string;
  readonly recipients: number;
};

/** What a case came to. */
export type Outcome = {
  readonly verdicts: readonly (Verdict & { readonly nature: Nature })[];
  readonly problems: readonly string[];
  /** Seconds from the end of the fault until every campaign was over. */
  readonly recoverySeconds: number;
  /** Binds that workers gave up because they had not run for as long as their leases are trusted. */
  readonly givenUp: number;
  /** Epoch microseconds from which on nothing of these campaigns may be sent. */
  readonly overMicros: number;
};

const lookMs = 10;
/** Nothing moves for so long: the case fails. Longer than any lease, far longer than any recovery should take. */
const stallMs = 45_000;
/** Defaults of config/schema.ts, by which a scene's workers reserve and record. */
const reservationSegments = 25;
const outcomeFlushMs = 50;
/** What a worker that gave up a bind leaves its carrier to notice it: a fifth of a slot's lease, less a margin. */
const closeMs = 300;
/** A rate that is kept to within so much counts as kept. */
const rateTolerance = 1.05;

/** See the head of this file. */
export class Stage {
  readonly scene: Scene;
  readonly chance: Chance;
  readonly size: Size;
  readonly launched: Launched[] = [];
  /** States beside those that every case allows. */
  readonly sent = new Set<MessageState>(['delivered']);
  readonly unsent = new Set<MessageState>(['unknown']);
  /** False where the case itself breaks the contract's measure, for example by holding bytes back. */
  judgesRate = true;
  readonly problems: string[] = [];
  #openSegments = 0;
  #informationDoubled = 0;
  #unknown = 0;
  #healedMs = performance.now();
  #from: readonly LogPart[] = [];
  #receivedBefore = 0;
  #bindsBefore: readonly number[] = [];
  /** How long this process, which holds every line, was kept from running. */
  readonly #still = monitorEventLoopDelay();
  readonly #workerLogs: WorkerLogs;

  private constructor(scene: Scene, chance: Chance, size: Size) {
    this.#workerLogs = new WorkerLogs(scene.folder);
    this.scene = scene;
    this.chance = chance;
    this.size = size;
  }

  /** Takes note of where the logs stand. */
  static async open(scene: Scene, seed: number, size: Size): Promise<Stage> {
    const stage = new Stage(scene, new Chance(seed), size);
    stage.#receivedBefore = await stage.#received();
    stage.#bindsBefore = (await stage.#stats()).map(({ bindsPeak }) => bindsPeak);
    stage.#still.enable();
    stage.#from = scene.carriers.map(({ plan, log, logBytes }) => ({ carrier: plan.name, path: log, from: logBytes }));
    return stage;
  }

  // ── campaigns ────────────────────────────────────────────────────────────────────────────────

  /** Creates and launches a campaign through the API. */
  async launch(nature: Nature, count = this.size[nature], validitySeconds = 7_200): Promise<Launched> {
    const campaign = await this.draft(nature, count, validitySeconds);
    await this.scene.api('POST', `/campaigns/${campaign.id}/launch`);
    return campaign;
  }

  /** Creates a campaign that the case launches itself. */
  async draft(nature: Nature, count = this.size[nature], validitySeconds = 7_200): Promise<Launched> {
    const list = await listOf(this.scene, count);
    campaigns++;
    const source = `F${campaigns}`;
    const { id } = await this.scene.api<{ id: string }>('POST', '/campaigns', {
      name: source,
      nature,
      sender: source,
      audience: { lists: [list] },
      contents,
      defaultLanguage: 'fr',
      validitySeconds,
    });
    const campaign = { id, nature, source, recipients: count };
    this.launched.push(campaign);
    return campaign;
  }

  /** An alert and an information campaign, both under way. */
  async launchBoth(): Promise<void> {
    await this.launch('information');
    await this.launch('alert');
  }

  /** Segments of everything that was launched. */
  get segments(): number {
    return this.launched.reduce((sum, { recipients }) => sum + segmentsOf(recipients), 0);
  }

  // ── moments ──────────────────────────────────────────────────────────────────────────────────

  /** A whole number from `least` to `most`, by chance. */
  between(least: number, most: number): number {
    return least + Math.floor(this.chance.next() * (most - least + 1));
  }

  /** One of several, by chance. */
  oneOf<Thing>(things: readonly Thing[]): Thing {
    const thing = things[this.between(0, things.length - 1)];
    if (thing === undefined) throw new Error('there is nothing to choose from');
    return thing;
  }

  /** The same things in another order, by chance. */
  shuffled<Thing>(things: readonly Thing[]): Thing[] {
    const keyed = things.map((thing) => ({ thing, key: this.chance.next() }));
    return keyed.toSorted((a, b) => a.key - b.key).map(({ thing }) => thing);
  }

  /** Resolves at a random moment between two shares of the segments received. */
  async somewhere(from = 0.1, to = 0.6): Promise<void> {
    const share = from + this.chance.next() * (to - from);
    await this.received(Math.floor(share * this.segments));
  }

  /** Resolves when the carriers have received so many segments since the case began. */
  async received(count: number): Promise<void> {
    await this.until(`${count} segments received`, async () => (await this.receivedNow()) >= count);
  }

  /** Segments received since the case began. */
  async receivedNow(): Promise<number> {
    return (await this.#received()) - this.#receivedBefore;
  }

  /** Resolves when `holds` says true; fails the case when it never does. */
  async until(what: string, holds: () => Promise<boolean> | boolean, patienceMs = stallMs): Promise<void> {
    const startedMs = performance.now();
    while (!(await holds())) {
      if (performance.now() - startedMs > patienceMs) throw new Error(`${what}: not within ${patienceMs / 1000} s`);
      await delay(lookMs);
    }
  }

  /** What `promise` gives; fails the case when it takes too long. */
  async within<Value>(what: string, promise: Promise<Value>): Promise<Value> {
    const over = new AbortController();
    const late = delay(stallMs, undefined, { signal: over.signal }).then(() => {
      throw new Error(`${what}: not within ${stallMs / 1000} s`);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      over.abort();
      late.catch(() => undefined);
    }
  }

  /** Resolves at the `nth` chunk on a process's line to a server that holds `bytes`; it is held until released. */
  async reaches(name: string, to: string, bytes: string, nth: number): Promise<Tripped> {
    return await this.within(`${name}: ${bytes} to ${to}`, this.scene.line(name, to).tripwire(bytes, 'up', nth));
  }

  /** Holds a fault for so long: the one kind of wait that is about time, since the fault is. */
  async hold(ms: number): Promise<void> {
    await delay(ms);
  }

  /** Segments of a campaign that carriers took after a moment in epoch microseconds. */
  async sentAfter({ source }: Launched, micros: number): Promise<number> {
    return (await sentAfter(this.#from, new Map([[source, micros]]))).get(source) ?? 0;
  }

  /** Resolves when nothing of a campaign has come for a second; since when, in epoch microseconds. */
  async quiet(campaign: Launched): Promise<number> {
    let sinceMicros = 0;
    await this.until(`nothing more of ${campaign.source}`, async () => {
      sinceMicros = Date.now() * 1000;
      await delay(1_000);
      return (await this.sentAfter(campaign, sinceMicros)) === 0;
    });
    return sinceMicros;
  }

  async #received(): Promise<number> {
    return (await this.#stats()).reduce((sum, { received }) => sum + received, 0);
  }

  async #stats(): Promise<SmscStats[]> {
    return await Promise.all(this.scene.carriers.map((carrier) => carrier.stats()));
  }

  // ── what the fault may cost ──────────────────────────────────────────────────────────────────

  /** A worker is about to lose its binds: their windows may be open. */
  async crash(worker: string): Promise<void> {
    for (const { plan, parts } of this.scene.carriers) {
      for (const { name } of parts) {
        const slots = await this.scene.redis.client.hvals(`{${name}}:slots`);
        this.breaks(plan, slots.filter((value) => value.startsWith(`${worker}-`)).length);
      }
    }
  }

  /** Every bind of a carrier breaks. */
  breaksCarrier(name: string): void {
    for (const { plan, parts } of this.scene.carriers)
      if (plan.name === name) for (const { binds } of parts) this.breaks(plan, binds);
  }

  /** So many binds of a carrier break, or their worker does. */
  breaks(plan: CarrierPlan, binds: number): void {
    const { window, ratePerSecond } = plan;
    this.leavesUnanswered(binds * window);
    if (binds === 0) return;
    // Beside what is open nobody can tell apart: what was reserved and not written yet, and what was answered and is
    // not recorded yet.
    const slice = Math.min(window, Math.max(reservationSegments, window >> 2));
    const reserved = Math.max(2 * slice, (binds * window) / 2) + 2 * slice;
    const unrecorded = (ratePerSecond / plan.binds) * binds * (outcomeFlushMs / 1000);
    this.#unknown += Math.ceil(reserved + unrecorded);
  }

  /** So many segments were written and are never answered. */
  leavesUnanswered(segments: number): void {
    this.#openSegments += segments;
    this.#unknown += segments;
  }

  /** So many segments of alerts may be doubled beside the windows. */
  alertsMayDouble(segments: number): void {
    this.#openSegments += segments;
  }

  /** So many segments of either nature may be doubled: Redis forgot what was taken and reserved. */
  everythingMayDouble(segments: number): void {
    this.#openSegments += segments;
    this.#informationDoubled += segments;
  }

  /** So many recipients may end `unknown` beside the windows. */
  mayBeUnknown(recipients: number): void {
    this.#unknown += recipients;
  }

  /** The fault is over: from now on it must recover. */
  healed(): void {
    this.#healedMs = performance.now();
  }

  // ── the end ──────────────────────────────────────────────────────────────────────────────────

  /** Resolves when every campaign is over; fails when nothing moves any more. */
  async settled(): Promise<void> {
    let last = '';
    let movedMs = performance.now();
    for (;;) {
      const now = await this.#standing();
      if (now.isOver) return;
      if (now.text !== last) movedMs = performance.now();
      last = now.text;
      if (performance.now() - movedMs > stallMs) throw new Error(`nothing moves any more: ${now.text}`);
      await delay(5 * lookMs);
    }
  }

  async #standing(): Promise<{ isOver: boolean; text: string }> {
    try {
      const { rows } = await this.scene.sql.query<{ status: string; text: string }>(
        `select c.status, format('%s %s of %s: %s', c.nature, c.status, c.recipients,
            (select string_agg(format('%s %s+%s/%s/%s/%s/%s', p.carrier, p.awaiting_receipt, p.delivered, p.failed,
              p.unknown, p.expired, p.cancelled), ', ') from campaign_progress p where p.campaign_id = c.id)) as text
          from campaigns c where c.id = any($1) order by c.id`,
        [this.launched.map(({ id }) => id)],
      );
      const isOver = rows.every(({ status }) => status === 'completed' || status === 'cancelled');
      return { isOver, text: `${rows.map(({ text }) => text).join(' · ')} · received ${await this.receivedNow()}` };
    } catch (error) {
      return { isOver: false, text: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Waits for the end and judges. */
  async verdict(): Promise<Outcome> {
    await this.settled();
    const recoverySeconds = (performance.now() - this.#healedMs) / 1000;
    const overMicros = Date.now() * 1000;
    this.#still.disable();
    const givenUp = this.#givenUp();
    const sightings = await readSightings(this.#from);
    const allowance = {
      openSegments: this.#openSegments,
      informationDoubledMax: this.#informationDoubled,
      unknownMax: this.#unknown,
      sent: [...this.sent, 'unknown' as const],
      unsent: [...this.unsent],
    };
    const verdicts = [];
    for (const { id, nature, source } of this.launched) {
      const books = await readBooks(this.scene.sql, id);
      const own = sightings.bySource.get(source) ?? new Map<string, never>();
      verdicts.push({ nature, ...judge({ nature, books, sightings: own, allowance }) });
    }
    const problems = verdicts.flatMap((verdict) => verdict.problems.map((problem) => `${verdict.nature}: ${problem}`));
    problems.push(...this.problems, ...(await this.#contracts(sightings.arrivals)));
    return { verdicts, problems, recoverySeconds, givenUp, overMicros };
  }

  /** Binds that were given up are broken, whoever kept their worker from running. */
  #givenUp(): number {
    const all = this.#workerLogs.givenUp();
    for (const { carrier, binds } of all) {
      const plan = this.scene.carriers.find((one) => one.plan.name === accountOf(carrier))?.plan;
      if (plan !== undefined) this.breaks(plan, binds);
    }
    const count = all.reduce((sum, { binds }) => sum + binds, 0);
    // More than all of them, at least one twice: a machine that stands still again and again keeps receipts back for
    // longer than campaigns wait for them. No case stops so many workers.
    if (count > this.scene.carriers.reduce((sum, { plan }) => sum + plan.binds, 0)) this.sent.add('submitted');
    return count;
  }

  async #contracts(arrivals: ReadonlyMap<string, Float64Array>): Promise<string[]> {
    const problems: string[] = [];
    // Lines that stood still for longer bring the end of a connection later than its successor, over another line.
    const areLinesAwake = this.#still.max / 1e6 < closeMs;
    for (const [i, carrier] of this.scene.carriers.entries()) {
      const { name, binds, window, ratePerSecond } = carrier.plan;
      const { bindsPeak, windowPeak } = await carrier.stats();
      const hasRisen = bindsPeak > (this.#bindsBefore[i] ?? 0);
      if (bindsPeak > binds && hasRisen && areLinesAwake)
        problems.push(`${name} saw ${bindsPeak} binds; ${binds} are allowed`);
      if (windowPeak > window) problems.push(`${name} saw a window of ${windowPeak}; ${window} are allowed`);
      const busiest = busiestSecond(arrivals.get(name) ?? new Float64Array(), ratePerSecond);
      if (this.judgesRate && busiest > ratePerSecond * rateTolerance)
        problems.push(`${name} saw ${busiest} segments in a second; ${ratePerSecond} are allowed`);
    }
    return problems;
  }
}

/** Campaigns of this process so far: each has a source address of its own, by which the logs tell it apart. */
let campaigns = 0;

const lists = new WeakMap<Scene, Map<number, string>>();

/** A list of the scene with so many residents; made when it is first asked for. */
async function listOf(scene: Scene, count: number): Promise<string> {
  const known = lists.get(scene) ?? new Map<number, string>();
  lists.set(scene, known);
  const list = known.get(count) ?? (await addList(scene.sql, scene.organisation, `of ${count}`, count, 0));
  known.set(count, list);
  return list;
}
