/** Limits of the API, each with its unit in its name. Pure. */

/** What the API bounds. */
export type ApiLimits = {
  /** Largest JSON body. */
  readonly jsonBytesMax: number;
  /** Largest CSV file. */
  readonly importBytesMax: number;
  /** Longest line of a CSV file. */
  readonly importLineBytesMax: number;
  /** Imports at once in one process; each holds a connection to PostgreSQL. */
  readonly importsAtOnceMax: number;
  /** Residents of an import that are written in one statement. */
  readonly importChunkRows: number;
  /** Open event streams in one process. */
  readonly eventStreamsMax: number;
  /** Longest text, in segments, for an ordinary recipient. */
  readonly segmentsMax: number;
  /** Requests a second of one address, and of one key, in one process; 0 is no limit. */
  readonly addressRequestsPerSecondMax: number;
  readonly keyRequestsPerSecondMax: number;
  /** Requests a minute of one address with a key that nobody knows, or with none. */
  readonly failedKeysPerMinuteMax: number;
  /** Addresses and networks of proxies whose X-Forwarded-For is believed, with commas between. */
  readonly trustedProxies: string;
  /** How long the database's word on a key is believed. */
  readonly keysRememberMs: number;
  /** Keys that are remembered in one process. */
  readonly keysRememberedMax: number;
  /** Longest wait for Redis after a command was committed; the planner finds the command without it too. */
  readonly publishMs: number;
  /** Silence on an event stream after which a comment is sent. */
  readonly heartbeatMs: number;
  /** How often the status of a watched campaign is read. */
  readonly watchMs: number;
};

/** Limits that fit most installations. */
export const defaultLimits: ApiLimits = {
  jsonBytesMax: 1_048_576,
  importBytesMax: 268_435_456,
  importLineBytesMax: 16_384,
  importsAtOnceMax: 2,
  importChunkRows: 4000,
  eventStreamsMax: 1000,
  segmentsMax: 8,
  addressRequestsPerSecondMax: 500,
  keyRequestsPerSecondMax: 100,
  failedKeysPerMinuteMax: 20,
  trustedProxies: '',
  keysRememberMs: 10_000,
  keysRememberedMax: 10_000,
  publishMs: 1000,
  heartbeatMs: 15_000,
  watchMs: 1000,
};
