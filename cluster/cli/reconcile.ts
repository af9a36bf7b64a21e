/** `tocsin reconcile`: what Redis lacks of what PostgreSQL knows, and puts it there. */
import { hostname } from 'node:os';
import { shardsOf } from '../../config/shards.ts';
import { systemClock } from '../../src/clock.ts';
import type { Database } from '../../src/db/client.ts';
import type { LostShare } from '../../src/db/reconcile.ts';
import { compare, type Comparison, reconcile, type ReconcilerOptions } from '../../src/record/reconcile.ts';
import { Stranded } from '../../src/record/stranded.ts';
import { StreamConveyor } from '../../src/stream/conveyor.ts';
import { Producer } from '../../src/stream/producer.ts';
import type { RedisConnection } from '../../src/stream/redis.ts';
import { silentLog } from '../../src/telemetry.ts';
import { reachesOf } from '../reach.ts';
import { requiredCarriers } from '../required.ts';
import { type Command, pause, type Result, type Surroundings } from './command.ts';
import { withDatabase, withRedis } from './connections.ts';

/** What still moves is not stranded: pause between two looks, as recorders have it. */
const lookAgainMs = 2_000;

/** See the head of this file. */
export const reconcileCommand: Command = {
  name: 'reconcile',
  takes: [],
  summary: 'compare Redis with PostgreSQL now, and restore what is missing',
  help: `
Recorders do this by themselves every two seconds, so there is rarely anything to find; take it to see, or where no
recorder runs. What Redis lost goes in again: alerts that are not recorded, and information that cannot have been sent;
information that may have been sent becomes unknown. Takes some seconds: a campaign whose batches are gone
counts as stranded only when it did not move between two looks. Needs DATABASE_URL, REDIS_URL and TOCSIN_CARRIERS.
  --dry-run          only compares; exit code 1 when something is missing
JSON: {"data": "good" | "lost" | "restoring" | "unnamed", "lost": [{"campaign", "carrier", "from", "through"}],
       "stranded": […], "result": "good" | "restored" | "elsewhere" | null}`,
  options: { 'dry-run': { type: 'boolean' } },
  async run(args, surroundings) {
    const isDry = args.values['dry-run'] === true;
    return await withDatabase(surroundings, (database) =>
      withRedis(surroundings, (redis) => look(partsOf(surroundings, database, redis), isDry, surroundings)),
    );
  },
};

function partsOf({ settings }: Surroundings, database: Database, redis: RedisConnection): ReconcilerOptions {
  const accounts = requiredCarriers(settings);
  return {
    owner: `command-${hostname()}-${process.pid}`,
    database,
    conveyor: new StreamConveyor(redis),
    carriers: accounts.flatMap(shardsOf).map((shard) => shard.name),
    enqueue: new Producer(redis, settings.waitingBytesMax, systemClock, silentLog),
    reachOf: reachesOf(accounts, settings),
    leaseMs: settings.recorderLeaseMs,
    clock: systemClock,
    log: silentLog,
  };
}

async function look(parts: ReconcilerOptions, isDry: boolean, { say, signal }: Surroundings): Promise<Result> {
  const stranded = new Stranded();
  let found = await compare(parts, stranded);
  if (found.data === 'good' && found.lost.length === 0) {
    await pause(lookAgainMs, signal);
    found = await compare(parts, stranded);
  }
  say(dataText[found.data]);
  for (const share of found.lost) say(`lost: ${shareText(share)}`);
  for (const share of found.stranded) say(`stranded: ${shareText(share)}`);
  const result = isDry || signal.aborted ? null : await reconcile(parts, signal, stranded);
  if (result !== null) say(resultText[result]);
  const isMissing = found.data === 'lost' || found.lost.length + found.stranded.length > 0;
  const isWell = result === null ? !isMissing : result !== 'elsewhere';
  const { data, lost } = found;
  return {
    exitCode: isWell ? 0 : 1,
    json: { data, lost: lost.map(shareOf), stranded: found.stranded.map(shareOf), result },
  };
}

const dataText: Readonly<Record<Comparison['data'], string>> = {
  good: 'Redis has the data that PostgreSQL knows',
  lost: 'Redis has lost its data: every open campaign is compared',
  restoring: 'Redis had lost its data, and a recorder restores it',
  unnamed: 'nobody has compared them before: whatever is in Redis is taken for good',
};

const resultText = {
  good: 'nothing is missing',
  restored: 'restored',
  elsewhere: 'another process restores at the moment',
} as const;

function shareOf({ campaign, carrier, from, through }: LostShare) {
  return { campaign: campaign.id, carrier, from, through };
}

function shareText({ campaign, carrier, from, through }: LostShare): string {
  return `campaign ${campaign.id} at ${carrier}, batches ${from} to ${through}`;
}
