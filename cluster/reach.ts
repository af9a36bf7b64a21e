/** How far workers can have got with a carrier, for whoever restores what Redis lost. Pure. */
import type { CarrierSettings } from '../config/carriers.ts';
import type { Settings } from '../config/schema.ts';
import { accountOf } from '../src/account.ts';
import type { CarrierReach } from '../src/record/restore.ts';
import { segmentsAhead, takeCount } from '../src/send/feeder.ts';

/**
 * What workers can have sent since the last outcome that is recorded: the contract's rate, and what all of them
 * together may have in hand (see `src/send/feeder.ts`). A carrier that is not configured any more bounds nothing.
 */
export function reachOf(carrier: CarrierSettings | undefined, settings: Settings): CarrierReach {
  if (carrier === undefined) return { ratePerSecond: 0, recipientsInHandsMax: Number.POSITIVE_INFINITY };
  const { ratePerSecond, binds, window } = carrier;
  const segmentsInHandsMax = segmentsAhead({ windowTotal: binds * window, ratePerSecond }, settings.secondsAheadMax);
  // Each worker has a slot, and may have taken a few batches more than it wanted.
  const recipientsInHandsMax = binds * window + segmentsInHandsMax + binds * takeCount * settings.batchRecipientsMax;
  return { ratePerSecond, recipientsInHandsMax };
}

/**
 * `reachOf` by name; `accounts` are the carriers of the file. A shard is bounded by its account: what was sent by its
 * name may have been sent when the account was divided otherwise.
 */
export function reachesOf(accounts: readonly CarrierSettings[], settings: Settings): (carrier: string) => CarrierReach {
  const known = new Map(accounts.map((carrier) => [carrier.name, carrier]));
  return (carrier) => reachOf(known.get(accountOf(carrier)), settings);
}
