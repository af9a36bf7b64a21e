/** The few requests to the API that benches make. */

/** A client of one API. */
export class ApiClient {
  readonly origin: string;

  constructor(origin: string) {
    this.origin = origin;
  }

  /** Sends a request and reads its answer; throws when it is not a success. */
  async call<Answer>(method: 'GET' | 'POST', path: string, key: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`${this.origin}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${answer}`);
    return JSON.parse(answer) as Answer;
  }

  /** Creates a campaign and returns its id. */
  async createCampaign(key: string, campaign: CampaignDraft): Promise<string> {
    return (await this.call<{ id: string }>('POST', '/campaigns', key, campaign)).id;
  }

  /** Launches a campaign. */
  async launch(key: string, campaign: string): Promise<void> {
    await this.call('POST', `/campaigns/${campaign}/launch`, key);
  }

  /** Pauses, resumes or cancels a campaign. */
  async control(key: string, campaign: string, verb: 'pause' | 'resume' | 'cancel'): Promise<void> {
    await this.call('POST', `/campaigns/${campaign}/${verb}`, key);
  }
}

/** A campaign as the API takes it. */
export type CampaignDraft = {
  readonly name: string;
  readonly nature: 'alert' | 'information';
  readonly sender: string;
  readonly audience: { readonly all: true } | { readonly lists: readonly string[] };
  readonly contents: Readonly<Record<string, string>>;
  readonly defaultLanguage: string;
  readonly validitySeconds: number;
};
