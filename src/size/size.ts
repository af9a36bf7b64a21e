/**
 * From a deadline and contracts to processes, Redis, PostgreSQL and network. Plain formulas over the figures of
 * measured.ts; README "Sizing" in k8s/ shows what they give. Nothing here knows a machine: CPU is in cores of the kind
 * that the figures were measured on. Pure.
 */
import { batchRecipients } from '../plan/capacity.ts';
import { type Capability, capabilityOf, type Contract } from './contract.ts';
import { measured } from './measured.ts';

/** What is wanted. */
export type Need = {
  readonly recipients: number;
  readonly deadlineSeconds: number;
  /** Mean number of segments of a message. */
  readonly segments: number;
  readonly contracts: readonly Contract[];
  /** Texts with variables. */
  readonly isPersonalised: boolean;
  /** Campaigns of this size in a month, and months that are kept. */
  readonly campaignsPerMonth: number;
  readonly monthsKept: number;
};

/** How much of anything is used when all is as planned: what is over is for peaks, failures and growth. */
export const used = 0.6;

/** A crash takes away the slots of one worker for a lease; no worker has more than this part of them. */
const crashShare = 0.05;
/** Backlog of outcomes and receipts that Redis must hold: PostgreSQL may be away for so long (promise 4). */
const awaySeconds = 300;
/** Redis's copy on write while it rewrites its file, and fragmentation: memory of the machine ÷ data. */
const redisHeadroom = 2;
/** What an empty Redis, its connections and scripts take, bytes. */
const redisFixedBytes = 64 * 2 ** 20;
const blockBytes = 8192;

/** A contract with its share of the campaign. */
export type SizedContract = Contract &
  Capability & {
    /** Its share of the recipients when all carriers are to end together. */
    readonly recipients: number;
    readonly batchRecipients: number;
  };

/** What is needed. Rates are those of the time in which everything is sent. */
export type Size = {
  readonly totalSegments: number;
  /** Segments a second that the deadline asks for, and that the contracts carry together. */
  readonly neededPerSecond: number;
  readonly capablePerSecond: number;
  /** From the launch to the last submit_sm. */
  readonly seconds: number;
  readonly isInTime: boolean;
  /** What is short when it is not in time, as a factor of what the contracts carry: 1.5 is half as much again. */
  readonly shortBy: number;
  readonly bottleneck: string;
  readonly contracts: readonly SizedContract[];
  readonly slots: number;
  readonly workers: { readonly byCpu: number; readonly byCrash: number; readonly count: number };
  readonly recorders: number;
  readonly planners: number;
  readonly apis: number;
  /** Cores in use at the full rate, by process. */
  readonly cores: Readonly<Record<'worker' | 'recorder' | 'planner' | 'redis' | 'postgres', number>>;
  readonly redis: {
    readonly primaries: number;
    readonly scriptsPerSecond: number;
    /** Data of the fullest primary, and what its machine should have. */
    readonly dataBytes: number;
    readonly memoryBytes: number;
    readonly fileBytesPerSecond: number;
    readonly connectionsPerPrimary: number;
  };
  readonly postgres: {
    readonly cores: number;
    readonly walBytesPerSecond: number;
    readonly writesPerSecond: number;
    readonly campaignBytes: number;
    readonly keptBytes: number;
    readonly connections: number;
  };
  readonly network: {
    readonly carriersMegabits: number;
    readonly redisMegabits: number;
    readonly postgresMegabits: number;
  };
};

type Load = {
  readonly need: Need;
  readonly contracts: readonly SizedContract[];
  readonly perSecond: number;
  readonly messagesPerSecond: number;
  readonly batchesPerSecond: number;
  readonly workers: number;
};

/** See the head of this file. */
export function sizeOf(need: Need): Size {
  const totalSegments = need.recipients * need.segments;
  const neededPerSecond = totalSegments / need.deadlineSeconds;
  const contracts = sized(need);
  const perSecond = sum(contracts, ({ segmentsPerSecond }) => segmentsPerSecond);
  const slots = sum(contracts, ({ binds }) => binds);
  const messagesPerSecond = perSecond / need.segments;
  const batchesPerSecond = sum(contracts, (one) => one.segmentsPerSecond / need.segments / one.batchRecipients);
  const workerCores = cores(perSecond, batchesPerSecond, 'worker');
  const byCpu = Math.ceil(workerCores / used);
  const byCrash = Math.min(slots, Math.ceil(1 / crashShare));
  const workers = { byCpu, byCrash, count: Math.max(2, byCpu, byCrash) };
  const load = { need, contracts, perSecond, messagesPerSecond, batchesPerSecond, workers: workers.count };
  const recorderCores = cores(perSecond, batchesPerSecond, 'recorder');
  const recorders = Math.min(Math.max(2, contracts.length), Math.max(2, Math.ceil(recorderCores / used)));
  const plannerCores = cores(messagesPerSecond, batchesPerSecond, 'planner');
  const planners = Math.max(2, Math.ceil(plannerCores / used));
  const redis = redisOf(load);
  return {
    totalSegments,
    neededPerSecond,
    capablePerSecond: perSecond,
    seconds: totalSegments / perSecond,
    isInTime: perSecond >= neededPerSecond * (1 - 1e-9),
    shortBy: Math.max(1, neededPerSecond / perSecond),
    bottleneck: bottleneckOf(contracts, workers.byCpu > slots),
    contracts,
    slots,
    workers,
    recorders,
    planners,
    apis: 2,
    cores: {
      worker: workerCores,
      recorder: recorderCores,
      planner: plannerCores,
      redis: redisCores(load),
      postgres: postgresCores(load),
    },
    redis,
    postgres: postgresOf(load, recorders + planners + 2),
    network: networkOf(load),
  };
}

function sized({ recipients, contracts }: Need): SizedContract[] {
  const able = contracts.map((contract) => ({ ...contract, ...capabilityOf(contract) }));
  const all = sum(able, ({ segmentsPerSecond }) => segmentsPerSecond);
  return able.map((contract) => ({
    ...contract,
    recipients: (recipients * contract.segmentsPerSecond) / all,
    batchRecipients: batchRecipients(contract, measured.batchLimits),
  }));
}

/** Cores that a kind of process uses: what each segment costs, and what each batch does that is smaller than usual. */
function cores(
  perSecond: number,
  batchesPerSecond: number,
  role: 'worker' | 'recorder' | 'planner' | 'postgres',
): number {
  const { micros, batchMicros } = measured[role];
  const smaller = Math.max(0, batchesPerSecond - perSecond / measured.batchRecipients);
  return (perSecond * micros + smaller * batchMicros) * 1e-6;
}

/** Scripts of batches a second: taken, reserved, and recorded as often as answers of a slot have to be flushed. */
function batchScripts({ contracts, need }: Load): number {
  return sum(contracts, ({ segmentsPerSecond, binds, batchRecipients: size }) => {
    const segments = size * need.segments;
    const slotSeconds = segments / (segmentsPerSecond / binds);
    const flushes = 1 + Math.min(segments, slotSeconds / measured.flushSeconds);
    return (segmentsPerSecond / segments) * (measured.takesPerBatch + measured.reservationsPerBatch + flushes);
  });
}

/** Parts that lie on one Redis server each: carriers, or their shards. */
function shardsIn(contracts: readonly SizedContract[]): number {
  return sum(contracts, ({ shards = 1 }) => shards);
}

/** Renewals of slots: every worker of every shard, four times in a lease. */
function renewals({ contracts, workers }: Load): number {
  return (shardsIn(contracts) * workers) / (measured.slotLeaseSeconds / 4);
}

function redisCores(load: Load): number {
  const scripts = batchScripts(load) + renewals(load);
  return (load.perSecond * measured.redisMicros + scripts * measured.redisScriptMicros) * 1e-6;
}

function redisOf(load: Load): Size['redis'] {
  const { contracts, need, perSecond, batchesPerSecond, workers } = load;
  // All keys of one carrier, or of one shard of it, are on one server.
  const primaries = Math.min(shardsIn(contracts), Math.max(1, Math.ceil(redisCores(load) / used)));
  const fullest = Math.max(...contracts.map((one) => one.segmentsPerSecond / (one.shards ?? 1)));
  const share = Math.max(1 / primaries, fullest / perSecond);
  const waiting = sum(contracts, (one) => {
    const perRecipient = need.isPersonalised ? measured.waitingPersonalisedBytes : measured.waitingBytes;
    return one.recipients * (perRecipient + measured.waitingBatchBytes / one.batchRecipients);
  });
  // Of what was sent nothing waits any more, so the two do not add up to more than the larger.
  const unrecorded = Math.min(awaySeconds * perSecond, need.recipients * need.segments) * measured.unrecordedBytes;
  const dataBytes = redisFixedBytes + share * Math.max(waiting, unrecorded);
  return {
    primaries,
    scriptsPerSecond: batchScripts(load) + renewals(load),
    dataBytes,
    memoryBytes: dataBytes * redisHeadroom,
    fileBytesPerSecond: perSecond * measured.redisFileBytes + batchesPerSecond * measured.redisFileBatchBytes,
    connectionsPerPrimary: 3 * workers + 3 * 2 + 2 * 2 + 2 * 2,
  };
}

function postgresCores({ perSecond, batchesPerSecond }: Load): number {
  return cores(perSecond, batchesPerSecond, 'postgres');
}

function postgresOf(load: Load, processes: number): Size['postgres'] {
  const { need, contracts, perSecond, messagesPerSecond, batchesPerSecond } = load;
  const { recipientBytes, segmentBytes, batchBytes, walRecipientBytes, walSegmentBytes, walBatchBytes } = measured;
  const wal = messagesPerSecond * walRecipientBytes + perSecond * walSegmentBytes + batchesPerSecond * walBatchBytes;
  const pages = messagesPerSecond * recipientBytes + perSecond * segmentBytes + batchesPerSecond * batchBytes;
  const batches = sum(contracts, (one) => one.recipients / one.batchRecipients);
  const campaignBytes = need.recipients * (recipientBytes + need.segments * segmentBytes) + batches * batchBytes;
  return {
    cores: Math.ceil(postgresCores(load) / used),
    walBytesPerSecond: wal,
    writesPerSecond: (wal + pages) / blockBytes + measured.commitsPerSecond,
    campaignBytes,
    keptBytes: campaignBytes * need.campaignsPerMonth * need.monthsKept,
    connections: processes * measured.poolMax,
  };
}

function networkOf({ perSecond, need }: Load): Size['network'] {
  const megabits = (bytes: number) => (perSecond * bytes * 8) / 1e6;
  const perMessage = need.segments;
  return {
    carriersMegabits: megabits(measured.carrierOutBytes + measured.carrierInBytes),
    redisMegabits: megabits(measured.redisNetworkBytes),
    postgresMegabits: megabits(measured.segmentBytes + measured.recipientBytes / perMessage),
  };
}

/** What keeps the whole from being faster. */
function bottleneckOf(contracts: readonly SizedContract[], isCpu: boolean): string {
  const narrow = contracts.filter(({ limit }) => limit === 'window').map(({ name }) => name);
  if (narrow.length > 0) return `window of ${narrow.join(', ')}: too small for the rate at that round trip`;
  return isCpu ? 'CPU of workers: there are more needed than slots' : 'rate of the contracts';
}

function sum<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((total, one) => total + of(one), 0);
}
