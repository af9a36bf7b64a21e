/** What every group of routes is made of. API process. */
import type { MiddlewareHandler } from 'hono';
import type { Clock } from '../clock.ts';
import type { PreviewCarrier } from '../campaign/preview.ts';
import type { CampaignCommand } from '../campaign/state.ts';
import type { Route } from '../db/audience.ts';
import type { Database } from '../db/client.ts';
import type { Replica } from '../db/replica.ts';
import type { Id, ProgressEvent } from '../handoff.ts';
import type { Log } from '../telemetry.ts';
import type { Tracer } from '../tracing.ts';
import type { Authentication } from './authentication.ts';
import type { ApiLimits } from './limits.ts';

/** Where commands to the planner go once they are committed. */
export type CommandStream = {
  /** Resolves when the command is in the stream. One that is published twice does no harm. */
  publish(campaign: Id, command: CampaignCommand): Promise<void>;
};

/** Where news of campaigns come from. */
export type ProgressFeed = {
  /** Calls `watcher` at each news of `campaign` until the returned function is called. */
  watch(campaign: Id, watcher: (event: ProgressEvent) => void): () => void;
};

/** A request that was answered: its route, such as `GET /campaigns/:id`, or `none`, and what it came to. */
export type AnsweredRequest = { readonly route: string; readonly status: number; readonly seconds: number };

/** What the API is made of. */
export type ApiDependencies = {
  /** Connects as `tocsin_api`. */
  readonly database: Database;
  /** For reading what became of messages, where there is one. */
  readonly replica?: Pick<Replica, 'runOf' | 'anyRunOf'> | undefined;
  readonly commands: CommandStream;
  readonly progress: ProgressFeed;
  /** Carriers, for previews. */
  readonly carriers: readonly PreviewCarrier[];
  /** Which carrier serves which prefix, as the planner has it. */
  readonly routes: readonly Route[];
  readonly platformKey: string;
  readonly limits: ApiLimits;
  readonly clock: Clock;
  readonly log: Log;
  /** Is told of each request, for metrics; routes are few, so they may be labels. */
  readonly answered?: (request: AnsweredRequest) => void;
  /** Traces requests; nothing when absent. */
  readonly tracer?: Tracer;
  /** Ends open event streams when it is aborted, so that the process can stop. */
  readonly stopping: AbortSignal;
};

/** What a group of routes gets. */
export type Parts = ApiDependencies & {
  readonly authentication: Authentication;
  /** Middleware that reads a bounded JSON body. */
  readonly json: MiddlewareHandler;
};
