/**
 * Every setting of a process: its environment variable, unit, default and bounds, in one schema.
 * Read once at start by `config/load.ts`; parts receive the few values that they need. Pure.
 */
import { z } from 'zod';
import { redisUrlProblem } from '../src/stream/redis-url.ts';
import { untrustedDatabase } from './transport.ts';

const count = (least: number, most: number) => z.coerce.number().int().min(least).max(most);
const port = count(0, 65535);
const postgresUrl = z.url({
  protocol: /^postgres(ql)?$/,
  error: 'must be a URL that begins with postgres:// or postgresql://',
});
const addresses = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]);
/** 0 is for ever. */
const days = (least: number) =>
  count(0, 36_500).refine(
    (value) => value === 0 || value >= least,
    `must be 0, which is for ever, or at least ${least}`,
  );

/** Settings by name. The environment variable is `TOCSIN_` and the name in upper snake case, unless noted. */
export const settingsSchema = z.object({
  databaseUrl: postgresUrl.optional().describe('PostgreSQL of this process; embedded when absent.'),
  databaseTls: z
    .enum(['verified', 'any'])
    .default('verified')
    .describe('`verified`: PostgreSQL on another machine only by `sslmode=verify-full`; `any`: otherwise too.'),
  redisUrl: z
    .string()
    .superRefine((url, context) => {
      const problem = redisUrlProblem(url);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    })
    .optional()
    .describe('Redis or Valkey, 7.0 or later: a server, a cluster or Sentinels; embedded when absent.'),
  redisCaFile: z.string().optional().describe('PEM file of the authority that Redis’s certificates must be of.'),
  redisSentinelPassword: z.string().optional().describe('Password of the Sentinels themselves.'),
  redisReachedAs: z
    .string()
    .regex(/^[^\s=,]+:\d+=[^\s=,]+:\d+(,[^\s=,]+:\d+=[^\s=,]+:\d+)*$/, 'must be announced:port=reached:port, by commas')
    .optional()
    .describe(
      'Where this process reaches nodes that announce other addresses: announced:port=reached:port, by commas.',
    ),
  port: port.default(8080).describe('Port of the API.'),
  host: z.string().default('127.0.0.1').describe('Address on which API and health listen.'),
  healthPort: port.default(0).describe('Port of /healthz, /readyz and /metrics of this process; 0 takes a free one.'),
  home: z.string().default('.tocsin').describe('Folder of all embedded state.'),
  carriers: z.string().optional().describe('Path of the carriers file.'),
  platformKey: z
    .string()
    .min(24)
    .optional()
    .describe('Key that may create organisations and their API keys; made at first start when embedded.'),
  logLevel: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('Lowest level of log lines that is written.'),

  databasePoolMax: count(1, 200).default(10).describe('Connections to PostgreSQL per process.'),
  databaseWaitMs: count(100, 60_000)
    .default(5_000)
    .describe('Longest wait for a connection to PostgreSQL; the API then answers 503.'),
  lockTimeoutMs: count(100, 600_000).default(10_000).describe('Longest wait of a statement for a lock.'),
  idleTransactionMs: count(1_000, 3_600_000)
    .default(60_000)
    .describe('A transaction that says nothing for this long is ended, so that it holds no locks.'),
  replicaDatabaseUrl: postgresUrl
    .optional()
    .describe('A replica of the API’s PostgreSQL, for results and reports; none when absent.'),
  replicaLagMsMax: count(100, 600_000)
    .default(5_000)
    .describe('What is read from the replica may be this old; else the primary answers.'),
  statementTimeoutMs: count(100, 600_000).default(60_000).describe('Longest statement of the API and planner.'),
  bodyBytesMax: count(1024, 64 * 1024 * 1024)
    .default(1024 * 1024)
    .describe('Largest JSON body of a request.'),
  importBytesMax: count(1024, 8 * 1024 ** 3)
    .default(1024 ** 3)
    .describe('Largest CSV upload.'),

  keyRequestsPerSecondMax: count(0, 1_000_000)
    .default(100)
    .describe('Requests a second with one key to one API process, ten times as many at once; 0 is no limit.'),
  addressRequestsPerSecondMax: count(0, 1_000_000)
    .default(500)
    .describe('The same by address of the caller, IPv6 by /64.'),
  failedKeysPerMinuteMax: count(1, 1_000_000)
    .default(20)
    .describe('Unknown keys a minute from one address; after that no key is looked at that was not valid before.'),
  trustedProxies: z
    .string()
    .refine((text) => text.split(',').every((part) => part.trim() === '' || addresses.safeParse(part.trim()).success), {
      message: 'must be IP addresses or networks, with commas between',
    })
    .default('')
    .describe('Addresses and networks of proxies whose X-Forwarded-For is believed, such as `10.0.0.0/8, ::1`.'),

  campaignsAtOnceMax: count(1, 1000).default(8).describe('Campaigns that a planner plans at the same time.'),
  batchRecipientsMax: count(1, 2000).default(500).describe('Most recipients in a batch.'),
  batchSecondsMax: z.coerce
    .number()
    .min(0.01)
    .max(60)
    .default(0.05)
    .describe('Longest time in which one slot sends a batch: small batches make fair shares, large ones cost less.'),
  plannerLeaseMs: count(1000, 600_000)
    .default(10_000)
    .describe('A campaign of a planner that does not renew for this long is taken over.'),
  waitingBytesMax: count(1024 * 1024, 2 ** 46)
    .default(256 * 1024 * 1024)
    .describe('Packed recipients that may wait in Redis per carrier; above it information stays in PostgreSQL.'),
  receiptWaitSeconds: count(1, 30 * 86_400)
    .default(72 * 3600)
    .describe('How long a campaign stays open for receipts that do not come.'),

  retentionDays: days(28)
    .default(365)
    .describe('Days after the end of a campaign for which its recipients and outcomes are kept; its counts stay.'),
  orphanRetentionDays: days(9).default(30).describe('Days for which receipts without a submission are kept.'),
  inboundRetentionDays: days(1)
    .default(90)
    .describe('Days for which messages from handsets, and entries that were set aside, are kept.'),
  idempotencyRetentionDays: days(1).default(7).describe('Days for which answers to an Idempotency-Key are kept.'),

  carrierAwayMs: count(1_000, 3_600_000)
    .default(30_000)
    .describe(
      'What waits for a carrier is given to another, where one serves the same numbers, after so long without a bind.',
    ),

  workerName: z
    .string()
    .regex(/^[\w.-]{1,64}$/)
    .optional()
    .describe('Name of this worker; host name and process id when absent.'),
  encodeThreads: count(0, 64).default(1).describe('Piscina threads of a worker; 0 encodes on the main thread.'),
  encodeInPlaceBelow: count(0, 10_000)
    .default(32)
    .describe('Batches of fewer recipients are encoded on the main thread.'),
  batchesAheadMax: count(1, 5_000)
    .default(256)
    .describe('Batches that a worker holds per carrier before they are written.'),
  secondsAheadMax: z.coerce
    .number()
    .min(0.01)
    .max(60)
    .default(0.5)
    .describe('Seconds of sending that a worker holds ahead per carrier.'),
  reservationSegments: count(1, 10_000)
    .default(25)
    .describe('Segments that are reserved in Redis at once before they are written.'),
  batchLeaseMs: count(500, 600_000)
    .default(10_000)
    .describe('A batch of a worker that does not renew for this long is taken over.'),
  slotLeaseMs: count(500, 600_000)
    .default(6_000)
    .describe('A slot of a worker that does not renew for this long is taken over.'),
  outcomeFlushMs: count(1, 10_000).default(50).describe('Longest time before answers are in Redis.'),
  alertWindowShare: z.coerce
    .number()
    .min(0)
    .max(0.9)
    .default(0.1)
    .describe('Share of each window that is kept for alerts.'),
  retryMax: count(0, 100).default(3).describe('Times that a segment is tried again after an answer that asks for it.'),
  retryDelayMs: count(1, 3_600_000).default(2_000).describe('Pause before the first of these tries; it doubles.'),
  drainMs: count(100, 600_000)
    .default(10_000)
    .describe('Time that a process may take to finish what it holds after SIGTERM.'),
  graceMs: count(200, 900_000).default(15_000).describe('Time after SIGTERM at which the process ends in any case.'),

  recorderRowsMax: count(100, 1_000_000)
    .default(50_000)
    .describe('Most rows that the recorder writes in one transaction.'),
  recorderFlushMs: count(1, 10_000).default(100).describe('Pause of the recorder between looks at a quiet stream.'),
  recorderLeaseMs: count(1000, 600_000)
    .default(10_000)
    .describe('A stream of a recorder that does not renew for this long is taken over.'),
});

/** Settings of a process, frozen. */
export type Settings = Readonly<z.infer<typeof settingsSchema>>;

/** Settings that are secrets: each may stand in a file, which its variable with `_FILE` at the end names. */
export const secretSettings = [
  'databaseUrl',
  'replicaDatabaseUrl',
  'redisUrl',
  'redisSentinelPassword',
  'platformKey',
] as const satisfies readonly (keyof Settings)[];

/** Environment variables that do not follow the rule. */
const namedByCustom: Readonly<Record<string, string>> = {
  databaseUrl: 'DATABASE_URL',
  redisUrl: 'REDIS_URL',
  port: 'PORT',
};

/** Name of the environment variable of a setting. */
export function environmentName(setting: string): string {
  return namedByCustom[setting] ?? `TOCSIN_${setting.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** Problems between settings that are each right by themselves; one line each, empty when there are none. */
export function settingsRelations(s: Settings): string[] {
  const problems: string[] = [];
  const problem = (setting: keyof Settings, must: string, other: keyof Settings) =>
    problems.push(
      `${environmentName(setting)} (${s[setting]}) must be ${must} ${environmentName(other)} (${s[other]})`,
    );
  for (const setting of ['databaseUrl', 'replicaDatabaseUrl'] as const) {
    const untrusted = s[setting] === undefined ? undefined : untrustedDatabase(s[setting]);
    if (untrusted !== undefined && s.databaseTls === 'verified')
      problems.push(`${environmentName(setting)}: PostgreSQL ${untrusted}; or say TOCSIN_DATABASE_TLS=any`);
  }
  if (s.redisCaFile !== undefined && s.redisUrl?.startsWith('rediss') === false)
    problems.push('TOCSIN_REDIS_CA_FILE: is set, but REDIS_URL is without TLS; begin it with rediss');
  if (s.drainMs >= s.graceMs) problem('drainMs', 'less than', 'graceMs');
  if (s.outcomeFlushMs * 3 > s.batchLeaseMs) problem('batchLeaseMs', 'at least three times', 'outcomeFlushMs');
  if (s.batchSecondsMax * 2000 > s.batchLeaseMs) problem('batchLeaseMs', 'at least 2,000 times', 'batchSecondsMax');
  return problems;
}
