/**
 * Campaign contents of one carrier: fetched once per worker, kept until the bound is reached, oldest use
 * first. Runs on the worker's main thread.
 */
import { Fault } from '../fault.ts';
import type { CampaignContent, Id } from '../handoff.ts';

/** A bounded store of contents over a fetcher. */
export class ContentCache {
  readonly #fetch: (campaign: Id) => Promise<string | undefined>;
  readonly #contentsMax: number;
  readonly #contents = new Map<Id, Promise<CampaignContent>>();

  /** Keeps at most `contentsMax` contents. */
  constructor(fetch: (campaign: Id) => Promise<string | undefined>, contentsMax: number) {
    this.#fetch = fetch;
    this.#contentsMax = contentsMax;
  }

  /**
   * The content of a campaign.
   * @throws Fault `unreadable` when there is none, or none that can be read.
   */
  async get(campaign: Id): Promise<CampaignContent> {
    const known = this.#contents.get(campaign);
    const content = known ?? this.#load(campaign);
    this.#contents.delete(campaign);
    this.#contents.set(campaign, content);
    if (this.#contents.size > this.#contentsMax) {
      const oldest = this.#contents.keys().next();
      if (oldest.done === false) this.#contents.delete(oldest.value);
    }
    try {
      return await content;
    } catch (error) {
      this.#contents.delete(campaign);
      throw error;
    }
  }

  async #load(campaign: Id): Promise<CampaignContent> {
    const json = await this.#fetch(campaign);
    if (json === undefined) throw new Fault('unreadable', `the content of campaign ${campaign} is not in Redis`);
    try {
      return JSON.parse(json) as CampaignContent;
    } catch (cause) {
      throw new Fault('unreadable', `the content of campaign ${campaign} is not JSON`, { cause });
    }
  }
}
