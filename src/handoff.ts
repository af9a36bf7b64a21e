/**
 * What each stage hands to the next, in the order of a message's way. Stages never import each other;
 * they share these types, and `cluster/` wires them together. Pure.
 */

/** A row id: a 63-bit integer as decimal text, time-ordered. */
export type Id = string;

/** `alert` overtakes everything and may be re-sent when unanswered; `information` never is. */
export type Nature = 'alert' | 'information';

/** The queue that a campaign waits in: one for each nature. */
export type Lane = Nature;

/** Lanes in order of precedence. */
export const lanes: readonly Lane[] = ['alert', 'information'];

// ── 1 campaign: what an organisation asked for ──────────────────────────────────────────────────

/** One language's text of a campaign, with `{{placeholders}}`. Keys are BCP 47 primary tags. */
export type Contents = Readonly<Record<string, string>>;

/**
 * All that a worker needs to know of a campaign. Lives once per carrier in Redis, fetched once per
 * worker, compiled once per thread.
 */
export type CampaignContent = {
  readonly campaign: Id;
  readonly organisation: Id;
  readonly nature: Nature;
  /** Alphanumeric or numeric source address, checked at creation. */
  readonly sender: string;
  readonly contents: Contents;
  readonly defaultLanguage: string;
  /** Recipient fields in the order in which a packed recipient carries them. */
  readonly fields: readonly string[];
  /** Epoch milliseconds after which nothing more of it may be submitted. */
  readonly expiresAtMs: number;
  /** Epoch milliseconds, by PostgreSQL's clock. */
  readonly launchedAtMs?: number;
  /** Where it stands in a trace, when it is traced. */
  readonly traceParent?: string;
  /** The organisation's share of a lane, relative to others; 1 is normal. */
  readonly weight: number;
};

/** Where a campaign stands on one carrier. */
export type CampaignState = 'active' | 'paused' | 'cancelled';

// ── 2 batch: recipients of one campaign, one carrier and one language ───────────────────────────

/** Separates the parts of a packed recipient: address, then the campaign's fields in order. */
export const unitSeparator = '\x1f';
/** Separates packed recipients in a batch. */
export const recordSeparator = '\x1e';

/**
 * One stream entry: a contiguous range of ordinals. `packed` is UTF-8: recipients joined by
 * `recordSeparator`, each being its address (digits, no plus) and fields joined by `unitSeparator`.
 */
export type Batch = {
  readonly campaign: Id;
  readonly organisation: Id;
  /** Batch number within the campaign, from 1. */
  readonly number: number;
  /** 1 at first; one more each time the rest of it was enqueued again. */
  readonly attempt: number;
  readonly firstOrdinal: number;
  readonly recipients: number;
  readonly language: string;
  /** When present, only these indexes within the batch are still to be sent (ascending). */
  readonly only?: readonly number[];
  readonly packed: Buffer;
};

// ── 3 frames: bytes of a batch, ready for a bind ────────────────────────────────────────────────

/** What the encoder must know of the carrier. */
export type EncodeProfile = {
  readonly sourceTon: number | 'auto';
  readonly sourceNpi: number;
  readonly destinationTon: number;
  readonly destinationNpi: number;
  readonly serviceType: string;
  /** What `data_coding` 0 means to this carrier. */
  readonly defaultAlphabet: 'gsm' | 'latin1';
  readonly longMessages: 'udh' | 'sar' | 'payload';
  /** Asks for a final receipt on every segment. */
  readonly receipts: boolean;
  readonly segmentsMax: number;
};

/** Input of one encoding task: a whole batch. */
export type EncodeTask = {
  readonly content: CampaignContent;
  readonly profile: EncodeProfile;
  readonly firstOrdinal: number;
  readonly recipients: number;
  readonly language: string;
  readonly only?: readonly number[];
  readonly packed: Uint8Array;
  /** Epoch milliseconds at encoding; with `expiresAtMs` it gives the remaining validity. */
  readonly nowMs: number;
};

/**
 * Output of one encoding task, over one ArrayBuffer. Frame `f` is `bytes[offsets[f], offsets[f+1])`, a
 * complete `submit_sm` PDU with sequence_number 0 at byte 12. Frames of one recipient are adjacent
 * and in order. Recipients that could not be encoded have no frame and are listed in `refused`.
 */
export type Frames = {
  readonly bytes: Buffer;
  /** `frames + 1` entries. */
  readonly offsets: Uint32Array;
  /** Index within the batch of the recipient of each frame. */
  readonly recipient: Uint16Array;
  /** Which segment of its message each frame is, from 0. */
  readonly segment: Uint8Array;
  /** How many segments the frame's message has. */
  readonly segments: Uint8Array;
  readonly refused: readonly { readonly index: number; readonly reason: string }[];
};

/** The encoder: in place for small batches, through Piscina for larger ones. */
export type Encode = (task: EncodeTask) => Promise<Frames>;

// ── 4 outcome: what became of a segment's submission ────────────────────────────────────────────

/**
 * `accepted` by the carrier · `rejected` for good by the carrier or the encoder · `unknown`: written,
 * never answered · `expired` before it could be submitted · `cancelled` before it was submitted ·
 * `rerouted`: another carrier carries it on.
 */
export type OutcomeKind = 'accepted' | 'rejected' | 'unknown' | 'expired' | 'cancelled' | 'rerouted';

/** Codes of outcome kinds on the wire and in PostgreSQL (`submissions.outcome`). Never renumber. */
export const outcomeCodes: Readonly<Record<OutcomeKind, number>> = {
  accepted: 1,
  rejected: 2,
  unknown: 3,
  expired: 4,
  cancelled: 5,
  rerouted: 6,
};

/** Whose answers these are: the batch they belong to. Becomes the header of an outcome entry. */
export type OutcomeHeader = {
  readonly campaign: Id;
  readonly organisation: Id;
  readonly batch: number;
  readonly attempt: number;
  readonly firstOrdinal: number;
  /** Epoch milliseconds of the flush, by the worker's clock. */
  readonly atMs: number;
  /** The batch's place in a trace, when it is traced. */
  readonly traceParent?: string;
};

// ── 5 receipt: what the handset did ─────────────────────────────────────────────────────────────

/** Message states of SMPP 3.4 §5.2.28, by name. */
export type ReceiptState =
  | 'enroute'
  | 'delivered'
  | 'expired'
  | 'deleted'
  | 'undeliverable'
  | 'accepted'
  | 'unknown'
  | 'rejected';

/** SMPP 3.4 §5.2.28 message_state values. */
export const receiptStateCodes: Readonly<Record<ReceiptState, number>> = {
  enroute: 1,
  delivered: 2,
  expired: 3,
  deleted: 4,
  undeliverable: 5,
  accepted: 6,
  unknown: 7,
  rejected: 8,
};

/** One delivery receipt as a carrier reported it. */
export type Receipt = {
  /** Canonical spelling, by the carrier's setting: what `submit_sm_resp` was stored as. */
  readonly messageId: string;
  readonly state: ReceiptState;
  /** The carrier's own error text or code, at most 16 characters; empty when none. */
  readonly error: string;
  /** Epoch seconds from the receipt's done date; 0 when it had none. */
  readonly doneAtSeconds: number;
};

/** A message from a handset (MO), kept for later use. */
export type InboundMessage = {
  readonly source: string;
  readonly destination: string;
  readonly dataCoding: number;
  readonly esmClass: number;
  readonly body: Buffer;
};

// ── 6 progress: what is known so far ────────────────────────────────────────────────────────────

/**
 * State of one message (recipient × campaign): the fold of its segments' outcomes and receipts in src/db/fold.ts,
 * which never goes back, so that late and doubled events change nothing. `unknown` may still be settled by an
 * answer or a receipt; `delivered` is above every failure because a delivery proves itself. The codes are names
 * for storage and results, not that order.
 */
export const messageStateCodes = {
  pending: 0,
  unknown: 1,
  submitted: 2,
  cancelled: 3,
  expired: 4,
  failed: 5,
  delivered: 6,
} as const;

/** Name of a message state. */
export type MessageState = keyof typeof messageStateCodes;

/** Counts of messages of one campaign. `submitted` counts every message a carrier ever accepted. */
export type Progress = {
  readonly planned: number;
  readonly submitted: number;
  readonly delivered: number;
  readonly failed: number;
  readonly unknown: number;
  readonly expired: number;
  readonly cancelled: number;
  /** No outcome yet. */
  readonly pending: number;
  /** Accepted by a carrier, final receipt not here yet. */
  readonly awaitingReceipt: number;
};

/** Life of a campaign as its organisation sees it. */
export type CampaignStatus = 'draft' | 'launched' | 'sending' | 'paused' | 'cancelling' | 'completed' | 'cancelled';

/** Fields of a recipient that a text may use as placeholders, in the order in which they are packed. */
export const recipientFields = ['firstName', 'lastName', 'street', 'postcode', 'city'] as const;

// ── contracts: what stages need of Redis; src/stream implements, cluster/ injects ───────────────

/** A command to the planner. It only says "look": the campaign's row in PostgreSQL is the truth. */
export type Command = {
  /** Id of its stream entry. */
  readonly entry: string;
  readonly campaign: Id;
  readonly command: 'launch' | 'pause' | 'resume' | 'cancel';
};

/** The stream of commands, read by all planners as one group. */
export type CommandQueue = {
  /** The next command, also one that a dead planner left; undefined when none came for about a second. */
  next(): Promise<Command | undefined>;
  /** Acknowledges and deletes it. */
  done(command: Command): Promise<void>;
};

/** Puts campaigns into carriers' streams. */
export type Enqueue = {
  /**
   * Makes the campaign known to the carrier; resolves with the name of Redis's data, read after that. Whoever finds
   * afterwards that something is still to be put in, and that the data are those that PostgreSQL knows, may do so: were
   * the campaign closed or the data lost meanwhile, `enqueue` would refuse it.
   */
  open(carrier: string, content: CampaignContent): Promise<string | undefined>;
  /**
   * Appends batches of an open campaign, which are in order of their numbers. Repeating adds nothing twice.
   * Information waits while the carrier's stream is full. Resolves with how many of `batches` are in, which is fewer
   * than all only when `signal` was aborted meanwhile. Batches of a cancelled or expired campaign may have no `packed`
   * bytes: a worker settles them by their counts.
   * @throws Fault `redis` when the campaign is not open any more.
   */
  enqueue(
    carrier: string,
    content: Pick<CampaignContent, 'campaign' | 'nature'>,
    batches: readonly Batch[],
    signal: AbortSignal,
  ): Promise<number>;
  /** Tells a carrier's workers; may come before the campaign's first batch. Repeating changes nothing. */
  control(carrier: string, campaign: Id, verb: 'pause' | 'resume' | 'cancel'): Promise<void>;
  /** Forgets a finished campaign; false while batches of it are left. */
  close(carrier: string, campaign: Id): Promise<boolean>;
};

/** An outcome entry as the recorder reads it; `packed` as `readOutcomes` in src/stream/entry.ts takes it. */
export type OutcomeRecord = {
  /** Whose stream it lies in: a shard, where the account is divided. */
  readonly carrier: string;
  readonly id: string;
  readonly header: OutcomeHeader;
  readonly packed: Buffer;
};

/** A receipts entry as the recorder reads it; `packed` as `readReceipts` in src/stream/entry.ts takes it. */
export type ReceiptRecord = {
  /** Whose stream it lies in. */
  readonly carrier: string;
  readonly id: string;
  /** Epoch milliseconds at which the worker had them. */
  readonly atMs: number;
  readonly packed: Buffer;
  readonly inbound: readonly InboundMessage[];
};

/** Last entry ids of a carrier's two streams that are in PostgreSQL; `0-0` before the first. */
export type RecordOffsets = { readonly outcomes: string; readonly receipts: string };

/** Offsets of all carriers, or shards, whose streams are recorded together. */
export type AccountOffsets = ReadonlyMap<string, RecordOffsets>;

/** Entries after the offsets, in order. */
export type RecordRead = {
  readonly outcomes: readonly OutcomeRecord[];
  readonly receipts: readonly ReceiptRecord[];
  /**
   * Redis's time in milliseconds up to which `outcomes` is complete: the millisecond of its last entry when
   * there may be more, else Redis's clock before the read. Receipts are held until outcomes caught up.
   */
  readonly outcomesThroughMs: number;
  /** Redis's clock before the read. */
  readonly nowMs: number;
};

/** A carrier's outcomes and receipts. */
export type RecordSource = {
  /** At most the given numbers of entries of each stream; does not wait when there are none. */
  read(
    carrier: string,
    after: RecordOffsets,
    limits: { readonly outcomeEntriesMax: number; readonly receiptEntriesMax: number },
  ): Promise<RecordRead>;
  /**
   * Which of these outcome entries, by id, stay: a replica has them too, if there is one, with all that was done in the
   * same step. One that is not there any more was in data that were lost, or that fell back.
   */
  staying(carrier: string, entries: readonly string[]): Promise<ReadonlySet<string>>;
  /** Deletes entries up to and including the offsets: they are committed. */
  trim(carrier: string, through: RecordOffsets): Promise<void>;
};

/** A campaign's counts, told to whoever watches it. */
export type ProgressEvent = {
  readonly campaign: Id;
  readonly organisation: Id;
  readonly progress: Progress;
  /** True in the last event of a campaign: it is completed or cancelled. */
  readonly finished: boolean;
};

/** Tells the watchers; losing an event is allowed, because the next one has all counts. */
export type PublishProgress = (events: readonly ProgressEvent[]) => Promise<void>;

/** What the reconciler needs of Redis beside `Enqueue`. */
export type Conveyor = {
  /** The name that a carrier's data in Redis was given; undefined when there is none, as after a loss. */
  epoch(carrier: string): Promise<string | undefined>;
  setEpoch(carrier: string, epoch: string): Promise<void>;
  /** Number of the last batch of a campaign that was appended at a carrier; 0 when Redis knows of none. */
  lastBatch(carrier: string, campaign: Id): Promise<number>;
  /** Raises that number to `batch`, where it is lower: batches up to there were dealt with by other means. */
  raiseLastBatch(carrier: string, campaign: Id, batch: number): Promise<void>;
  /** Batches of a campaign that wait at a carrier or are in workers' hands. */
  batchesLeft(carrier: string, campaign: Id): Promise<number>;
  /** Id of the last outcome entry of a carrier, be it deleted by now; `0-0` when there was none. */
  lastOutcome(carrier: string): Promise<string>;
  /**
   * Adds an outcome entry that gives `indexes` of a batch, ascending, the outcome `kind`: one record for each run of
   * them, segment 0 of 1, no message id.
   */
  settle(carrier: string, header: OutcomeHeader, indexes: readonly number[], kind: OutcomeKind): Promise<void>;
};
