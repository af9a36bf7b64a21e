/**
 * Progress of campaigns by publish and subscribe: the recorder and the planner tell, the API listens for whoever
 * watches. Losing an event is allowed, because the next one has all counts.
 */
import type { Id, ProgressEvent, PublishProgress } from '../handoff.ts';
import { planKeys } from './keys.ts';
import type { RedisConnection } from './redis.ts';

/** Tells through one connection of the role `command`. */
export function progressPublisher(redis: RedisConnection): PublishProgress {
  return async (events) => {
    await Promise.all(events.map((event) => redis.publish(planKeys.progress, JSON.stringify(event))));
  };
}

/** Watchers of progress in one process, over one subscription. */
export class ProgressFeed {
  readonly #watchers = new Map<Id, Set<(event: ProgressEvent) => void>>();

  /** Subscribes on a connection of the role `subscribing`. */
  async start(redis: RedisConnection): Promise<void> {
    redis.on('message', (_channel: string, message: string) => {
      const event = JSON.parse(message) as ProgressEvent;
      for (const watcher of this.#watchers.get(event.campaign) ?? []) watcher(event);
    });
    await redis.subscribe(planKeys.progress);
  }

  /** Calls `watcher` with each event of a campaign until the returned function is called. */
  watch(campaign: Id, watcher: (event: ProgressEvent) => void): () => void {
    const watchers = this.#watchers.get(campaign) ?? new Set();
    this.#watchers.set(campaign, watchers);
    watchers.add(watcher);
    return () => {
      watchers.delete(watcher);
      if (watchers.size === 0) this.#watchers.delete(campaign);
    };
  }
}
