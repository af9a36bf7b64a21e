/** How the peer's processes are set up, and what they are told. Pure. */

/** The peer's knobs; the defaults are the best of what was tried. */
export type PeerSettings = {
  /** Worker processes. */
  readonly workers: number;
  /** Jobs in a worker's hands at once. */
  readonly concurrency: number;
  /** Rows of an insert at most, and how long a row waits for others. */
  readonly insertRows: number;
  readonly flushMs: number;
  /** Jobs of an addBulk, and how many of these run at once. */
  readonly bulkJobs: number;
  readonly bulksAtOnce: number;
  /** Binds over all workers, and unanswered submit_sm on each. */
  readonly binds: number;
  readonly window: number;
};

/** What both kinds of process need. */
export type PeerTask = PeerSettings & {
  readonly redisPort: number;
  readonly databaseUrl: string;
  readonly organisation: string;
  readonly smsc: { readonly port: number; readonly systemId: string; readonly password: string };
  readonly text: string;
};

/** The queue's name. */
export const queueName = 'bench';

/** A job: one message. */
export type PeerJob = { readonly ordinal: number; readonly address: string };

/** What the producer is told: to add a job for each of the audience, with ordinals from `firstOrdinal` on. */
export type PeerWord = { readonly kind: 'begin'; readonly firstOrdinal: number } | { readonly kind: 'end' };

/** What a process says: that it is ready, or how much it has committed so far. */
export type PeerNews =
  | { readonly kind: 'ready' }
  | { readonly kind: 'committed'; readonly submissions: number; readonly receipts: number };
