/**
 * What campaigns say to whom, remembered for previews. API process. None of it changes once a campaign was created, so
 * a preview that is asked for again, while its author changes lists and residents, reads only those.
 */
import type { RecipientField } from '../db/audience.ts';
import { type CampaignTexts, readCampaignTexts } from '../db/campaigns.ts';
import { fieldsOf } from '../db/plan.ts';
import type { Id } from '../handoff.ts';
import type { Tenant } from './authentication.ts';

/** A campaign's texts, with what follows from them. */
export type KnownTexts = Pick<CampaignTexts, 'audience' | 'contents'> & {
  /** The default first. */
  readonly languages: readonly string[];
  readonly fields: readonly RecipientField[];
};

/** Campaigns that are remembered. Each has at most 20 texts of 5,000 characters. */
const knownMax = 100;

/** Campaigns' texts as their organisations see them. One per process. */
export class CampaignTextsByTenant {
  private readonly known = new Map<string, KnownTexts>();

  /** The texts of a campaign of this organisation, or undefined. */
  async read({ organisation, scoped }: Tenant, id: Id): Promise<KnownTexts | undefined> {
    const key = `${organisation} ${id}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const texts = await readCampaignTexts(scoped.run, id);
    if (texts === undefined) return undefined;
    const { audience, contents, defaultLanguage } = texts;
    const others = Object.keys(contents).filter((language) => language !== defaultLanguage);
    const found = { audience, contents, languages: [defaultLanguage, ...others], fields: fieldsOf(contents) };
    this.remember(key, found);
    return found;
  }

  /** In order of reading, so that the first is the oldest. */
  private remember(key: string, texts: KnownTexts): void {
    const oldest = this.known.size >= knownMax ? this.known.keys().next().value : undefined;
    if (oldest !== undefined) this.known.delete(oldest);
    this.known.set(key, texts);
  }
}
