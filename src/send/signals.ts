/**
 * States of campaigns as they were signalled to a worker, so that an older answer of Redis, which comes over another
 * connection, never undoes a newer signal. Pure.
 */
import type { CampaignState, Id } from '../handoff.ts';

/** Campaigns remembered at most; far more than can be signalled while one answer is on its way. */
const campaignsMax = 10_000;

/** The latest signals of one carrier. */
export class Signals {
  #heard = 0;
  readonly #latest = new Map<Id, { readonly state: CampaignState; readonly at: number }>();

  /** Takes note of a signal. */
  hear(campaign: Id, state: CampaignState): void {
    this.#heard++;
    this.#latest.delete(campaign);
    this.#latest.set(campaign, { state, at: this.#heard });
    if (this.#latest.size <= campaignsMax) return;
    const oldest = this.#latest.keys().next();
    if (oldest.done === false) this.#latest.delete(oldest.value);
  }

  /** The present moment, to be remembered with a question to Redis. */
  get moment(): number {
    return this.#heard;
  }

  /** The newest that is known, when Redis was asked at `moment` and said `state`. */
  newest(campaign: Id, state: CampaignState, moment: number): CampaignState {
    const signal = this.#latest.get(campaign);
    return signal !== undefined && signal.at > moment ? signal.state : state;
  }
}
