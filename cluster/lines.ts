/**
 * Everything that a worker has for one carrier, wired: consumer, contents, sender, intake, pool and the holder of
 * its slots. Main thread of the worker process.
 */
import type { RedisConnection } from '../src/stream/redis.ts';
import type { Carrier } from '../config/load.ts';
import type { Settings } from '../config/schema.ts';
import type { BindMeans } from '../src/carrier/bind.ts';
import { Pool } from '../src/carrier/pool.ts';
import type { Clock } from '../src/clock.ts';
import type { Encode, EncodeProfile, Lane } from '../src/handoff.ts';
import { Intake } from '../src/send/intake.ts';
import { Sender, type SenderParts } from '../src/send/sender.ts';
import { Consumer, type Reserving } from '../src/stream/consumer.ts';
import { ContentCache } from '../src/stream/content.ts';
import { carrierKeys } from '../src/stream/keys.ts';
import { Replicas } from '../src/stream/replica.ts';
import { carriersHeld, SlotLeases } from '../src/stream/slots.ts';
import { tellUp } from '../src/stream/standing.ts';
import { listenForWakes } from '../src/stream/wake.ts';
import type { Log } from '../src/telemetry.ts';
import type { Tracer } from '../src/tracing.ts';
import { LeasesAlone, OtherNames } from './division.ts';
import { type Leases, type SlotBinds, SlotHolder } from './lease.ts';

/** Contents that a worker keeps per carrier. */
const contentsMax = 2_000;

/** What all carriers of a worker share. */
export type WorkerParts = {
  readonly worker: string;
  readonly settings: Settings;
  /** Role `command`. */
  readonly redis: RedisConnection;
  /** Role `command`, for reservations alone: whatever shares it waits for the replica too. `redis` when absent. */
  readonly reserving?: RedisConnection;
  /** Role `subscribing`. */
  readonly subscribing: RedisConnection;
  readonly encode: Encode;
  /** Hears that the operator said something of a carrier. */
  readonly standingTold?: () => void;
  /** Hears of samples of carriers' response times. */
  readonly responded?: (carrier: string, ms: number) => void;
  /** Hears of connections to carriers that ended. */
  readonly closed?: (carrier: string, reason: string) => void;
  /** Hears how long after its launch the first segment of a campaign was written. */
  readonly firstSubmitted?: (lane: Lane, ms: number) => void;
  /** Where on the circle of workers a carrier's spare slots begin; see `turnOf` of src/stream/slots.ts. */
  readonly turnOf?: (carrier: string) => string;
  /** Names that a carrier's account has or had if it was divided otherwise; see `LeasesAlone`. None when absent. */
  readonly otherNamesOf?: (carrier: string) => readonly string[];
  /** Sockets, when absent. */
  readonly means?: BindMeans;
  /** Nothing is traced when absent. */
  readonly tracer?: Tracer;
  readonly clock: Clock;
  readonly log: Log;
};

/** A worker's lines to one carrier. */
export type Lines = {
  readonly carrier: Carrier;
  readonly pool: Pool;
  readonly sender: Sender;
  readonly intake: Intake;
  readonly holder: SlotHolder;
  start(): Promise<void>;
  /** Stops reading, lets windows empty, unbinds, records what came and gives back what did not go. */
  stop(deadlineMs: number): Promise<void>;
};

/** Wires the lines to `carrier`; nothing runs before `start`. */
export function createLines(carrier: Carrier, parts: WorkerParts): Lines {
  const { settings, redis, subscribing, clock } = parts;
  const log = parts.log.with({ carrier: carrier.name });
  const consumer = consumerOf(carrier.name, parts);
  const intake = new Intake(consumer, carrier.messageId, clock, log);
  const pool: Pool = new Pool(
    { ...carrier, ratePerSecond: carrier.ratePerSecond / carrier.binds },
    settings.alertWindowShare,
    { next: (room) => sender.next(room) },
    {
      answered: (bind, ticket, status, messageId) => sender.answers.answered(bind, ticket, status, messageId),
      lost: (ticket) => sender.answers.lost(ticket),
      overdue: (bind, ticket) => sender.answers.overdue(bind, ticket),
      responded: (ms) => parts.responded?.(carrier.name, ms),
      delivered: (answer, sequence, buffer, start, end) => intake.delivered(answer, sequence, buffer, start, end),
      bound: () => sender.bound(),
      closed: (reason) => parts.closed?.(carrier.name, reason),
    },
    clock,
    log,
    parts.means,
  );
  const sender: Sender = senderOf(carrier, consumer, pool, parts);
  const binds = slotBinds(carrier.name, pool, sender, redis, log);
  const holder = new SlotHolder(leasesOf(carrier, parts, log), binds, settings.slotLeaseMs, clock, log);
  let hearNoMore: () => void = () => undefined;
  return {
    carrier,
    pool,
    sender,
    intake,
    holder,
    async start() {
      hearNoMore = await listenForWakes(subscribing, carrier.name, (wake) => {
        if (wake.kind === 'take') sender.wake();
        else if (wake.kind === 'claim') void sender.claim();
        else if (wake.kind === 'slots') void holder.renew();
        else if (wake.kind === 'standing') parts.standingTold?.();
        else sender.setState(wake.campaign, wake.state);
      });
      await holder.start();
      sender.start();
    },
    async stop(deadlineMs) {
      sender.stopSending();
      await holder.stop(deadlineMs);
      await Promise.all([sender.finish(), intake.finish()]);
      hearNoMore();
    },
  };
}

/** Streams of a carrier, for this worker. */
export function consumerOf(carrier: string, parts: WorkerParts): Consumer {
  const { redis, worker, settings } = parts;
  return new Consumer(redis, carrier, worker, settings.batchLeaseMs, reservingOf(carrier, parts));
}

/** A sender that takes from `consumer` what `binds` can use. */
export function senderOf(
  carrier: Carrier,
  consumer: Consumer,
  binds: SenderParts['binds'],
  { settings, encode, clock, tracer, firstSubmitted, log }: WorkerParts,
): Sender {
  const contents = new ContentCache((campaign) => consumer.content(campaign), contentsMax);
  const ownLog = log.with({ carrier: carrier.name });
  return new Sender(
    { consumer, contents, encode, binds, clock, log: ownLog, firstSubmitted, tracer },
    { ...settings, profile: profileOf(carrier), messageId: carrier.messageId, window: carrier.window },
  );
}

/** What the holder of slots does with binds. */
function slotBinds(carrier: string, pool: Pool, sender: Sender, redis: RedisConnection, log: Log): SlotBinds {
  return {
    open: (slot) => pool.open(slot),
    async close(slot, deadlineMs) {
      await pool.close(slot, deadlineMs);
      if (pool.slots.length === 0) sender.leaveToOthers();
    },
    abandon: (slot) => pool.abandon(slot),
    trust(untilMs) {
      pool.trust(untilMs);
      // With every renewal planners hear that the carrier can be sent to; one that they miss does no harm.
      if (pool.boundCount > 0) tellUp(redis, carrier).catch((error: unknown) => log.warn('up.not-told', {}, error));
    },
  };
}

function leasesOf({ name, binds }: Carrier, parts: WorkerParts, log: Log): Leases {
  const { redis, worker, settings, turnOf, otherNamesOf, clock } = parts;
  const leaseMs = settings.slotLeaseMs;
  const leases = new SlotLeases(redis, name, worker, leaseMs, binds, turnOf?.(name));
  const isHeld = async (other: string) => (await carriersHeld(redis, [other])).length > 0;
  const others = new OtherNames({ names: otherNamesOf?.(name) ?? [], isHeld, leaseMs, clock });
  return new LeasesAlone(leases, () => others.held(), log);
}

function reservingOf(name: string, { redis, reserving = redis, clock, log }: WorkerParts): Reserving {
  const replicas = new Replicas(reserving, carrierKeys(name).prefix, clock, log);
  return { redis: reserving, reached: (write) => replicas.reached(write) };
}

function profileOf(carrier: Carrier): EncodeProfile {
  const { sourceTon, sourceNpi, destinationTon, destinationNpi, serviceType } = carrier;
  const { defaultAlphabet, longMessages, receipts, segmentsMax } = carrier;
  return {
    sourceTon,
    sourceNpi,
    destinationTon,
    destinationNpi,
    serviceType,
    defaultAlphabet,
    longMessages,
    receipts,
    segmentsMax,
  };
}

/** What readiness goes by, of the lines to one carrier. */
type Standing = {
  readonly carrier: { readonly name: string };
  readonly pool: { readonly slots: readonly unknown[]; readonly boundCount: number };
};

/**
 * Why a worker is not ready, by carrier: it holds slots and has no bind anywhere. With one carrier of several away it
 * is ready all the same, or no new version could be rolled out until that carrier is back.
 */
export function unbound(lines: readonly Standing[]): Record<string, string> {
  const holding = lines.filter(({ pool }) => pool.slots.length > 0);
  if (holding.some(({ pool }) => pool.boundCount > 0)) return {};
  return Object.fromEntries(holding.map(({ carrier }) => [carrier.name, 'no bind']));
}
