/**
 * Watches campaigns for open event streams. API process. However many streams watch a campaign, it is
 * subscribed to once and its status is read once a second. What watchers see only moves forward, though news by
 * Redis and by PostgreSQL may cross. Losing Redis costs at most the second until the next read.
 */
import { isFinished } from '../campaign/state.ts';
import type { Clock } from '../clock.ts';
import { type CampaignProgress, readCampaignProgress } from '../db/campaign-progress.ts';
import type { Run } from '../db/scope.ts';
import type { Id } from '../handoff.ts';
import type { Log } from '../telemetry.ts';
import type { ProgressFeed } from './parts.ts';

/** Is told each time a campaign has moved. */
export type Watcher = (progress: CampaignProgress) => void;

type WatchOptions = {
  readonly feed: ProgressFeed;
  readonly clock: Clock;
  readonly log: Log;
  readonly watchMs: number;
};

/** All campaigns that are watched in this process. */
export class CampaignWatches {
  private readonly options: WatchOptions;
  private readonly watches = new Map<Id, CampaignWatch>();

  constructor(options: WatchOptions) {
    this.options = options;
  }

  /** Tells `watcher` of every move behind `now` until the returned function is called. `run`: in its scope. */
  watch(run: Run, now: CampaignProgress, watcher: Watcher): () => void {
    const { campaign } = now;
    const watch = this.watches.get(campaign) ?? new CampaignWatch(run, now, this.options);
    this.watches.set(campaign, watch);
    watch.watchers.add(watcher);
    watch.offer(now);
    return () => {
      watch.watchers.delete(watcher);
      if (watch.watchers.size > 0 || this.watches.get(campaign) !== watch) return;
      watch.close();
      this.watches.delete(campaign);
    };
  }
}

class CampaignWatch {
  readonly watchers = new Set<Watcher>();
  private readonly run: Run;
  private readonly options: WatchOptions;
  private readonly leaveFeed: () => void;
  private cancelTimer: () => void;
  private now: CampaignProgress;
  private closed = false;

  constructor(run: Run, now: CampaignProgress, options: WatchOptions) {
    this.run = run;
    this.now = now;
    this.options = options;
    this.leaveFeed = options.feed.watch(now.campaign, ({ progress, finished }) => {
      this.offer({ ...this.now, ...progress });
      // The last event does not say how it ended.
      if (finished) this.lookAfter(0);
    });
    this.cancelTimer = options.clock.after(options.watchMs, () => this.look());
  }

  /** Takes news: their status, and their counts unless those are old. */
  offer(next: CampaignProgress): void {
    const { now } = this;
    const status = isFinished(now.status) ? now.status : next.status;
    const merged = { ...(isBehind(next, now) ? now : next), status };
    const names = Object.keys(merged) as (keyof CampaignProgress)[];
    if (this.closed || names.every((name) => merged[name] === now[name])) return;
    this.now = merged;
    for (const watcher of this.watchers) watcher(merged);
  }

  close(): void {
    this.closed = true;
    this.leaveFeed();
    this.cancelTimer();
  }

  private lookAfter(delayMs: number): void {
    this.cancelTimer();
    this.cancelTimer = this.options.clock.after(delayMs, () => this.look());
  }

  private look(): void {
    const { campaign } = this.now;
    readCampaignProgress(this.run, campaign)
      .then((read) => {
        if (read !== undefined) this.offer(read);
      })
      .catch((error: unknown) => this.options.log.warn('campaign.watch.failed', { campaign }, error))
      .finally(() => {
        if (!this.closed && !isFinished(this.now.status)) this.lookAfter(this.options.watchMs);
      });
  }
}

/** True when the counts of `next` are older than those of `now`: they only move forward. */
function isBehind(next: CampaignProgress, now: CampaignProgress): boolean {
  // Carriers are recorded side by side, so one may be behind where another is ahead; none of these ever falls.
  const rising = ['planned', 'submitted', 'delivered', 'expired', 'cancelled'] as const;
  if (rising.some((name) => next[name] < now[name])) return true;
  return next.planned === now.planned && next.pending > now.pending;
}
