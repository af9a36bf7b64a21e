/** The few requests that these tests make of a cluster's API, and its progress followed event by event. */
import { expect } from 'vitest';
import type { CampaignStatus, Progress } from '../../src/handoff.ts';

/** Progress as the API gives it. */
export type CampaignProgress = Progress & { readonly campaign: string; readonly status: CampaignStatus };

/** A client with a key. */
export class Api {
  readonly origin: string;
  readonly key: string;

  constructor(origin: string, key: string) {
    this.origin = origin;
    this.key = key;
  }

  /** The answer to a request; fails the test unless it is a success. */
  async call<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await this.send(method, path, body);
    const text = await response.text();
    expect(response.ok, `${method} ${path}: ${response.status} ${text}`).toBe(true);
    return (response.headers.get('content-type')?.includes('json') === true ? JSON.parse(text) : text) as Answer;
  }

  /** A request; text goes as CSV, anything else as JSON. */
  send(method: string, path: string, body?: unknown): Promise<Response> {
    const type = typeof body === 'string' ? 'text/csv' : 'application/json';
    return fetch(`${this.origin}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.key}`, ...(body === undefined ? {} : { 'content-type': type }) },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  }

  /** Creates and launches a campaign; returns its id. */
  async launch(campaign: unknown): Promise<string> {
    const { id } = await this.call<{ id: string }>('POST', '/campaigns', campaign);
    await this.call('POST', `/campaigns/${id}/launch`);
    return id;
  }

  /** Every item of a paged list. */
  async *all<Item>(path: string): AsyncGenerator<Item> {
    for (let cursor: string | null = ''; cursor !== null; ) {
      const query: string = `limit=500${cursor === '' ? '' : `&cursor=${cursor}`}`;
      const page = await this.call<{ items: Item[]; next: string | null }>('GET', `${path}?${query}`);
      yield* page.items;
      cursor = page.next;
    }
  }
}

/** A campaign that is being watched from now to its end. Every event is checked as it comes. */
export class Watch {
  readonly events: CampaignProgress[] = [];
  /** Resolves with the last progress once the stream has said `end`. */
  readonly ended: Promise<CampaignProgress>;
  readonly #waiting = new Set<() => void>();

  constructor(api: Api, campaign: string) {
    this.ended = this.#read(api, campaign);
    // Whoever awaits it sees the failure; until then it is no unhandled one.
    this.ended.catch(() => undefined);
  }

  /** Resolves with the first event, past or coming, of which `holds` is true; fails when the campaign ends first. */
  async until(holds: (progress: CampaignProgress) => boolean): Promise<CampaignProgress> {
    const found = new Promise<CampaignProgress>((resolve) => {
      const look = () => {
        const event = this.events.find(holds);
        if (event === undefined) return;
        this.#waiting.delete(look);
        resolve(event);
      };
      this.#waiting.add(look);
      look();
    });
    const event = await Promise.race([found, this.ended.then(() => this.events.find(holds))]);
    if (event === undefined) throw new Error(`it never was so; last: ${JSON.stringify(this.events.at(-1))}`);
    return event;
  }

  async #read(api: Api, campaign: string): Promise<CampaignProgress> {
    const response = await api.send('GET', `/campaigns/${campaign}/progress/events`);
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const decoder = new TextDecoder();
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const event = text.slice(0, end);
        text = text.slice(end + 2);
        if (event.startsWith('event: progress\n'))
          this.#take(JSON.parse(event.split('\ndata: ')[1] ?? '') as CampaignProgress);
        if (event.startsWith('event: end\n')) return this.events.at(-1) as CampaignProgress;
      }
    }
    throw new Error('the stream of events broke off');
  }

  #take(progress: CampaignProgress): void {
    expectForward(this.events.at(-1), progress);
    this.events.push(progress);
    for (const look of this.#waiting) look();
  }
}

/** Messages that have come to their end. */
function finalOf({ delivered, failed, expired, cancelled }: Progress): number {
  return delivered + failed + expired + cancelled;
}

/** Fails unless `next` adds up, and nothing in it goes back behind `last`. */
function expectForward(last: CampaignProgress | undefined, next: CampaignProgress): void {
  const said = JSON.stringify([last, next]);
  const { planned, pending, awaitingReceipt, unknown, submitted, delivered } = next;
  expect(pending + awaitingReceipt + unknown + finalOf(next), said).toBe(planned);
  expect(submitted, said).toBeGreaterThanOrEqual(delivered + awaitingReceipt);
  expect(submitted, said).toBeLessThanOrEqual(planned - pending);
  if (last === undefined) return;
  for (const name of ['planned', 'submitted', 'delivered', 'failed', 'expired', 'cancelled'] as const)
    expect(next[name], `${name}: ${said}`).toBeGreaterThanOrEqual(last[name]);
  if (last.planned === planned) expect(pending, `pending: ${said}`).toBeLessThanOrEqual(last.pending);
}
