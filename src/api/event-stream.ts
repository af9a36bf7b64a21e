/** Progress of one campaign to one client as server-sent events. API process. Holds the latest news only. */
import type { SSEStreamingApi } from 'hono/streaming';
import { isFinished } from '../campaign/state.ts';
import type { Clock } from '../clock.ts';
import type { CampaignProgress } from '../db/campaign-progress.ts';

/** How long a stream may be silent. */
export type Heartbeat = { readonly clock: Clock; readonly heartbeatMs: number };

/** Writes events until the campaign is finished, the client is gone or the process stops. */
export async function follow(stream: SSEStreamingApi, news: News, heartbeat: Heartbeat): Promise<void> {
  for (;;) {
    const cancel = heartbeat.clock.after(heartbeat.heartbeatMs, () => news.wake());
    const next = await news.next();
    cancel();
    if (next === 'end') return;
    if (next === 'silence') {
      await stream.write(': still here\n\n');
      continue;
    }
    await stream.writeSSE({ event: 'progress', data: JSON.stringify(next) });
    if (isFinished(next.status)) {
      await stream.writeSSE({ event: 'end', data: '{}' });
      return;
    }
  }
}

/** The latest news for one stream: what a slow client did not fetch is replaced by what came after. */
export class News {
  private latest: CampaignProgress | undefined;
  private ended = false;
  private resolve: (() => void) | undefined;

  constructor(first: CampaignProgress) {
    this.latest = first;
  }

  put(progress: CampaignProgress): void {
    this.latest = progress;
    this.wake();
  }

  end(): void {
    this.ended = true;
    this.wake();
  }

  /** Lets `next` return, with news or without. */
  wake(): void {
    this.resolve?.();
  }

  async next(): Promise<CampaignProgress | 'silence' | 'end'> {
    if (this.latest === undefined && !this.ended) {
      await new Promise<void>((resolve) => {
        this.resolve = resolve;
      });
      this.resolve = undefined;
    }
    if (this.ended) return 'end';
    const { latest } = this;
    this.latest = undefined;
    return latest ?? 'silence';
  }
}
