/** What a fault case is. */
import type { RedisKind } from '../scene-redis.ts';
import type { Stage } from '../stage.ts';

/** The installations that cases run in; `usual` unless a case says otherwise. */
export type SceneKind = 'usual' | 'fallback' | 'sharded' | 'small-disk' | 'small-redis-disk';

/** One fault. */
export type FaultCase = {
  readonly name: string;
  /** Its group, 1 to 10: by what is hurt. */
  readonly group: number;
  readonly about: string;
  /** Part of `npm test`; the others run by `npm run faults`. */
  readonly quick: boolean;
  readonly scene?: SceneKind;
  /** The forms of Redis that it is for; every form when absent. */
  readonly on?: readonly RedisKind[];
  /** The promise that is not kept yet: it runs by `--only` alone. */
  readonly open?: string;
  /** Why it cannot run on this machine; undefined when it can. */
  readonly unable?: () => string | undefined;
  /** Launches campaigns and does the damage. The judge comes afterwards. */
  run(stage: Stage): Promise<void>;
};
