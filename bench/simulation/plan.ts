/**
 * What is simulated: contracts, organisations with their campaigns, an alert, and what befalls the workers when. Pure.
 */
import type { Contract } from './carrier.ts';

/** Times in milliseconds of virtual time. */
export type Timeline = {
  /** Workers start one after another from here on, for so long. */
  readonly joinFromMs: number;
  readonly joinForMs: number;
  readonly killAtMs: number;
  readonly freezeAtMs: number;
  readonly thawAtMs: number;
  readonly alertAtMs: number;
  readonly rollFromMs: number;
  /** So long from one group's stop to the next one's. */
  readonly rollEveryMs: number;
  readonly endMs: number;
};

/** How much of it all. */
export type Plan = {
  readonly workers: number;
  readonly killed: number;
  readonly frozen: number;
  /** Workers that are restarted together. */
  readonly rolledTogether: number;
  readonly organisations: number;
  readonly alertRecipients: number;
  readonly contracts: readonly Contract[];
  readonly timeline: Timeline;
  readonly leases: { readonly slotLeaseMs: number; readonly batchLeaseMs: number };
};

/** Weights of organisations, by turns. */
export const weights = [1, 1, 2, 3, 5] as const;

/** A share of a campaign on one carrier: recipients `first` to `first + count - 1` of all. */
export type Share = {
  readonly organisation: number;
  readonly campaign: string;
  readonly carrier: number;
  readonly weight: number;
  readonly isAlert: boolean;
  readonly first: number;
  readonly count: number;
};

/** 400 binds of a country's contracts; their rates come from `ratePerBind`. */
const country: readonly Omit<Contract, 'ratePerSecond'>[] = [
  { name: 'azur.0', binds: 60, roundTripMs: 60, window: 25 },
  { name: 'azur.1', binds: 60, roundTripMs: 60, window: 25 },
  { name: 'brume.0', binds: 50, roundTripMs: 90, window: 30 },
  { name: 'brume.1', binds: 50, roundTripMs: 90, window: 30 },
  { name: 'cime', binds: 60, roundTripMs: 40, window: 20 },
  { name: 'dune', binds: 50, roundTripMs: 120, window: 30 },
  { name: 'ecume', binds: 40, roundTripMs: 50, window: 20 },
  { name: 'falaise', binds: 30, roundTripMs: 150, window: 40 },
];
/** The same for a test. */
const region: readonly Omit<Contract, 'ratePerSecond'>[] = [
  { name: 'azur', binds: 10, roundTripMs: 60, window: 25 },
  { name: 'brume', binds: 7, roundTripMs: 90, window: 20 },
];

/** Leases of the story: those of the defaults, and short ones for a test. */
const leases = {
  full: { slotLeaseMs: 6_000, batchLeaseMs: 10_000 },
  small: { slotLeaseMs: 2_000, batchLeaseMs: 3_000 },
};

/** A story of `workers` on 400 binds, or of a few on 17. */
export function planOf(values: {
  readonly workers: number;
  readonly organisations: number;
  readonly ratePerBind: number;
  readonly isSmall: boolean;
}): Plan {
  const { workers, organisations, ratePerBind, isSmall } = values;
  const contracts = isSmall ? region : country;
  const binds = contracts.reduce((sum, contract) => sum + contract.binds, 0);
  return {
    workers,
    killed: Math.ceil(workers / 10),
    frozen: Math.ceil(workers / 5),
    rolledTogether: Math.ceil(workers / 20),
    organisations,
    // Two and a half seconds of everything.
    alertRecipients: 2.5 * binds * ratePerBind,
    contracts: contracts.map((contract) => ({ ...contract, ratePerSecond: contract.binds * ratePerBind })),
    timeline: isSmall ? shortTimeline : timeline,
    leases: isSmall ? leases.small : leases.full,
  };
}

const timeline: Timeline = {
  joinFromMs: 1_000,
  joinForMs: 2_000,
  killAtMs: 7_000,
  freezeAtMs: 18_000,
  thawAtMs: 30_000,
  alertAtMs: 38_000,
  rollFromMs: 42_000,
  rollEveryMs: 750,
  endMs: 60_000,
};

const shortTimeline: Timeline = {
  joinFromMs: 300,
  joinForMs: 700,
  killAtMs: 3_000,
  freezeAtMs: 8_000,
  thawAtMs: 12_000,
  alertAtMs: 15_000,
  rollFromMs: 18_500,
  rollEveryMs: 800,
  endMs: 24_000,
};

/**
 * Campaigns of all organisations on all carriers, in proportion to weights and contracts, so much that some waits to
 * the end; then the alert's shares. Every share is a multiple of `multiple`.
 */
export function sharesOf({ organisations, contracts, timeline, alertRecipients }: Plan, multiple: number): Share[] {
  const shares: Share[] = [];
  let first = 0;
  const add = (share: Omit<Share, 'first' | 'count'>, wanted: number) => {
    const count = Math.ceil(wanted / multiple) * multiple;
    shares.push({ ...share, first, count });
    first += count;
  };
  const weightOf = (organisation: number) => weights[organisation % weights.length] ?? 1;
  let weightSum = 0;
  for (let organisation = 0; organisation < organisations; organisation++) weightSum += weightOf(organisation);
  const seconds = timeline.endMs / 1000;
  for (let organisation = 0; organisation < organisations; organisation++) {
    const weight = weightOf(organisation);
    for (const [carrier, { ratePerSecond }] of contracts.entries())
      add(
        { organisation, campaign: String(1_000 + organisation), carrier, weight, isAlert: false },
        (ratePerSecond * seconds * weight) / weightSum,
      );
  }
  const rates = contracts.reduce((sum, { ratePerSecond }) => sum + ratePerSecond, 0);
  for (const [carrier, { ratePerSecond }] of contracts.entries())
    add(
      { organisation: organisations, campaign: '9000', carrier, weight: 1, isAlert: true },
      (alertRecipients * ratePerSecond) / rates,
    );
  return shares;
}
