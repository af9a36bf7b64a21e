/** `tocsin status`: what lives, what waits, who holds what. */
import { byAccount, isShard, otherNames } from '../../src/account.ts';
import { readRecordOverview, type RecordOverview } from '../../src/db/overview.ts';
import { isFault } from '../../src/fault.ts';
import { lanes } from '../../src/handoff.ts';
import { carriersWithWork } from '../../src/stream/backlog.ts';
import { readCarrierOverview, readCommandsWaiting } from '../../src/stream/overview.ts';
import { type Presence, readPresences } from '../../src/stream/presence.ts';
import { requiredShards } from '../required.ts';
import { wordsOf } from '../words.ts';
import { type Command, pause, type Result, secondsOf, type Surroundings, usage } from './command.ts';
import { withDatabase, withRedis } from './connections.ts';
import { statusLines } from './status-text.ts';

/** All that a status says; the object of --json. */
export type Status = {
  readonly processes: readonly Presence[];
  /** Shards, where a carrier is divided. */
  readonly carriers: readonly CarrierStatus[];
  /** Carriers that are divided. */
  readonly accounts: readonly AccountStatus[];
  /** Commands that no planner has taken. */
  readonly commandsWaiting: number;
  /** `absent`: DATABASE_URL is not set. `away`: it does not answer; then what it knows is null. */
  readonly database: 'here' | 'absent' | 'away';
  /** Why it is away. */
  readonly databaseFault: string | null;
  readonly campaigns: RecordOverview['campaigns'] | null;
};

/** What a status says of a carrier. */
export type CarrierStatus = Awaited<ReturnType<typeof readCarrierOverview>> & {
  readonly contract: { readonly binds: number; readonly ratePerSecond: number; readonly window: number };
  readonly freeSlots: number;
  readonly bindsUp: number;
  /** Of a shard nobody knows the two; its account has them. */
  readonly orphans: number | null;
  readonly pending: Pending | null;
};

/** Recipients without an outcome, by nature. */
type Pending = { readonly alert: number; readonly information: number };

/** What a status says of a carrier that is divided, beside what its shards say. */
export type AccountStatus = {
  readonly account: string;
  readonly shards: readonly string[];
  readonly orphans: number | null;
  readonly pending: Pending | null;
};

const watchSeconds = 2;

/** See the head of this file. */
export const statusCommand: Command = {
  name: 'status',
  takes: [],
  summary: 'what lives, what waits, and who holds what',
  help: `
Processes that live, and by carrier: its lanes (campaigns with something to take, batches that wait or are in hand,
recipients without an outcome, age of the oldest batch), slots, binds, what waits to be recorded (entries of outcomes
and receipts), orphans, and entries that were set aside. Of a carrier that is divided each shard is told, and what only
the account has; also names that it had before, while something waits under them. Needs REDIS_URL and TOCSIN_CARRIERS;
without DATABASE_URL recipients, orphans and campaigns are left out. Exit code 1 when a server does not answer.
  --watch            again every ${watchSeconds} seconds, until Ctrl-C
  --every SECONDS    as --watch, with another pause
JSON: {"processes", "carriers", "accounts", "commandsWaiting", "database": "here" | "absent" | "away",
       "databaseFault", "campaigns"}`,
  options: { watch: { type: 'boolean' }, every: { type: 'string' } },
  async run(args, surroundings) {
    const isWatch = args.values['watch'] === true || args.values['every'] !== undefined;
    if (!isWatch) return await told(surroundings);
    if (args.values['json'] === true) throw usage('--json prints one object, so it does not go with --watch');
    const everyMs = secondsOf(args, 'every', watchSeconds) * 1000;
    for (;;) {
      const result = await told(surroundings, clearScreen);
      await pause(everyMs, surroundings.signal);
      if (surroundings.signal.aborted) return result;
    }
  },
};

/** Erases the screen and goes to its beginning (ECMA-48), where there is one. */
const clearScreen = process.stdout.isTTY ? '\u001b[2J\u001b[H' : '\n';

async function told(surroundings: Surroundings, before = ''): Promise<Result> {
  const status = await readStatus(surroundings);
  surroundings.say(before + statusLines(status, Date.now()).join('\n'));
  return { exitCode: status.database === 'away' ? 1 : 0, json: status };
}

async function readStatus(surroundings: Surroundings): Promise<Status> {
  const shards = requiredShards(surroundings.settings);
  const accounts = byAccount(shards.map(({ name }) => name));
  const [known, record] = await Promise.all([
    withRedis(surroundings, async (redis) => {
      const others = [...accounts].flatMap(([account, names]) => otherNames(account, names));
      const names = [...accounts.values(), await carriersWithWork(redis, others)].flat();
      return {
        processes: await readPresences(redis),
        overviews: await Promise.all(names.map((name) => readCarrierOverview(redis, name))),
        commandsWaiting: await readCommandsWaiting(redis),
      };
    }),
    readRecord(surroundings),
  ]);
  const { processes, overviews, commandsWaiting } = known;
  return {
    processes,
    carriers: overviews.map((overview) => {
      const settings = shards.find(({ name }) => name === overview.carrier) ?? noContract;
      return carrierStatus(overview, settings, processes, recordOf(record, overview.carrier));
    }),
    accounts: [...accounts].flatMap(([account, names]) =>
      names.length > 1 ? [{ account, shards: names, ...recordOf(record, account) }] : [],
    ),
    commandsWaiting,
    ...('database' in record
      ? { database: record.database, databaseFault: record.databaseFault, campaigns: null }
      : { database: 'here', databaseFault: null, campaigns: record.campaigns }),
  };
}

/** What PostgreSQL knows, or why it is not known. */
type Unknown = { readonly database: 'absent' | 'away'; readonly databaseFault: string | null };

async function readRecord(surroundings: Surroundings): Promise<RecordOverview | Unknown> {
  if (surroundings.settings.databaseUrl === undefined) return { database: 'absent', databaseFault: null };
  try {
    return await withDatabase(surroundings, ({ pool }) => readRecordOverview(pool));
  } catch (error) {
    if (isFault(error, 'postgres')) return { database: 'away', databaseFault: wordsOf(error) };
    throw error;
  }
}

/** Of a name that an account had before. */
const noContract = { binds: 0, ratePerSecond: 0, window: 0 };

/** What PostgreSQL knows of an account; nothing of a shard. */
function recordOf(record: RecordOverview | Unknown, account: string): Pick<CarrierStatus, 'orphans' | 'pending'> {
  if ('database' in record || isShard(account)) return { orphans: null, pending: null };
  const pendingOf = (nature: (typeof lanes)[number]) =>
    record.pending.find((row) => row.carrier === account && row.nature === nature)?.recipients ?? 0;
  return {
    orphans: record.orphans.find(({ carrier }) => carrier === account)?.count ?? 0,
    pending: { alert: pendingOf('alert'), information: pendingOf('information') },
  };
}

function carrierStatus(
  overview: Awaited<ReturnType<typeof readCarrierOverview>>,
  { binds, ratePerSecond, window }: CarrierStatus['contract'],
  processes: readonly Presence[],
  record: ReturnType<typeof recordOf>,
): CarrierStatus {
  const lines = processes.flatMap((process) => process.lines ?? []).filter((l) => l.carrier === overview.carrier);
  return {
    ...overview,
    contract: { binds, ratePerSecond, window },
    freeSlots: Math.max(0, binds - overview.slots.length),
    bindsUp: lines.reduce((sum, { bound }) => sum + bound, 0),
    ...record,
  };
}
