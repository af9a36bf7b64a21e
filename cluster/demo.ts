/**
 * The demonstration: a town with its residents, and one campaign to them, all through the API as a user would do it.
 * Used by `all.ts` alone.
 */
import { Readable } from 'node:stream';
import { request } from 'undici';
import { Fault } from '../src/fault.ts';
import type { CampaignStatus, Progress } from '../src/handoff.ts';
import { demoCsv } from './demo-residents.ts';

/** Who the demonstration acts as. */
export type DemoOrganisation = { readonly organisation: string; readonly key: string };

/** What a campaign came to. */
export type DemoSummary = {
  readonly campaign: string;
  readonly planned: number;
  readonly submitted: number;
  readonly delivered: number;
  readonly failed: number;
  readonly unknown: number;
  readonly seconds: number;
  readonly perSecond: number;
};

/** Progress with the campaign's status, as the API gives it. */
export type DemoProgress = Progress & { readonly campaign: string; readonly status: CampaignStatus };

/** The campaign of the demonstration. */
const campaign = {
  name: 'Collecte des déchets décalée',
  nature: 'information',
  sender: 'VALMONT',
  audience: { all: true },
  defaultLanguage: 'fr',
  contents: {
    fr:
      'Bonjour {{firstName|voisin}}, la collecte des déchets de la {{street|commune}} est avancée à jeudi. ' +
      'Mairie de Valmont',
    en:
      'Hello {{firstName|neighbour}}, waste collection at {{street|your street}} moves to Thursday. ' +
      'Valmont town hall',
  },
  validitySeconds: 3_600,
};

type Call = {
  readonly method?: 'GET' | 'POST';
  readonly key: string;
  readonly json?: unknown;
  readonly csv?: Readable;
};

/** The API of the demonstration. */
export class Demo {
  readonly #origin: string;

  /** `origin`: the API's address, for example `http://127.0.0.1:8080`. */
  constructor(origin: string) {
    this.#origin = origin;
  }

  /** Creates the town, its key and its residents. */
  async createTown(platformKey: string): Promise<DemoOrganisation> {
    const town = await this.#call<{ id: string }>('/organisations', {
      method: 'POST',
      key: platformKey,
      json: { name: 'Valmont-sur-Lys' },
    });
    const { key } = await this.#call<{ key: string }>(`/organisations/${town.id}/keys`, {
      method: 'POST',
      key: platformKey,
      json: { name: 'demonstration' },
    });
    const report = await this.#call<{ created: number; refused: number }>('/residents/import', {
      method: 'POST',
      key,
      csv: Readable.from(demoCsv()),
    });
    if (report.refused > 0) throw new Fault('start', `${report.refused} residents of the demonstration were refused`);
    return { organisation: town.id, key };
  }

  /** True when the town is still there and its key is good. */
  async knows(organisation: DemoOrganisation): Promise<boolean> {
    const { statusCode, body } = await request(`${this.#origin}/residents?limit=1`, {
      headers: authorised(organisation),
    });
    const page = (await body.json()) as { items?: unknown[] };
    return statusCode === 200 && page.items?.length === 1;
  }

  /** Creates the campaign; returns its id and what its preview says. */
  async draft({ key }: DemoOrganisation): Promise<{ id: string; preview: DemoPreview }> {
    const { id } = await this.#call<{ id: string }>('/campaigns', { method: 'POST', key, json: campaign });
    return { id, preview: await this.#call<DemoPreview>(`/campaigns/${id}/preview`, { key }) };
  }

  /** Launches it and calls `onProgress` at each news until it is over; returns the last. */
  async launch(
    organisation: DemoOrganisation,
    id: string,
    onProgress: (progress: DemoProgress) => void,
  ): Promise<DemoProgress> {
    await this.#call(`/campaigns/${id}/launch`, { method: 'POST', key: organisation.key });
    const headers = authorised(organisation);
    const { body } = await request(`${this.#origin}/campaigns/${id}/progress/events`, { headers, bodyTimeout: 0 });
    let last: DemoProgress | undefined;
    for await (const { event, data } of serverSentEvents(body)) {
      if (event === 'end') break;
      if (event !== 'progress') continue;
      last = JSON.parse(data) as DemoProgress;
      onProgress(last);
    }
    return await this.#call<DemoProgress>(`/campaigns/${id}/progress`, { key: organisation.key });
  }

  async #call<Answer>(path: string, { method = 'GET', key, json, csv }: Call): Promise<Answer> {
    const type = csv === undefined ? 'application/json' : 'text/csv';
    const content = csv ?? (json === undefined ? undefined : JSON.stringify(json));
    const { statusCode, body } = await request(`${this.#origin}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(content === undefined ? {} : { 'content-type': type }) },
      body: content ?? null,
      headersTimeout: 120_000,
    });
    const answer = (await body.json()) as Answer & { detail?: string };
    if (statusCode >= 300)
      throw new Fault('start', `the demonstration’s ${method} ${path} was answered ${statusCode}: ${answer.detail}`);
    return answer;
  }
}

/** What the demonstration tells of a preview. */
export type DemoPreview = {
  readonly recipients: number;
  readonly duplicates: number;
  readonly segments: number;
  readonly expectedSeconds: number;
  readonly unreachable: { readonly noMobile: number; readonly optedOut: number; readonly noCarrier: number };
  readonly carriers: readonly { readonly carrier: string; readonly recipients: number }[];
};

/** True when every recipient has its outcome. */
export function everyOutcome({ planned, delivered, failed, unknown, expired, cancelled }: Progress): boolean {
  return planned > 0 && delivered + failed + unknown + expired + cancelled === planned;
}

/** The summary of a campaign that took `seconds`. */
export function summaryOf(progress: DemoProgress, seconds: number): DemoSummary {
  const { campaign: id, planned, submitted, delivered, failed, unknown } = progress;
  const rounded = Math.round(seconds * 100) / 100;
  return {
    campaign: id,
    planned,
    submitted,
    delivered,
    failed,
    unknown,
    seconds: rounded,
    perSecond: Math.round(planned / seconds),
  };
}

function authorised({ key }: DemoOrganisation): Record<string, string> {
  return { authorization: `Bearer ${key}` };
}

/** Events of a text/event-stream body, as far as the API uses the format. */
async function* serverSentEvents(body: AsyncIterable<Buffer>): AsyncGenerator<{ event: string; data: string }> {
  let text = '';
  for await (const chunk of body) {
    text += chunk.toString('utf8');
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n');
      text = text.slice(end + 2);
      const valueOf = (name: string) =>
        lines
          .find((line) => line.startsWith(`${name}:`))
          ?.slice(name.length + 1)
          .trim();
      yield { event: valueOf('event') ?? 'message', data: valueOf('data') ?? '' };
    }
  }
}
