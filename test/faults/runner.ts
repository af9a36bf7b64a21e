/**
 * Runs fault cases one after another in scenes that live on from case to case, as an installation does, and are only
 * made anew after a case that failed. Runs in the test's process.
 */
import type { FaultCase, SceneKind } from './cases/case.ts';
import { Scene, type SceneOptions } from './scene.ts';
import type { RedisKind } from './scene-redis.ts';
import { sentAfter } from './sightings.ts';
import type { CarrierPlan } from './simulator.ts';
import { type Outcome, type Size, Stage } from './stage.ts';

/** How large the campaigns are and how fast the carriers. */
export type Scale = { readonly size: Size; readonly ratePerSecond: number; readonly window: number };

/** For `npm test`: small enough for all of it, large enough that every fault hits full windows. */
export const quickScale: Scale = { size: { information: 6_400, alert: 2_400 }, ratePerSecond: 9_000, window: 50 };
/** For long runs: more than 50,000 segments at the full speed of a small machine. */
export const longScale: Scale = { size: { information: 34_000, alert: 10_000 }, ratePerSecond: 30_000, window: 150 };

/** A case that was run. */
export type Result = {
  readonly name: string;
  readonly seed: number;
  readonly recipients: number;
  readonly segments: number;
  readonly lost: number;
  readonly doubled: number;
  readonly unknown: number;
  readonly recoverySeconds: number;
  /** Binds that workers gave up because they, or the machine, stood still. */
  readonly givenUp: number;
  readonly problems: readonly string[];
  /** Where the logs of a case that failed are, when they were kept. */
  readonly folder?: string;
};

const usualBehaviour = { latencyMs: 15, latencyJitterMs: 10, receiptDelayMs: 100, receiptJitterMs: 200 };

function carriersOf({ ratePerSecond, window }: Scale, kind: SceneKind): CarrierPlan[] {
  const usual = { binds: 4, window, behaviour: usualBehaviour };
  // Three shards of an account, of which the first has a bind more, and receipts by any of them.
  const sharded = { binds: 7, shards: 3, behaviour: { ...usualBehaviour, receiptOtherBind: true } };
  const isSharded = kind === 'sharded';
  // It stands in for the other one.
  const north = isSharded ? { ...usual, ...sharded, prefixes: ['9990', '999'] } : { ...usual, prefixes: ['9990'] };
  const south = kind === 'fallback' ? ['9991', '9990'] : ['9991'];
  return [
    { ...north, name: 'north', ratePerSecond: ratePerSecond * 0.6 },
    { ...usual, name: 'south', prefixes: south, ratePerSecond: ratePerSecond * 0.4, settings: { order: 1 } },
  ];
}

const smallDisks: { readonly [kind in SceneKind]?: Pick<SceneOptions, 'smallDisk'> } = {
  'small-disk': { smallDisk: { of: 'postgres', megabytes: 600 } },
  'small-redis-disk': { smallDisk: { of: 'redis', megabytes: 200 } },
};

/** Options of a kind of scene. */
export function sceneOptions(scale: Scale, kind: SceneKind, redis: RedisKind = 'single'): SceneOptions {
  // A carrier counts as away well within a case.
  const settings = kind === 'fallback' || kind === 'sharded' ? { settings: { carrierAwayMs: 2_000 } } : {};
  return { workers: 3, redis, carriers: carriersOf(scale, kind), ...settings, ...smallDisks[kind] };
}

/** Scenes by kind, kept over cases. */
export class Runner {
  readonly #scale: Scale;
  readonly #keepsFolders: boolean;
  readonly #redis: RedisKind;
  readonly #scenes = new Map<SceneKind, Scene>();
  /** When the campaign of each source address was over: nothing may be sent for it from then on. */
  readonly #judged = new Map<Scene, Map<string, number>>();

  /** `keepsFolders`: what failed is left for whoever looks for the cause. `redis`: the form of every scene's. */
  constructor(scale: Scale, keepsFolders: boolean, redis: RedisKind = 'single') {
    this.#redis = redis;
    this.#scale = scale;
    this.#keepsFolders = keepsFolders;
  }

  /** Runs one case; never rejects for what the case finds. */
  async run(fault: FaultCase, seed: number): Promise<Result> {
    const kind = fault.scene ?? 'usual';
    const scene = this.#scenes.get(kind) ?? (await this.#open(kind));
    let outcome: Outcome;
    try {
      await scene.recover();
      const stage = await Stage.open(scene, seed, this.#scale.size);
      await fault.run(stage);
      outcome = await stage.verdict();
      for (const { source } of stage.launched) this.#judged.get(scene)?.set(source, outcome.overMicros);
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      outcome = { verdicts: [], problems: [text], recoverySeconds: 0, givenUp: 0, overMicros: 0 };
    }
    const { problems } = outcome;
    const folder = problems.length > 0 ? await this.#drop(kind) : '';
    return { ...summed(fault, seed, outcome), ...(folder === '' ? {} : { folder }) };
  }

  /** Memory and open files of every process of the cluster. */
  resources(): ReturnType<Scene['resources']> {
    return [...this.#scenes.values()].flatMap((scene) => scene.resources());
  }

  /** Ends every scene; what was sent after its case was judged is a problem. */
  async close(): Promise<string[]> {
    const problems: string[] = [];
    for (const [kind, scene] of this.#scenes) {
      const late = await this.#late(scene);
      this.#scenes.delete(kind);
      const folder = await scene.close(late.length > 0 && this.#keepsFolders);
      problems.push(...late.map((problem) => (folder === '' ? problem : `${problem}, logs: ${folder}`)));
    }
    return problems;
  }

  async #late(scene: Scene): Promise<string[]> {
    const logs = scene.carriers.map(({ plan, log }) => ({ carrier: plan.name, path: log, from: 0 }));
    const late = await sentAfter(logs, this.#judged.get(scene) ?? new Map<string, never>());
    return [...late].map(([source, count]) => `${count} segments of ${source} were received after it was over`);
  }

  async #open(kind: SceneKind): Promise<Scene> {
    const scene = await Scene.open(sceneOptions(this.#scale, kind, this.#redis));
    this.#scenes.set(kind, scene);
    this.#judged.set(scene, new Map());
    return scene;
  }

  async #drop(kind: SceneKind): Promise<string> {
    const scene = this.#scenes.get(kind);
    this.#scenes.delete(kind);
    return (await scene?.close(this.#keepsFolders)) ?? '';
  }
}

function summed({ name }: FaultCase, seed: number, outcome: Outcome): Result {
  const { verdicts, problems, recoverySeconds, givenUp } = outcome;
  const sum = (pick: (verdict: Outcome['verdicts'][number]) => number) =>
    verdicts.reduce((total, verdict) => total + pick(verdict), 0);
  return {
    name,
    seed,
    recipients: sum(({ recipients }) => recipients),
    segments: sum(({ segments }) => segments),
    lost: sum(({ lost }) => lost),
    doubled: sum(({ doubled }) => doubled),
    unknown: sum(({ unknown }) => unknown),
    recoverySeconds: Math.round(recoverySeconds * 10) / 10,
    givenUp,
    problems,
  };
}
