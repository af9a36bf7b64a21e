/** What waits for a carrier, for health and metrics: how long its oldest batch has, and how much there is. */
import { type Lane, lanes } from '../handoff.ts';
import { carrierKeys } from './keys.ts';
import type { RedisConnection } from './redis.ts';
import { type Script, script } from './script.ts';

/** Campaigns of a lane that are looked at; those behind them were served later. */
const campaignsMax = 100;

/**
 * KEYS prefix. ARGV lane, campaigns. Milliseconds since the oldest batch of the lane was put in, be it waiting or in a
 * worker's hands, and -1 when there is none; paused campaigns do not count.
 */
const oldestScript = `
local prefix, oldest = KEYS[1], nil
for _, campaign in ipairs(redis.call('ZRANGE', prefix .. ':schedule:' .. ARGV[1], 0, tonumber(ARGV[2]) - 1)) do
  local first = redis.call('XRANGE', prefix .. ':campaign:' .. campaign, '-', '+', 'COUNT', 1)
  if first[1] then
    local ms = tonumber(string.match(first[1][1], '^%d+'))
    if not oldest or ms < oldest then oldest = ms end
  end
end
if not oldest then return -1 end
local t = redis.call('TIME')
return t[1] * 1000 + math.floor(t[2] / 1000) - oldest
`;

/** KEYS prefix. ARGV stream. How many entries it has, and milliseconds since the first came; 0 when it has none. */
const streamScript = `
local first = redis.call('XRANGE', ARGV[1], '-', '+', 'COUNT', 1)
if not first[1] then return { 0, 0 } end
local t = redis.call('TIME')
local ms = t[1] * 1000 + math.floor(t[2] / 1000) - tonumber(string.match(first[1][1], '^%d+'))
return { redis.call('XLEN', ARGV[1]), ms }
`;

/** What waits in a stream: its entries, and the age of the oldest. */
export type StreamBacklog = { readonly entries: number; readonly oldestMs: number };

/** See the head of this file. */
export type Backlog = {
  /** Age of the oldest batch by lane, milliseconds; 0 when there is none. */
  readonly oldestMs: Readonly<Record<Lane, number>>;
  /** Packed bytes of batches that wait or are in hand. */
  readonly bytes: number;
  /** Outcomes that no recorder has committed yet. */
  readonly outcomes: StreamBacklog;
  /** Receipts that no recorder has committed yet. */
  readonly receipts: StreamBacklog;
  /** Entries that nobody could read. */
  readonly aside: number;
};

/** Nothing waits. */
export const noBacklog: Backlog = {
  oldestMs: { alert: 0, information: 0 },
  bytes: 0,
  outcomes: { entries: 0, oldestMs: 0 },
  receipts: { entries: 0, oldestMs: 0 },
  aside: 0,
};

/** Those of `carriers` of which batches wait, or are in hand. */
export async function carriersWithWork(redis: RedisConnection, carriers: readonly string[]): Promise<string[]> {
  const works = await Promise.all(
    carriers.map(async (carrier) => {
      const { schedule, held, waiting } = carrierKeys(carrier);
      // Batches of paused campaigns are in no schedule, and some that are only to be settled have no bytes.
      if (Number(await redis.get(waiting)) > 0) return true;
      return (await redis.exists([...lanes.map(schedule), held])) > 0;
    }),
  );
  return carriers.filter((_, at) => works[at]);
}

/** Asks for one carrier's backlog. */
export class BacklogReader {
  readonly #redis: RedisConnection;
  readonly #oldest: Script;
  readonly #stream: Script;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
    this.#oldest = script(redis, oldestScript);
    this.#stream = script(redis, streamScript);
  }

  /** What waits for `carrier` now. */
  async read(carrier: string): Promise<Backlog> {
    const keys = carrierKeys(carrier);
    const ages = lanes.map(async (lane) => Math.max(0, Number(await this.#oldest(keys.prefix, lane, campaignsMax))));
    const [alert = 0, information = 0] = await Promise.all(ages);
    const [bytes, outcomes, receipts, aside] = await Promise.all([
      this.#redis.get(keys.waiting),
      this.#waiting(keys.prefix, keys.outcomes),
      this.#waiting(keys.prefix, keys.receipts),
      this.#redis.xlen(keys.aside),
    ]);
    return { oldestMs: { alert, information }, bytes: Math.max(0, Number(bytes)), outcomes, receipts, aside };
  }

  async #waiting(prefix: string, stream: string): Promise<StreamBacklog> {
    const [entries, oldestMs] = (await this.#stream(prefix, stream)) as [number, number];
    return { entries, oldestMs: Math.max(0, oldestMs) };
  }
}
