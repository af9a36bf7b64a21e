/**
 * What our own benches measured, for the formulas of size.ts: the one place where a figure of them stands. CPU is in
 * microseconds of one core of an AMD EPYC virtual machine with two, Node 20. Each says by which command it was taken;
 * `npm run bench -- millions` prints costs by process and, under `storage`, bytes per message. Pure.
 */
export const measured = {
  // ── CPU of a segment that is sent, answered, receipted and recorded ──────────────────────────────
  // `micros`: bench/README.md, "Budget": `millions --messages 3500000`, batches of 500.
  // `batchMicros`: what a batch costs beside its messages, from `millions --messages 40000 --rounds 1` with
  // `--settings batchRecipientsMax=25` and without: the difference ÷ (1/25 − 1/500). Taken at a load of 25 and with
  // V8's compilation in it, so it is rather too much.
  worker: { micros: 2.78, batchMicros: 640 },
  recorder: { micros: 1.44, batchMicros: 540 },
  planner: { micros: 0.26, batchMicros: 180 },
  postgres: { micros: 5.07, batchMicros: 410 },
  redisMicros: 0.63,

  // ── scripts in Redis: `simulation`, quiet part ───────────────────────────────────────────────────
  takesPerBatch: 2.2,
  reservationsPerBatch: 1,
  /** CPU of Redis ÷ scripts that it ran. */
  redisScriptMicros: 40,

  // ── bytes of PostgreSQL and Redis: `storage` of `millions --messages 350000 --rounds 1` ──────────
  // What a batch takes beside its messages: the difference to `--settings batchRecipientsMax=25` ÷ (1/25 − 1/500).
  /** recipients: of a message, with indexes. */
  recipientBytes: 28,
  /** submissions 155, receipts 85.2: of a segment, with indexes. */
  segmentBytes: 242,
  /** batches and batch_states: 15.6 of a message in batches of 25, 2.85 in batches of 500. */
  batchBytes: 334,
  /** 280 of a message of one segment in batches of 500, 313 in batches of 25; the recipient's part is about its row. */
  walRecipientBytes: 28,
  walSegmentBytes: 250,
  walBatchBytes: 868,
  /** `redisBytesPerRecipient`: 16.8 in batches of 500 and 28.8 in batches of 25; personalised 24. */
  waitingBytes: 16.2,
  waitingPersonalisedBytes: 23.4,
  waitingBatchBytes: 316,
  /** `redisAof`, from the enqueueing to the receipt: 68.3 in batches of 500, 148 in batches of 25. */
  redisFileBytes: 64.1,
  redisFileBatchBytes: 2_100,
  /** Outcome and receipt of a segment that wait for the recorder: `redisFileBytes` less the waiting recipient. */
  unrecordedBytes: 48,
  /** `redisIn` and `redisOut` in batches of 25. */
  redisNetworkBytes: 231,

  // ── bytes to and from carriers: SMPP 3.4 frames of a segment of 160 characters ───────────────────
  /** submit_sm and deliver_sm_resp. */
  carrierOutBytes: 236,
  /** submit_sm_resp and deliver_sm with a receipt of the usual layout. */
  carrierInBytes: 240,

  // ── settings' defaults (config/schema.ts) ────────────────────────────────────────────────────────
  /** Of the batches that `micros` were taken with. */
  batchRecipients: 500,
  batchLimits: { batchSecondsMax: 0.05, batchRecipientsMax: 500 },
  flushSeconds: 0.05,
  slotLeaseSeconds: 6,
  poolMax: 10,
  /** Two recorders that commit ten times a second (`TOCSIN_RECORDER_FLUSH_MS`) for each of their streams. */
  commitsPerSecond: 40,
} as const;
