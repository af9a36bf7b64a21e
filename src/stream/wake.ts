/**
 * Signals of one carrier to its workers: something to take, a campaign paused, resumed or cancelled, or a word of the
 * operator on the carrier.
 * A signal may be lost with its connection; whoever listens must also look by itself now and then.
 */
import type { CampaignState, Id } from '../handoff.ts';
import { carrierKeys } from './keys.ts';
import type { RedisConnection } from './redis.ts';

/** What a worker is told. */
export type Wake =
  | { readonly kind: 'take' }
  /** A batch was given back. */
  | { readonly kind: 'claim' }
  | { readonly kind: 'slots' }
  /** The operator said something of the carrier. */
  | { readonly kind: 'standing' }
  | { readonly kind: 'state'; readonly campaign: Id; readonly state: CampaignState };

const states: Readonly<Record<string, CampaignState>> = { pause: 'paused', resume: 'active', cancel: 'cancelled' };

/**
 * Calls `onWake` for each signal of `carrier` on a connection of the role `subscribing`, until the function that it
 * resolves with is called.
 */
export async function listenForWakes(
  redis: RedisConnection,
  carrier: string,
  onWake: (wake: Wake) => void,
): Promise<() => void> {
  const channel = carrierKeys(carrier).wake;
  const onMessage = (from: string, message: string) => {
    if (from !== channel) return;
    const [verb = '', campaign = ''] = message.split(' ');
    const state = states[verb];
    if (state !== undefined) onWake({ kind: 'state', campaign, state });
    else if (verb === 'take' || verb === 'claim' || verb === 'slots' || verb === 'standing') onWake({ kind: verb });
  };
  redis.on('message', onMessage);
  await redis.subscribe(channel);
  return () => redis.off('message', onMessage);
}
